"""A dataset as one workbook for a spreadsheet: images, results, their parameters and columns."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kymflow.cli.blocks import cell_value
from kymflow.cli.errors import MissingExtraError, OutputFileError
from kymflow.cli.guesses import require_known
from kymflow.cli.safe_text import show

if TYPE_CHECKING:
    import pandas as pd

    from kymflow.core import KymDataset
    from kymflow.core.analysis import Analysis, Column
    from kymflow.core.compare import Comparison
    from kymflow_zarr import ZarrDataset

_PREFIX: Final = "kym_"
_IMAGES: Final = "images"
_COMPARISON: Final = (
    *("analysis", "column", "from_group", "to_group", "change", "change_low", "change_high"),
    *("unit", "paired", "animals_from", "animals_to", "rows"),
)
_ESTIMATE: Final = (
    *("analysis", "column", "from_group", "to_group", "animal", "group"),
    *("value", "low", "high", "count", "unit"),
)
_LONGEST_NAME = 31
_LONGEST_CELL = 32_000
_MOST_ROWS = 1_048_575
_WIDEST, _NARROWEST = 40, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One sheet: a header and rows.

    Attributes:
        name: Its name.
        columns: The header.
        rows: The rows.
    """

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]


def sheets_of(
    dataset: ZarrDataset, *, group_by: str | None = None, baseline: str | None = None
) -> Iterator[Sheet]:
    """The sheets of a dataset.

    ``images`` with metadata and exclusions; a sheet for each table of an indexer, each row with the
    file and what is known of it; ``comparisons`` between the groups that a field makes, if one is
    given, and the ``estimates`` of each group and animal behind them; ``parameters`` by the hash
    that rows have; ``columns``, what they mean and their units.

    Raises:
        UnknownNameError: The images have no such field, or it has no such group.
    """
    from kymflow.core import KymDataset
    from kymflow.core.plugins import load_analyses

    kymographs = KymDataset(dataset)
    analyses = load_analyses()
    images = kymographs.view()
    if group_by is not None:
        require_known(group_by, images.columns, what="field", where="of the images")
        if baseline is not None:
            groups = sorted(images[group_by].dropna().astype(str).unique())
            require_known(baseline, groups, what="group", where=f"of field {group_by!r}")
    yield _sheet(_IMAGES, images)
    for table in dataset.list_table_names():
        name = table.removeprefix(_PREFIX)
        if table.startswith(_PREFIX) and name != _IMAGES:
            yield _sheet(name, kymographs.joined(name))
    if group_by is not None:
        found = list(_comparisons(kymographs, analyses, group_by, baseline))
        yield Sheet(
            name="comparisons",
            columns=_COMPARISON,
            rows=[_comparison(*each) for each in found],
        )
        yield Sheet(
            name="estimates",
            columns=_ESTIMATE,
            rows=[row for each in found for row in _estimates(*each)],
        )
    yield Sheet(
        name="parameters",
        columns=("analysis", "label", "params_hash", "parameter", "value"),
        rows=list(_parameters(dataset, analyses)),
    )
    yield Sheet(
        name="columns",
        columns=("sheet", "column", "unit", "meaning"),
        rows=[
            ("_".join(filter(None, (name, table.name))), column.name, column.unit, column.doc)
            for name, analysis in analyses.items()
            for table in (analysis.table(""), *analysis.tables)
            for column in table.columns
        ],
    )


def write_workbook(sheets: Iterable[Sheet], target: Path) -> None:
    """Write sheets as an XLSX file. No text in it becomes a formula or a link.

    Args:
        sheets: The sheets.
        target: The file.

    Raises:
        MissingExtraError: XlsxWriter is not installed.
        OutputFileError: A table has more rows than a sheet can have.
    """
    try:
        import xlsxwriter
    except ImportError as error:
        raise MissingExtraError("XlsxWriter", extra="xlsx") from error
    # In memory until it is whole: XlsxWriter has errors of its own for a full disk.
    packed = BytesIO()
    with xlsxwriter.Workbook(packed, {"constant_memory": True}) as book:
        bold = book.add_format({"bold": True, "bottom": 1})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        taken: set[str] = set()
        for sheet in sheets:
            if len(sheet.rows) > _MOST_ROWS:
                raise OutputFileError(
                    str(target),
                    f"{sheet.name!r} has {len(sheet.rows):,} rows, more than a sheet can have",
                    hint="leave --xlsx out: tables are exported as Parquet and CSV",
                )
            page = book.add_worksheet(_free_name(sheet.name, taken))
            page.freeze_panes(1, 1)
            for at, column in enumerate(sheet.columns):
                page.set_column(at, at, min(_WIDEST, max(_NARROWEST, len(column) + 2)))
            if sheet.columns:
                page.autofilter(0, 0, len(sheet.rows), len(sheet.columns) - 1)
            for at, column in enumerate(sheet.columns):
                page.write_string(0, at, show(column), bold)
            for number, row in enumerate(sheet.rows, start=1):
                for at, value in enumerate(row):
                    _write(page, number, at, value, moment)
    target.write_bytes(packed.getbuffer())


def _sheet(name: str, frame: pd.DataFrame) -> Sheet:
    rows = frame.astype(object).where(frame.notna(), None)
    return Sheet(
        name=name,
        columns=tuple(frame.columns),
        rows=list(rows.itertuples(index=False, name=None)),
    )


def _parameters(
    dataset: ZarrDataset, analyses: Mapping[str, Analysis[Any]]
) -> Iterator[tuple[object, ...]]:
    """The parameters of all results, a row for each value."""
    from kymflow.core import KymflowCoreError
    from kymflow.core.analysis import load_results, used_labels
    from kymflow_zarr import KymflowZarrError

    seen: set[tuple[str, str, str]] = set()
    for name, labels in used_labels(dataset, analyses).items():
        for label in labels:
            for image_id in dataset.load_manifest().entries:
                try:
                    stored = load_results(dataset.record(image_id), analyses[name], label=label)
                except (KymflowCoreError, KymflowZarrError, OSError):
                    continue  # it has no row in a table, either
                for digest, document in stored.params.items():
                    if (name, label, digest) not in seen:
                        seen.add((name, label, digest))
                        for parameter, value in document.items():
                            yield name, label, digest, parameter, json.dumps(value)


def _comparisons(
    kymographs: KymDataset,
    analyses: Mapping[str, Analysis[Any]],
    group_by: str,
    baseline: str | None,
) -> Iterator[tuple[str, Column, Comparison]]:
    """How each number of each analysis differs between groups, by animal."""
    from kymflow.core.compare import compare_with_baseline

    tables = kymographs.ds.list_table_names()
    for name, analysis in analyses.items():
        if f"{_PREFIX}{name}" not in tables:
            continue
        frame = kymographs.joined(name)
        if group_by not in frame.columns:
            continue
        frame = frame[frame["label"].eq("")]
        for column in analysis.summary:
            if column.type is not float:
                continue
            for found in compare_with_baseline(
                frame, value=column.name, group=group_by, baseline=baseline
            ):
                yield name, column, found


def _comparison(name: str, column: Column, found: Comparison) -> tuple[object, ...]:
    unit = "share" if found.relative else column.unit
    change = (found.change, found.low, found.high, unit, found.paired)
    return (name, column.name, *found.groups, *change, *found.animals, found.rows)


def _estimates(name: str, column: Column, found: Comparison) -> Iterator[tuple[object, ...]]:
    """What each group and each animal of a comparison is estimated at, a row for each."""
    for row in found.estimates.itertuples(index=False):
        is_share = found.relative and row.group is None
        yield (name, column.name, *found.groups, *row, "share" if is_share else column.unit)


def _free_name(name: str, taken: set[str]) -> str:
    """A name that a sheet may have and no other one has."""
    plain = "".join("_" if char in "[]:*?/\\'" else char for char in show(name))
    free, number = plain[:_LONGEST_NAME], 2
    while free.casefold() in taken:
        free = f"{plain[: _LONGEST_NAME - 4]}_{number}"
        number += 1
    taken.add(free.casefold())
    return free


def _write(page: Any, row: int, column: int, value: object, moment: Any) -> None:
    match value:
        case None:
            return
        case bool():
            page.write_boolean(row, column, value)
        case datetime() if value.tzinfo is None:
            page.write_datetime(row, column, value, moment)
        case int() | float() if math.isfinite(value):
            page.write_number(row, column, value)
        case _:
            text = str(cell_value(value))[:_LONGEST_CELL]
            lines = (show(line) for line in text.split("\n"))
            page.write_string(row, column, "\n".join(lines))
