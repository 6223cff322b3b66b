"""kymflow-zarr: keep image acquisitions, their results and tables over them in one dataset.

`ZarrDataset` opens or makes a dataset, `ZarrImageRecord` is one image in it. What can go wrong is
in `kymflow_zarr.errors`; every name in ``__all__`` here is public, everything in a module whose
name starts with an underscore is not.
"""

from __future__ import annotations

from kymflow_zarr._catalog.failed_sources import FailedSource
from kymflow_zarr._catalog.manifest import Manifest, ManifestEntry
from kymflow_zarr._catalog.order import Missing, OrderBy
from kymflow_zarr._catalog.refresh_plan import RefreshMode, RefreshPlan
from kymflow_zarr._catalog.source_issue import IssueKind, SourceIssue
from kymflow_zarr._catalog.sources import BesideState, FileState, SourceFile, SourceRow
from kymflow_zarr._export.manifest import TableFormat
from kymflow_zarr._export.outcome import ExportReport
from kymflow_zarr._front.access import Mode
from kymflow_zarr._front.sources import DatasetSources
from kymflow_zarr._front.tables import DatasetTables
from kymflow_zarr._ingest.objects import (
    ChannelSource,
    HasChannelData,
    HasChannels,
    HasMetadata,
    Ingestible,
)
from kymflow_zarr._ingest.outcome import IngestOutcome, IngestStatus
from kymflow_zarr._pixels.array_like import LazyArray
from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._problems import Problem, ProblemKind, Repair
from kymflow_zarr._progress import ProgressCallback
from kymflow_zarr._storage.blobs import Durability
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr._tables.replace import RowUpdate
from kymflow_zarr.dataset import ZarrDataset
from kymflow_zarr.errors import (
    AlreadyExistsError,
    AmbiguousImageError,
    ArtifactKindError,
    ArtifactNotFoundError,
    ColumnError,
    CorruptDataError,
    ExportError,
    ImageNotFoundError,
    IncompleteImageError,
    IngestError,
    InvalidNameError,
    KymflowZarrError,
    LockedError,
    LockLostError,
    MetadataNotFoundError,
    NotADatasetError,
    NotFoundError,
    ReadOnlyError,
    SchemaValidationError,
    SourceFolderError,
    TableNotFoundError,
    UnreadableImageError,
    UnsupportedFormatError,
)
from kymflow_zarr.options import IngestOptions
from kymflow_zarr.record import ZarrImageRecord
from kymflow_zarr.schema import DatasetSchema

__all__ = [
    "AlreadyExistsError",
    "AmbiguousImageError",
    "AnyArray",
    "ArtifactKindError",
    "ArtifactNotFoundError",
    "BesideState",
    "ChannelSource",
    "ColumnError",
    "CorruptDataError",
    "DatasetSchema",
    "DatasetSources",
    "DatasetTables",
    "Durability",
    "ExportError",
    "ExportReport",
    "FailedSource",
    "FileState",
    "HasChannelData",
    "HasChannels",
    "HasMetadata",
    "ImageNotFoundError",
    "IncompleteImageError",
    "IngestError",
    "IngestOptions",
    "IngestOutcome",
    "IngestStatus",
    "Ingestible",
    "InvalidNameError",
    "IssueKind",
    "JsonValue",
    "KymflowZarrError",
    "LazyArray",
    "LockLostError",
    "LockedError",
    "Manifest",
    "ManifestEntry",
    "MetadataNotFoundError",
    "Missing",
    "Mode",
    "NotADatasetError",
    "NotFoundError",
    "OrderBy",
    "Problem",
    "ProblemKind",
    "ProgressCallback",
    "ReadOnlyError",
    "RefreshMode",
    "RefreshPlan",
    "Repair",
    "RowUpdate",
    "SchemaValidationError",
    "SourceFile",
    "SourceFolderError",
    "SourceIssue",
    "SourceRow",
    "TableFormat",
    "TableNotFoundError",
    "UnreadableImageError",
    "UnsupportedFormatError",
    "ZarrDataset",
    "ZarrImageRecord",
]
