"""Values as JSON."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath

NOT_IN_JSON: Mapping[str, bool] = {"json": False}
"""Metadata of a field that is not part of the JSON."""


def json_fields(value: object) -> dict[str, object]:
    """The fields of a dataclass by name, but for its items and those that are not in the JSON."""
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} is not a dataclass; make results dataclasses")
    return {
        item.name: plain(getattr(value, item.name))
        for item in fields(value)
        if item.metadata.get("json", True) and item.name != "items"
    }


def plain(value: object) -> object:
    """A value in JSON: times as ISO 8601, bytes as base64, NaN and infinity as null."""
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
        return json_fields(value)
    return str(value)
