"""Write a dataset as plain files again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from kymflow.cli.errors import OutputFileError
from kymflow.cli.folders import require_outside
from kymflow.cli.opening import find_image, open_reader
from kymflow.cli.options import DEFAULT_WAIT_S, ProgressParam, Wait
from kymflow.cli.progress import SILENT, followed
from kymflow.cli.results import ExportResult, NotExported

__all__ = ["export"]


def export(
    dataset: str,
    folder: Path,
    /,
    *,
    image: Annotated[tuple[str, ...], Parameter(name=["--image", "-i"])] = (),
    pixels: Annotated[bool, Parameter(negative="--no-pixels", name="--pixels")] = True,
    tables: Annotated[bool, Parameter(negative="--no-tables", name="--tables")] = True,
    table_format: Annotated[Literal["csv", "parquet"], Parameter(name="--format")] = "csv",
    wait: Wait = DEFAULT_WAIT_S,
    progress: ProgressParam = SILENT,
) -> ExportResult:
    """Write a dataset as plain files.

    Images become TIFF, results JSON, tables Parquet and CSV. A second run into the same folder
    writes only what differs. kymflow ingest takes the folder in again.

    Args:
        dataset: Path or URL of the dataset.
        folder: Where to; made if it is not there.
        image: Just this image: its id, the first characters of it, or its source file; may be
            given several times.
        pixels: Whether to write the pixels, as TIFF.
        tables: Whether to write the tables.
        table_format: How to write tables: as Parquet alone, or as CSV beside it.
        wait: For how many seconds to wait for another export into this folder.
        progress: Who is told how it goes.

    Returns:
        What was written.

    Raises:
        OutputFileError: There is a file, or it would lie in the dataset.
        UnknownNameError: No image, or more than one, goes by a name.
        kymflow_zarr.AlreadyExistsError: The folder holds something else.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow_zarr import ExportError

    opened = open_reader(dataset, wait_s=wait)
    require_outside(folder, dataset)
    if folder.exists() and not folder.is_dir():
        raise OutputFileError(str(folder), "it is a file", hint="name a folder")
    chosen = [find_image(opened, name) for name in image] if image else None
    try:
        report = opened.export_legacy_folder(
            folder,
            include_tiff=pixels,
            include_tables=tables,
            table_format=table_format,
            image_ids=chosen,
            progress=followed(progress, "exporting"),
        )
    except ExportError as error:
        failures = error.failures.items()
        return ExportResult(
            dataset=dataset,
            folder=str(folder),
            images=len(error.image_ids),
            tables=None,
            files_written=None,
            files_unchanged=None,
            files_removed=None,
            files_kept=(),
            failed=len(failures),
            items=tuple(NotExported(name=name, reason=reason) for name, reason in failures),
        )
    return ExportResult(
        dataset=dataset,
        folder=str(folder),
        images=len(report.image_ids),
        tables=len(report.table_names),
        files_written=report.files_written,
        files_unchanged=report.files_unchanged,
        files_removed=report.files_removed,
        files_kept=report.files_kept,
        failed=0,
        items=(),
    )
