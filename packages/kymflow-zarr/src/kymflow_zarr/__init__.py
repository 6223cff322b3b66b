"""kymflow-zarr: keep image acquisitions, their results and tables over them in one dataset.

`ZarrDataset` opens or makes a dataset, `ZarrImageRecord` is one image in it. What can go wrong is
in `kymflow_zarr.errors`; every name in ``__all__`` here is public, everything in a module whose
name starts with an underscore is not.
"""

from __future__ import annotations

from kymflow_zarr._catalog.manifest import Manifest, ManifestEntry
from kymflow_zarr._catalog.sources import RefreshPlan, SourceFile, SourceRow
from kymflow_zarr._export.outcome import ExportReport
from kymflow_zarr._ingest.outcome import IngestOutcome
from kymflow_zarr._problems import Problem, ProblemKind, Repair
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr._tables.replace import RowUpdate
from kymflow_zarr.dataset import ZarrDataset
from kymflow_zarr.errors import (
    AlreadyExistsError,
    ArtifactKindError,
    ArtifactNotFoundError,
    ColumnError,
    CorruptDataError,
    ExportError,
    ImageNotFoundError,
    IngestError,
    InvalidNameError,
    KymflowZarrError,
    LockedError,
    MetadataNotFoundError,
    NotADatasetError,
    NotFoundError,
    ReadOnlyError,
    SchemaValidationError,
    TableNotFoundError,
    UnreadableImageError,
    UnsupportedFormatError,
)
from kymflow_zarr.record import ZarrImageRecord
from kymflow_zarr.schema import DatasetSchema

__all__ = [
    "AlreadyExistsError",
    "ArtifactKindError",
    "ArtifactNotFoundError",
    "ColumnError",
    "CorruptDataError",
    "DatasetSchema",
    "ExportError",
    "ExportReport",
    "ImageNotFoundError",
    "IngestError",
    "IngestOutcome",
    "InvalidNameError",
    "JsonValue",
    "KymflowZarrError",
    "LockedError",
    "Manifest",
    "ManifestEntry",
    "MetadataNotFoundError",
    "NotADatasetError",
    "NotFoundError",
    "Problem",
    "ProblemKind",
    "ReadOnlyError",
    "RefreshPlan",
    "Repair",
    "RowUpdate",
    "SchemaValidationError",
    "SourceFile",
    "SourceRow",
    "TableNotFoundError",
    "UnreadableImageError",
    "UnsupportedFormatError",
    "ZarrDataset",
    "ZarrImageRecord",
]
