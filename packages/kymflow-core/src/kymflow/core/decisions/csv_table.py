"""A CSV file with one line per file, folder or animal, as spreadsheets write it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kymflow.core.errors import MetadataFileError
from kymflow.core.metadata import NUMBER_FIELDS, parse_value

if TYPE_CHECKING:
    from kymflow_zarr import JsonValue

_DELIMITERS: Final = (",", ";", "\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRow:
    """One line.

    Attributes:
        line: Its number in the file, the header being 1.
        key: What it is about.
        values: Values by column; empty cells are left out.
    """

    line: int
    key: str
    values: Mapping[str, JsonValue]


def read_csv(path: str | PathLike[str], *, key: str) -> tuple[CsvRow, ...]:
    """Read a CSV file: UTF-8, its columns separated by commas, semicolons or tabs.

    Fields of `ExperimentMetadata` have their types. Where columns are not separated by commas, a
    number may have a decimal comma. Another column holds numbers if every cell is
    one, written without leading zeros.

    Args:
        path: The file.
        key: The column that says what a line is about.

    Raises:
        MetadataFileError: It cannot be read, or has no such column, a column twice, cells that
            belong to no column, or lines about the same that contradict each other.
        OSError: The system refuses it.
    """
    where = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise MetadataFileError(where, f"it is not UTF-8 ({error}); save it as UTF-8") from error
    delimiter = max(_DELIMITERS, key=text.partition("\n")[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = header
        numbered = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise MetadataFileError(where, f"it is not CSV ({error}); export it again") from error
    if not header:
        raise MetadataFileError(where, "it is empty; export it again")
    if key not in header:
        listed = ", ".join(header)
        raise MetadataFileError(where, f"it has no column {key!r}; its columns are {listed}")
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise MetadataFileError(where, f"it has two columns {twice[0]!r}; rename one")
    rows: list[CsvRow] = []
    for line, cells in numbered:
        if None in cells:
            raise MetadataFileError(where, f"line {line} has more cells than the header")
        said = {name: cell.strip() for name, cell in cells.items() if cell and cell.strip()}
        if said and key not in said:
            raise MetadataFileError(where, f"line {line} has no {key!r}; fill it in")
        if said:
            rows.append(CsvRow(line=line, key=said.pop(key), values=said))
    _refuse_contradictions(rows, where)
    decimal = "," if delimiter != "," else "."
    typed = [{n: _parse(n, str(v), decimal) for n, v in row.values.items()} for row in rows]
    texts = {n for values in typed for n, value in values.items() if isinstance(value, str)}
    texts.difference_update(NUMBER_FIELDS)  # one malformed number leaves the others what they are
    return tuple(
        replace(row, values=values | {n: v for n, v in row.values.items() if n in texts})
        for row, values in zip(rows, typed, strict=True)
    )


def _parse(name: str, text: str, decimal: str) -> JsonValue:
    """The value of a cell; a number that has a decimal comma is one with a point."""
    if decimal == "," and name in NUMBER_FIELDS and text.count(",") == 1:
        text = text.replace(",", ".")
    return parse_value(name, text)


def _refuse_contradictions(rows: Sequence[CsvRow], where: str) -> None:
    """Refuse two lines about the same that give a column different values."""
    given: dict[tuple[str, str], tuple[int, JsonValue]] = {}
    for row in rows:
        for name, value in row.values.items():
            line, before = given.setdefault((row.key, name), (row.line, value))
            if value != before:
                raise MetadataFileError(
                    where,
                    f"{name!r} of {row.key!r} is {before!r} in line {line} and {value!r} in line "
                    f"{row.line}; keep one",
                )
