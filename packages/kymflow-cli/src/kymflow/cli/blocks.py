"""Results as text: blocks of lines, and the parts that they are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kymflow.cli.json_values import plain
from kymflow.cli.safe_text import command, show
from kymflow.cli.text_table import layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """How wide the two streams are, in characters; None where nothing need be cut."""

    out: int | None
    err: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Lines of one kind and style: data goes to stdout, all else to stderr."""

    lines: Iterable[str]
    kind: Literal["data", "failures", "remark"] = "data"
    style: str = ""


def table_blocks(
    columns: Sequence[str], rows: Sequence[Sequence[object]], screen: Screen
) -> Iterator[Block]:
    """A table as data; nothing at all without rows."""
    if not rows:
        return
    table = layout(columns, rows, width=screen.out)
    yield Block(lines=[table.header], style="bold")
    yield Block(lines=table.lines)
    if table.empty:
        yield remark(f"no values in: {', '.join(table.empty)}")
    if table.shared:
        same = ", ".join(f"{name} {value}" for name, value in table.shared.items())
        yield remark(f"the same in all rows: {same}")
    if table.hidden:
        yield remark(f"too narrow for: {', '.join(table.hidden)}")


def failure_blocks(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], screen: Screen
) -> Iterator[Block]:
    """A table of what failed, for stderr; nothing without rows."""
    if not rows:
        return
    table = layout(columns, rows, width=screen.err)
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


def sentence(first: str, *more: str, **counts: int) -> Block:
    """One line of data: texts that are not empty, then counts that are not zero: ``2 failed``."""
    texts = [text for text in (first, *more) if text]
    parts = [*texts, *(f"{number} {word}" for word, number in counts.items() if number)]
    return Block(lines=[", ".join(parts)])


def remark(text: str) -> Block:
    """One line for the person at the screen, such as what to do next."""
    return Block(lines=[text], kind="remark", style="dim")


def counted(number: int, noun: str) -> str:
    """``1 image``, ``2 images``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


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


def outdated_remark(images: int, dataset: str) -> Block:
    """That a table shows what was true when it was made; a copied dataset looks changed, too."""
    return remark(
        f"may not be up to date for {counted(images, 'image')}: {command('update', dataset)}"
    )


def not_compared() -> Block:
    """Why groups stand side by side without a change from one to the other."""
    return remark(
        "no groups are compared: each needs at least 2 animals, told apart by the field animal; "
        "to set it: kymflow metadata"
    )
