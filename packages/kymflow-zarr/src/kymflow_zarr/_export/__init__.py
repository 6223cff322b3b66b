"""A dataset as plain files, and back: TIFF, JSON, CSV or Parquet, NPY.

`export_folder` writes, `read_export` tells what an export holds, `iter_ingest_export` takes it into
a dataset. `manifest` describes the two documents that tie the files together.
"""

from __future__ import annotations

from kymflow_zarr._export.export import export_folder, iter_export
from kymflow_zarr._export.ingest import iter_ingest_export
from kymflow_zarr._export.manifest import TableFormat
from kymflow_zarr._export.outcome import ExportReport, ImageExport
from kymflow_zarr._export.reader import ExportContents, ExportedImage, is_export, read_export

__all__ = [
    "ExportContents",
    "ExportReport",
    "ExportedImage",
    "ImageExport",
    "TableFormat",
    "export_folder",
    "is_export",
    "iter_export",
    "iter_ingest_export",
    "read_export",
]
