"""Parts that views are made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from kymflow.cli.results import IngestResult, ListedImage, PlanResult, StatusResult, plain
from kymflow.cli.safe_text import command, show
from kymflow.cli.text_table import layout
from kymflow.cli.views.base import Block, Screen

__all__ = [
    "cell_value",
    "counted",
    "fact_blocks",
    "failure_blocks",
    "image_size",
    "nothing_matches",
    "remark",
    "search_remarks",
    "sentence",
    "table_blocks",
    "to_the_second",
]


def table_blocks(
    columns: Sequence[str], rows: Sequence[Sequence[object]], screen: Screen
) -> Iterator[Block]:
    """A table as data; nothing at all without rows."""
    if not rows:
        return
    table = layout(columns, rows, width=screen.out)
    yield Block(lines=[table.header], style="bold")
    yield Block(lines=table.lines)
    if table.hidden:
        yield remark(f"too narrow for: {', '.join(table.hidden)}")


def failure_blocks(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], screen: Screen
) -> Iterator[Block]:
    """A table of what failed, for stderr; its last column is wrapped. Nothing without rows."""
    if not rows:
        return
    table = layout(columns, rows, width=screen.err, wrap_last=True)
    yield Block(lines=[f"{title}:"], kind="failures", style="bold red")
    yield Block(lines=[table.header], kind="failures", style="bold")
    yield Block(lines=table.lines, kind="failures")


def fact_blocks(facts: Mapping[str, object]) -> Iterator[Block]:
    """Names and values below each other, those without a value left out."""
    known = {name: value for name, value in facts.items() if value not in (None, "", [], ())}
    indent = max(len(show(name)) for name in known) + 2
    lines = []
    for name, value in known.items():
        texts = str(value).split("\n") if isinstance(value, str) else [str(cell_value(value))]
        for number, text in enumerate(texts):
            label = show(name) if number == 0 else ""
            lines.append(f"{label:<{indent}}{show(text)}")
    yield Block(lines=lines)


def sentence(first: str, **counts: int) -> Block:
    """One line of data: ``first``, then the counts that are not zero, as in ``2 failed``."""
    parts = [first, *(f"{number} {word}" for word, number in counts.items() if number)]
    return Block(lines=[", ".join(parts)])


def remark(text: str) -> Block:
    """One line for the person at the screen, such as what to do next."""
    return Block(lines=[text], kind="remark", style="dim")


def search_remarks(result: IngestResult | PlanResult | StatusResult) -> Iterator[Block]:
    """When no folder was scanned."""
    for folder in result.missing_folders:
        yield remark(f"not there now: {show(folder)}")
    if not result.named and not any(pattern.startswith("**/") for pattern in result.patterns):
        yield remark(
            "only folders that images came from were looked at; for others, and subfolders: "
            + command("refresh", result.dataset, "FOLDER", "--recursive")
        )


def nothing_matches(patterns: Sequence[str]) -> Block:
    """No file at all was found."""
    deeper = (
        "" if any(name.startswith("**/") for name in patterns) else ", in subfolders: --recursive"
    )
    named = ", ".join(show(name) for name in patterns if name not in {"*", "**/*"})
    what = f"no file matches {named}" if named else "no image files here"
    return remark(f"{what}; for others: --pattern{deeper}")


def counted(number: int, noun: str) -> str:
    """``1 image``, ``2 images``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def image_size(image: ListedImage) -> str:
    """Its length along each axis: ``t 30000, x 38``."""
    named = zip(image.axes, image.shape, strict=True)
    return ", ".join(f"{axis} {length}" for axis, length in named)


def to_the_second(moment: str | None) -> str:
    """An ISO 8601 time, to the second."""
    if not moment:
        return ""
    zone = " UTC" if moment.endswith("Z") else ""
    return moment[:19].replace("T", " ") + zone


def cell_value(value: object) -> object:
    """A value for a cell: numbers and texts as they are, everything else as JSON."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    simple = plain(value)
    if isinstance(simple, str):
        return simple
    return json.dumps(simple, ensure_ascii=False)
