"""Read one field of a JSON object: absent is fine, malformed is not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kymflow.core.errors import MetadataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kymflow_zarr import JsonValue


class Fields:
    """A JSON object that is read field by field. Null counts as absent.

    Args:
        value: The object.
        where: Its place in the payload, for messages: ``header``, ``rois[2]``.

    Raises:
        MetadataError: It is not an object. Every method raises it for a malformed field.
    """

    def __init__(self, value: JsonValue, where: str) -> None:
        if not isinstance(value, dict):
            raise MetadataError(where, f"is {value!r}, not an object")
        self._object: Mapping[str, JsonValue] = value
        self._where = where
        self._read: set[str] = set()

    def rest(self) -> dict[str, JsonValue]:
        """The fields that were not read."""
        return {name: value for name, value in self._object.items() if name not in self._read}

    def text(self, name: str) -> str | None:
        """A field that holds text."""
        match self.raw(name):
            case None | str() as value:
                return value
            case value:
                raise self.malformed(name, f"is {value!r}, not text")

    def integer(self, name: str, *, least: int | None = None) -> int | None:
        """A field that holds a whole number, not below `least`."""
        match self.raw(name):
            case None:
                return None
            case int() as value if not isinstance(value, bool):
                if least is not None and value < least:
                    raise self.malformed(name, f"is {value!r}, below {least}")
                return value
            case value:
                raise self.malformed(name, f"is {value!r}, not a whole number")

    def number(self, name: str) -> float | None:
        """A field that holds a finite number."""
        match self.raw(name):
            case None:
                return None
            case int() | float() as value if not isinstance(value, bool) and math.isfinite(value):
                return value
            case value:
                raise self.malformed(name, f"is {value!r}, not a number")

    def texts(self, name: str) -> tuple[str, ...] | None:
        """A field that holds a list of texts."""
        items = self._list(name)
        if items is None:
            return None
        texts = tuple(item for item in items if isinstance(item, str))
        if len(texts) < len(items):
            raise self.malformed(name, f"is {items!r}, not a list of texts")
        return texts

    def sizes(self, name: str) -> tuple[int, ...] | None:
        """A field that holds a list of whole numbers, none below 0."""
        items = self._list(name)
        if items is None:
            return None
        sizes = tuple(
            item
            for item in items
            if isinstance(item, int) and not isinstance(item, bool) and item >= 0
        )
        if len(sizes) < len(items):
            raise self.malformed(name, f"is {items!r}, not a list of sizes")
        return sizes

    def object(self, name: str) -> Fields | None:
        """A field that holds an object."""
        value = self.raw(name)
        return None if value is None else Fields(value, f"{self._where}.{name}")

    def objects(self, name: str) -> tuple[Fields, ...]:
        """A field that holds a list of objects; none if it is absent."""
        return tuple(
            Fields(item, f"{self._where}.{name}[{number}]")
            for number, item in enumerate(self.raw_list(name))
        )

    def raw_list(self, name: str) -> list[JsonValue]:
        """A field that holds a list, as it is; empty if it is absent."""
        return self._list(name) or []

    def names(self) -> tuple[str, ...]:
        """The names of all fields."""
        return tuple(self._object)

    def raw(self, name: str) -> JsonValue:
        """A field as it is; None if it is absent."""
        self._read.add(name)
        return self._object.get(name)

    def malformed(self, name: str, reason: str) -> MetadataError:
        """The error for a field."""
        return MetadataError(f"{self._where}.{name}", reason)

    def _list(self, name: str) -> list[JsonValue] | None:
        match self.raw(name):
            case None | list() as value:
                return value
            case value:
                raise self.malformed(name, f"is {value!r}, not a list")
