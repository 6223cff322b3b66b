"""Rows and columns as lines of text: drawn by rich for a terminal, tab-separated for a pipe."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kymflow.cli.safe_text import show

_GAP = 2
_NARROWEST = 8
_OPAQUE = re.compile(r"[0-9a-f-]{32,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """A laid-out table.

    Attributes:
        header: The line with the columns' names.
        lines: One line per row; more where a cell was wrapped.
        hidden: The columns that did not fit.
    """

    header: str
    lines: tuple[str, ...]
    hidden: tuple[str, ...] = ()


def layout(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, width: int | None
) -> TextTable:
    """Lay a table out.

    On a terminal numbers have six significant digits, ids and hashes are cut to what fits (``…``),
    other texts are wrapped, and columns that have no room at all are left out from the right. On a
    pipe there is a tab between values, and nothing is shortened.

    Args:
        columns: Their names.
        rows: Their values.
        width: Of the terminal, in characters; None for a pipe.
    """
    if width is None:
        header, *lines = ("\t".join(_exact(value) for value in row) for row in (columns, *rows))
        return TextTable(header=header, lines=tuple(lines))
    names = [show(name) for name in columns]
    cells = [[cell(value) for value in row] for row in rows]
    numeric = [
        bool(rows) and all(_is_number(row[index]) for row in rows) for index in range(len(columns))
    ]
    narrowest = [
        longest if numeric[index] else min(longest, _NARROWEST)
        for index, longest in enumerate(map(_longest, zip(names, *cells, strict=True)))
    ]
    shown = len(names)
    while shown > 1 and sum(narrowest[:shown]) + _GAP * (shown - 1) > width:
        shown -= 1
    header, *lines = _draw(
        names[:shown], [row[:shown] for row in cells], numeric, narrowest, width=width
    )
    return TextTable(header=header, lines=tuple(lines), hidden=tuple(names[shown:]))


def cell(value: object) -> str:
    """One value as text: six significant digits, nothing for a missing one."""
    if isinstance(value, float) and not math.isnan(value):
        return f"{value:.6g}"
    return _exact(value)


def _exact(value: object) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else show(str(value))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _longest(texts: Sequence[str]) -> int:
    """In character cells; some scripts take two for a character."""
    from rich.cells import cell_len

    return max(map(cell_len, texts))


def _draw(
    names: Sequence[str],
    cells: Sequence[Sequence[str]],
    numeric: Sequence[bool],
    narrowest: Sequence[int],
    *,
    width: int,
) -> Iterator[str]:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    longest = [_longest(texts) for texts in zip(names, *cells, strict=True)]
    is_tight = sum(longest) + _GAP * (len(names) - 1) > width
    for index, name in enumerate(names):
        opaque = all(_OPAQUE.fullmatch(row[index]) for row in cells)
        table.add_column(
            Text(name, no_wrap=True, overflow="ellipsis"),
            justify="right" if numeric[index] else "left",
            min_width=narrowest[index],
            max_width=narrowest[index] if opaque and is_tight else None,
            no_wrap=numeric[index],
            overflow="ellipsis" if opaque else "fold",
        )
    for row in cells:
        table.add_row(*(Text(text) for text in row))
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(table)
    return (line.rstrip() for line in capture.get().removesuffix("\n").split("\n"))
