"""Rows and columns as lines of text: drawn by rich for a terminal, tab-separated for a pipe."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kymflow.cli.safe_text import show

_GAP = 2
_NARROWEST = 8
_LONGEST_WORD = 20
"""Names of files and times are not broken up to this length."""
_OPAQUE = re.compile(r"[0-9a-f-]{32,}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """A laid-out table.

    Attributes:
        header: The line with the columns' names.
        lines: One line per row; more where a cell was wrapped.
        hidden: The columns that did not fit.
        empty: The columns that made room, as none of these rows has a value there.
        shared: Those that made room as all rows have the same value: column → value.
    """

    header: str
    lines: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    shared: Mapping[str, str] = field(default_factory=dict)


def layout(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, width: int | None
) -> TextTable:
    """Lay a table out.

    On a terminal numbers have six significant digits, and times whole seconds. Where it is too
    narrow, columns without values make room; ids, hashes and what all paths begin with are cut
    (``…``), and other texts are wrapped. If that is not enough, columns in which all rows say the
    same make room as well, and those that have no room at all are left out from the right. On a
    pipe there is a tab between values, and nothing is shortened.

    Args:
        columns: Their names.
        rows: Their values.
        width: Of the terminal, in characters; None for a pipe.
    """
    if width is None:
        header, *lines = ("\t".join(_exact(value) for value in row) for row in (columns, *rows))
        return TextTable(header=header, lines=tuple(lines))
    shown = [
        _TextColumn(
            name=show(name),
            texts=[cell(row[index]) for row in rows],
            is_numeric=bool(rows) and all(_is_number(row[index]) for row in rows),
        )
        for index, name in enumerate(columns)
    ]
    empty: list[_TextColumn] = []
    is_tight = sum(column.longest for column in shown) + _GAP * (len(shown) - 1) > width
    if is_tight and rows:
        empty = [column for column in shown if not any(column.texts)]
        shown = [_without_common_folders(column) for column in shown if any(column.texts)]
    fitting, shared = _how_many_fit(shown, width), []
    if fitting < len(shown) and len(rows) > 1:
        shared = [column for column in shown[1:fitting] if len(set(column.texts)) == 1]
        shown = [column for column in shown if column not in shared]
        fitting = _how_many_fit(shown, width)
    header, *lines = _draw(shown[:fitting], width=width)
    return TextTable(
        header=header,
        lines=tuple(lines),
        hidden=tuple(column.name for column in shown[fitting:]),
        empty=tuple(column.name for column in empty),
        shared={column.name: column.texts[0] for column in shared},
    )


def _how_many_fit(columns: Sequence[_TextColumn], width: int) -> int:
    """How many columns there is room for, from the left; at least one."""
    fitting = len(columns)
    while fitting > 1 and (
        sum(column.narrowest for column in columns[:fitting]) + _GAP * (fitting - 1) > width
    ):
        fitting -= 1
    return fitting


@dataclass(frozen=True, slots=True, kw_only=True)
class _TextColumn:
    """One column as text."""

    name: str
    texts: Sequence[str]
    is_numeric: bool

    @property
    def longest(self) -> int:
        return _longest((self.name, *self.texts))

    @property
    def is_opaque(self) -> bool:
        """Whether it has ids or hashes, of which the first characters do."""
        return all(_OPAQUE.fullmatch(text) for text in self.texts)

    @property
    def narrowest(self) -> int:
        """The least width in which it can be read."""
        if self.is_numeric:
            return self.longest
        if self.is_opaque:
            return min(self.longest, _NARROWEST)
        if self.longest <= _LONGEST_WORD:
            return self.longest
        words = _longest(("", *(word for text in self.texts for word in text.split())))
        return max(_NARROWEST, min(words, _LONGEST_WORD))


def _without_common_folders(column: _TextColumn) -> _TextColumn:
    """Paths without the folders that all of them lie in."""
    paths = [re.split(r"[/\\]", text) for text in column.texts if text]
    levels = zip(*(path[:-1] for path in paths), strict=False)
    shared = itertools.takewhile(lambda folders: len(set(folders)) == 1, levels)
    folders = sum(len(names[0]) + 1 for names in shared)
    if folders < _NARROWEST + len("…/"):
        return column
    shorter = [f"…/{text[folders:]}" if text else "" for text in column.texts]
    return replace(column, texts=shorter)


def cell(value: object) -> str:
    """One value as text: six significant digits, whole seconds, nothing for a missing one."""
    if isinstance(value, float) and not math.isnan(value):
        return f"{value:.6g}"
    text = _exact(value)
    time = _TIME.fullmatch(text)
    return f"{time[1]} {time[2]}" if time else text


def _exact(value: object) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else show(str(value))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _longest(texts: Sequence[str]) -> int:
    """In character cells; some scripts take two for a character."""
    from rich.cells import cell_len

    return max(map(cell_len, texts))


def _draw(columns: Sequence[_TextColumn], *, width: int) -> Iterator[str]:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    is_tight = sum(column.longest for column in columns) + _GAP * (len(columns) - 1) > width
    for column in columns:
        table.add_column(
            Text(column.name, no_wrap=True, overflow="ellipsis"),
            justify="right" if column.is_numeric else "left",
            min_width=column.narrowest,
            max_width=column.narrowest if column.is_opaque and is_tight else None,
            no_wrap=column.is_numeric,
            overflow="ellipsis" if column.is_opaque else "fold",
        )
    for row in zip(*(column.texts for column in columns), strict=True):
        table.add_row(*(Text(text) for text in row))
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(table)
    return (line.rstrip() for line in capture.get().removesuffix("\n").split("\n"))
