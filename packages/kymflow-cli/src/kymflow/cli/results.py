"""What the results of all verbs have in common. Each is beside its verb, in `kymflow.cli.verbs`.

A result is a frozen value: some facts about the whole, and ``items``. As JSON Lines every item is
a record with its ``type``, and the facts are the last record, of type ``summary``: the names of
the fields are those of ``--json``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from kymflow.cli.blocks import Block, Screen
from kymflow.cli.json_values import json_fields


class Item(Protocol):
    """One record of a result; a dataclass."""

    @property
    def type(self) -> str:
        """The record's ``type`` in JSON."""


class Result(Protocol):
    """What a verb answers; a dataclass."""

    @property
    def verb(self) -> str:
        """The verb that was asked."""

    @property
    def ok(self) -> bool:
        """Whether everything went well; if not, the command ends with exit code 1."""

    @property
    def items(self) -> Sequence[Item]:
        """The records."""

    @property
    def streamed(self) -> bool:
        """Whether each item was already reported during the run (`Progress.tell`)."""

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """The result as text for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetResult:
    """What a verb answers about one dataset.

    Attributes:
        dataset: The dataset.
    """

    streamed: ClassVar[bool] = False
    dataset: str

    @property
    def ok(self) -> bool:
        """See `Result`."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult(DatasetResult):
    """What a verb did with many things, each of which may fail on its own.

    Attributes:
        failed: How many failed.
    """

    failed: int

    @property
    def ok(self) -> bool:
        """See `Result`."""
        return self.failed == 0


def item_to_json(item: Item) -> dict[str, object]:
    """An item as a JSON object: its ``type``, then its fields."""
    return {"type": item.type, **json_fields(item)}


def summary_to_json(result: Result, *, exit_code: int) -> dict[str, object]:
    """The last record of a result: everything but its items."""
    return {
        "type": "summary",
        "verb": result.verb,
        "ok": result.ok,
        "exit_code": exit_code,
        **json_fields(result),
    }
