"""Rows and columns as lines of text that fit a terminal."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from kymflow.cli.safe_text import show

__all__ = ["TextTable", "cell", "layout"]

_GAP = "  "
_NARROWEST = 8
_OPAQUE = re.compile(r"[0-9a-f-]{32,}")
_PATH = re.compile(r"/|\\\\|[A-Za-z]:\\")
_NARROWEST_WRAPPED = 20


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
    hidden: tuple[str, ...]


def cell(value: object) -> str:
    """One value as text: six significant digits, nothing for a missing one."""
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return show(value) if isinstance(value, str) else show(str(value))


def layout(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    width: int | None,
    wrap_last: bool = False,
) -> TextTable:
    """Lay a table out.

    Numbers are never cut. Where the table is too wide, ids and hashes are cut first (``…``), which
    are known by how they begin, then the widest texts; then columns are left out from the right.

    Args:
        columns: Their names.
        rows: Their values.
        width: Of the terminal, in characters; None cuts nothing.
        wrap_last: Wrap the last column instead of cutting it.
    """
    names = [show(name) for name in columns]
    cells = [[cell(value) for value in row] for row in rows]
    numeric = [
        bool(rows) and all(_is_number(row[index]) for row in rows) for index in range(len(columns))
    ]
    widths = [
        max([_cells(name), *(_cells(row[index]) for row in cells)])
        for index, name in enumerate(names)
    ]
    shown = len(names)
    if width is not None:
        floors = [
            full if numeric[index] else min(full, _floor(index, len(names), wrap_last=wrap_last))
            for index, full in enumerate(widths)
        ]
        while shown > 1 and _total(floors[:shown]) > width:
            shown -= 1
        opaque = [all(_OPAQUE.fullmatch(row[index]) for row in cells) for index in range(shown)]
        first = [floor if opaque[i] else widths[i] for i, floor in enumerate(floors[:shown])]
        widths = _shrink([min(full, width) for full in widths[:shown]], first, width)
        widths = _shrink(widths, floors[:shown], width)
    wrapped = len(names) - 1 if wrap_last else -1
    lines: list[str] = []
    for row in cells:
        parts = [
            _wrap(text, widths[index]) if index == wrapped else [_cut(text, widths[index])]
            for index, text in enumerate(row[:shown])
        ]
        height = max(len(part) for part in parts)
        for line in range(height):
            texts = [part[line] if line < len(part) else "" for part in parts]
            lines.append(_join(texts, widths, numeric))
    header = _join([_cut(name, widths[i]) for i, name in enumerate(names[:shown])], widths, numeric)
    return TextTable(header=header, lines=tuple(lines), hidden=tuple(names[shown:]))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _floor(index: int, count: int, *, wrap_last: bool) -> int:
    return _NARROWEST_WRAPPED if wrap_last and index == count - 1 else _NARROWEST


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _shrink(widths: Sequence[int], floors: Sequence[int], width: int) -> list[int]:
    """Take characters from the widest column that may still give some, until all fit."""
    fitted = list(widths)
    while _total(fitted) > width:
        candidates = [i for i, floor in enumerate(floors) if fitted[i] > floor]
        if not candidates:
            break
        widest = max(candidates, key=lambda i: fitted[i])
        fitted[widest] -= 1
    return fitted


def _cells(text: str) -> int:
    """How many character cells a text takes; some scripts take two for a character."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _cut(text: str, width: int) -> str:
    if _cells(text) <= width:
        return text
    from rich.cells import set_cell_size

    if _PATH.match(text):  # of a path, the end says most
        return "…" + set_cell_size(text[::-1], width - 1)[::-1].lstrip()
    return set_cell_size(text, width - 1).rstrip() + "…"


def _wrap(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width) or [""]


def _join(texts: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = []
    for text, width, right in zip(texts, widths, numeric, strict=False):
        space = " " * (width - _cells(text))
        padded.append(space + text if right else text + space)
    return _GAP.join(padded).rstrip()
