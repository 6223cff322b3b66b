"""What a view is: a result as blocks of text, one function per type of result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import Literal

from kymflow.cli.results import Result

__all__ = ["Block", "Screen", "view"]


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


@singledispatch
def view(result: Result, screen: Screen) -> Iterator[Block]:  # noqa: ARG001
    """A result as text. Every type of result registers its own way."""
    raise TypeError(f"no text for {type(result).__name__}; register one with view.register")
