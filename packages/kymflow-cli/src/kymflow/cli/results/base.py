"""What all results have in common, and how they become JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Protocol

__all__ = [
    "NOT_IN_JSON",
    "Item",
    "Result",
    "item_to_json",
    "plain",
    "summary_to_json",
]

NOT_IN_JSON: Mapping[str, bool] = {"json": False}


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


def item_to_json(item: Item) -> dict[str, object]:
    """An item as a JSON object: its ``type``, then its fields."""
    return {"type": item.type, **_fields(item)}


def summary_to_json(result: Result, *, exit_code: int) -> dict[str, object]:
    """The last record of a result: everything but its items."""
    return {
        "type": "summary",
        "verb": result.verb,
        "ok": result.ok,
        "exit_code": exit_code,
        **_fields(result),
    }


def _fields(value: object) -> dict[str, object]:
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} is not a dataclass; make results dataclasses")
    return {
        item.name: plain(getattr(value, item.name))
        for item in fields(value)
        if item.metadata.get("json", True) and item.name != "items"
    }


def plain(value: object) -> object:
    """A value as JSON has it: times as ISO 8601, bytes as base64, NaN and infinity as null."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal() | PurePath():
            return str(value)
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    if is_dataclass(value):
        return _fields(value)
    return str(value)
