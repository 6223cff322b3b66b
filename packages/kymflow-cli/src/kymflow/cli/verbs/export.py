"""Write a dataset as plain files again, or as a workbook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from cyclopts import Parameter

from kymflow.cli.blocks import (
    Block,
    Screen,
    counted,
    failure_blocks,
    not_compared,
    remark,
    sentence,
    table_blocks,
)
from kymflow.cli.errors import OutputFileError, UnknownNameError, refuse_unused
from kymflow.cli.folders import require_outside
from kymflow.cli.opening import find_image, open_reader
from kymflow.cli.options import DEFAULT_WAIT_S, ProgressParam, Wait
from kymflow.cli.output_file import replaced
from kymflow.cli.progress import SILENT, followed
from kymflow.cli.results import BatchResult, DatasetResult
from kymflow.cli.safe_text import show

if TYPE_CHECKING:
    from kymflow.cli.workbook import Sheet
    from kymflow_zarr import ZarrDataset

_TABLE_ENDINGS = (".parquet", ".csv", ".mat")


def export(
    dataset: str,
    folder: Path | None = None,
    /,
    *,
    xlsx: Path | None = None,
    combined: Path | None = None,
    over_time: Annotated[bool, Parameter(negative="")] = False,
    group_by: str | None = None,
    baseline: str | None = None,
    image: Annotated[tuple[str, ...], Parameter(name=["--image", "-i"])] = (),
    pixels: Annotated[bool, Parameter(negative="--no-pixels", name="--pixels")] = True,
    tables: Annotated[bool, Parameter(negative="--no-tables", name="--tables")] = True,
    table_format: Literal["csv", "parquet"] | None = None,
    wait: Wait = DEFAULT_WAIT_S,
    progress: ProgressParam = SILENT,
) -> ExportResult | WorkbookResult | CombinedResult:
    """Write a dataset as plain files, as a workbook, or as one table.

    Into a folder, images become TIFF, results JSON, tables Parquet and CSV. A second run into the
    same folder writes only what differs. kymflow ingest reads the folder back in. With --xlsx,
    one workbook has the images with their metadata, all tables, and the parameters. With
    --combined, one table has the summaries of all analyses side by side, for R or MATLAB.

    Args:
        dataset: Path or URL of the dataset.
        folder: Where to; created if it does not exist. Not needed with --xlsx and
            --combined.
        xlsx: Write this workbook; an existing one is replaced.
        combined: Write this table, which ends in .parquet, .csv or .mat; an existing one is
            replaced.
        over_time: Give that table a row for each moment, from all that was found over time.
        group_by: A field of the images, such as condition: the workbook compares its groups by
            animal.
        baseline: The group that others are compared with; if not given, the first one.
        image: Just this image: its id, the first characters of it, or its source file; may be
            given several times.
        pixels: Whether to write the pixels, as TIFF.
        tables: Whether to write the tables.
        table_format: How to write tables: as Parquet alone, or as CSV beside it (if not given).
        wait: How many seconds to wait for another export into this folder.
        progress: Shows how far the work is.

    Raises:
        OutputFileError: There is a file, or it would lie in the dataset.
        UnknownNameError: No image, or more than one, goes by a name; or no field or group does.
        UnusedOptionError: An option has no effect on what is written.
        kymflow_zarr.AlreadyExistsError: The folder holds something else.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow_zarr import ExportError

    for_folder = {
        "a folder": folder is not None,
        "--image": bool(image),
        "--no-pixels": not pixels,
        "--no-tables": not tables,
        "--table-format": table_format is not None,
    }
    for_combined = {"--over-time": over_time}
    for_groups = {"--group-by": group_by is not None, "--baseline": baseline is not None}
    opened = open_reader(dataset, wait_s=wait)
    if xlsx is not None:
        refuse_unused("--xlsx", {"--combined": combined is not None, **for_folder, **for_combined})
        if group_by is None:
            refuse_unused("--xlsx alone, without --group-by", {"--baseline": baseline is not None})
        from kymflow.cli.workbook import sheets_of

        sheets = sheets_of(opened, group_by=group_by, baseline=baseline)
        return _write_workbook(list(sheets), dataset, xlsx)
    if combined is not None:
        refuse_unused("--combined", {**for_folder, **for_groups})
        return _write_combined(opened, dataset, combined, over_time=over_time)
    if folder is None:
        raise UnknownNameError(
            "no destination is given", hint="name a folder, --xlsx FILE or --combined FILE"
        )
    refuse_unused("a folder", {**for_groups, **for_combined})
    if not tables:
        refuse_unused("--no-tables", {"--table-format": table_format is not None})
    require_outside(folder, dataset)
    if folder.exists() and not folder.is_dir():
        raise OutputFileError(str(folder), "it is a file", hint="name a folder")
    chosen = [find_image(opened, name) for name in image] if image else None
    try:
        report = opened.export_legacy_folder(
            folder,
            include_tiff=pixels,
            include_tables=tables,
            table_format=table_format or "csv",
            image_ids=chosen,
            progress=followed(progress, "exporting"),
        )
    except ExportError as error:
        failures = error.failures.items()
        return ExportResult(
            dataset=dataset,
            folder=str(folder),
            images=len(error.image_ids),
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
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult(BatchResult):
    """What an export did. Counts are None where damage kept it from being complete.

    Attributes:
        folder: Where it was written to.
        images: How many images are in the folder, whole.
        tables: How many tables are in it.
        files_written: How many files are new or have new contents.
        files_unchanged: How many were there as they should be.
        files_removed: How many files of an earlier export were removed.
        files_kept: Files of an earlier export that someone has changed since; they stay.
        items: These things.
    """

    verb: ClassVar[str] = "export"
    folder: str
    images: int
    tables: int | None = None
    files_written: int | None = None
    files_unchanged: int | None = None
    files_removed: int | None = None
    files_kept: tuple[str, ...] = ()
    items: tuple[NotExported, ...] = ()

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        yield from failure_blocks(
            f"{counted(self.failed, 'thing')} could not be exported",
            ("what", "reason"),
            [(item.name, item.reason) for item in self.items],
            screen,
        )
        yield sentence(
            f"{counted(self.images, 'image')} in {show(self.folder)}",
            counted(self.tables, "table") if self.tables else "",
            f"{counted(self.files_written, 'file')} written" if self.files_written else "",
            unchanged=self.files_unchanged or 0,
            removed=self.files_removed or 0,
            failed=self.failed,
        )
        if self.files_kept:
            yield remark(f"not removed, as someone has changed them: {', '.join(self.files_kept)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkbookResult(DatasetResult):
    """What a workbook has.

    Attributes:
        workbook: The file that was written.
        sheets: How many sheets it has.
        items: The sheets.
    """

    verb: ClassVar[str] = "export"
    workbook: str
    sheets: int
    items: tuple[WrittenSheet, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        yield from table_blocks(("sheet", "rows"), [(i.name, i.rows) for i in self.items], screen)
        yield sentence(f"{counted(self.sheets, 'sheet')} in {show(self.workbook)}")
        if any(item.name == "comparisons" and not item.rows for item in self.items):
            yield not_compared()


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedResult(DatasetResult):
    """What a table of all summaries has.

    Attributes:
        table: The file that was written.
        rows: How many rows it has, one for each image, label and region.
        columns: How many columns.
        items: Always empty.
    """

    verb: ClassVar[str] = "export"
    table: str
    rows: int
    columns: int
    items: tuple[NotExported, ...] = ()

    def as_text(self, screen: Screen) -> Iterator[Block]:  # noqa: ARG002
        """See `Result`."""
        yield sentence(f"{counted(self.rows, 'row')} in {show(self.table)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSheet:
    """One sheet of a workbook.

    Attributes:
        name: Its name.
        rows: How many rows it has, the header apart.
    """

    type: ClassVar[str] = "sheet"
    name: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NotExported:
    """One thing that could not be exported.

    Attributes:
        name: What it is: a key in the dataset, an image, a table.
        reason: Why.
    """

    type: ClassVar[str] = "failure"
    name: str
    reason: str


def _write_workbook(sheets: list[Sheet], dataset: str, target: Path) -> WorkbookResult:
    from kymflow.cli.workbook import write_workbook

    require_outside(target, dataset)
    if target.suffix.lower() != ".xlsx":
        raise OutputFileError(str(target), "it does not end in .xlsx", hint="rename it")
    with replaced(target) as unfinished:
        write_workbook(sheets, unfinished)
    items = tuple(WrittenSheet(name=sheet.name, rows=len(sheet.rows)) for sheet in sheets)
    return WorkbookResult(dataset=dataset, workbook=str(target), sheets=len(items), items=items)


def _write_combined(
    opened: ZarrDataset, dataset: str, target: Path, *, over_time: bool
) -> CombinedResult:
    from kymflow.core import KymDataset
    from kymflow.core.combine import combine_all_times, combine_regions, save_table
    from kymflow.core.plugins import load_analyses

    require_outside(target, dataset)
    if target.suffix.lower() not in _TABLE_ENDINGS:
        endings = " or ".join(_TABLE_ENDINGS)
        raise OutputFileError(str(target), f"it does not end in {endings}", hint="rename it")
    names = KymDataset(opened).image_names("combined")
    combine = combine_all_times if over_time else combine_regions
    table = names.join(combine(opened, list(load_analyses().values())))
    with replaced(target) as unfinished:
        save_table(table, unfinished, suffix=target.suffix.lower())
    rows, columns = table.shape
    return CombinedResult(dataset=dataset, table=str(target), rows=rows, columns=columns)
