"""Strict JSON text: what is written can be read by everyone, what is read is bounded.

The standard library's module writes ``NaN``, reads duplicate keys in silence (the last one wins)
and follows any depth. Here all of that is refused, in both directions, so that a document that was
accepted once stays readable, also by software that is not Python.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Final, TypeAlias, cast

from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "JsonValue", "dumps", "gunzip_bounded", "loads"]

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""A value that JSON can carry; numbers are finite, strings are well-formed Unicode."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Largest document, in bytes of UTF-8."""

MAX_DEPTH: Final = 64
"""Deepest nesting; ``[]`` has depth 1, a bare number depth 0."""

_MAX_ITEMS: Final = 6_000_000  # 64 MiB of "[]," would become gigabytes of Python objects
_MAX_INT_BITS: Final = 14_000  # Python refuses to print integers of more than 4,300 digits
_INDENT: Final = "  "
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def dumps(value: JsonValue) -> bytes:
    """Write a document: raw UTF-8, indented by 2, keys in their order, a newline at the end.

    Tuples are written as arrays. Equal values give equal bytes.

    Args:
        value: The document.

    Returns:
        The document's bytes.

    Raises:
        TypeError: A value or key has a type that JSON lacks (a NumPy scalar, a date, a set, an
            integer as key); the message names the place inside the document.
        ValueError: A number is not finite, a string holds half a surrogate pair, or the document
            is deeper than `MAX_DEPTH`.
        SchemaValidationError: It is larger than `MAX_BYTES`. A document that was read can be, once
            it is indented.
    """
    data = _text(value).encode("utf-8") + b"\n"
    if len(data) > MAX_BYTES:
        raise SchemaValidationError(
            f"indented, the document has {len(data)} bytes, the limit is {MAX_BYTES}; "
            "store large data as a table or an array"
        )
    return data


def loads(data: bytes, *, key: str) -> JsonValue:
    """Read a document, refusing all that is not strict JSON.

    A UTF-8 byte order mark at the start, which some editors write, is skipped.

    Args:
        data: The document's bytes.
        key: What the bytes were stored under; named in the error.

    Returns:
        The document.

    Raises:
        CorruptDataError: The bytes are not UTF-8 or not JSON, or hold a duplicate key, ``NaN``,
            an infinite number or half a surrogate pair, or exceed `MAX_DEPTH` or `MAX_BYTES`.
    """
    if len(data) > MAX_BYTES:
        raise CorruptDataError(key, f"it has {len(data)} bytes, the limit is {MAX_BYTES}")
    items = data.count(b",") + data.count(b"[") + data.count(b"{")
    if items > _MAX_ITEMS:
        raise CorruptDataError(key, f"it may hold {items} values, the limit is {_MAX_ITEMS}")
    try:
        value = cast(
            "JsonValue",
            json.loads(
                data.decode("utf-8-sig"),
                object_pairs_hook=_object_without_duplicates,
                parse_int=_bounded_int,
                parse_float=_finite_float,
                parse_constant=_no_constant,
            ),
        )
        # Walking a document costs more than parsing it, and few can be too deep or hold half pairs.
        if (items > MAX_DEPTH and _is_deep(value)) or _SURROGATE.search(data):
            _text(value)
    except RecursionError as error:
        raise CorruptDataError(key, f"it is nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:  # also UnicodeDecodeError and JSONDecodeError
        raise CorruptDataError(key, f"it is not strict JSON: {error}") from error
    return value


def gunzip_bounded(
    data: bytes, *, key: str, limit: int = MAX_BYTES, one_member: bool = False
) -> bytes:
    """Decompress gzip data, never holding more than ``limit`` bytes of the result.

    Args:
        data: One or more gzip members.
        key: What the bytes were stored under; named in the error.
        limit: Most bytes that the result may have.
        one_member: Whether a second member is damage: a file that holds its contents twice.

    Returns:
        The decompressed bytes.

    Raises:
        CorruptDataError: The data are not gzip, are cut short, fail their checksum, are followed
            by something else, or would exceed ``limit``.
    """
    parts: list[bytes] = []
    room = limit
    rest = data
    while True:
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(rest, room + 1)
        except zlib.error as error:
            raise CorruptDataError(key, f"it is not gzip data: {error}") from error
        room -= len(part)
        if room < 0:
            raise CorruptDataError(key, f"it decompresses to more than {limit} bytes")
        if not member.eof:
            raise CorruptDataError(key, "its gzip data are cut short")
        parts.append(part)
        rest = member.unused_data
        if not rest:
            return b"".join(parts)
        if one_member:
            raise CorruptDataError(key, "something follows its gzip data")


def _object_without_duplicates(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the key {name!r} occurs twice in one object")
            seen.add(name)
    return result


def _bounded_int(digits: str) -> int:
    value = int(digits)
    if value.bit_length() > _MAX_INT_BITS:
        raise ValueError(f"an integer of {len(digits)} digits is too large")
    return value


def _finite_float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits} is too large")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _is_deep(document: JsonValue) -> bool:
    """Whether a parsed document is nested deeper than `MAX_DEPTH`, found level by level."""
    level: list[JsonValue] = [document]
    for _ in range(MAX_DEPTH + 1):
        inner = [item for item in level if isinstance(item, dict | list)]
        if not inner:
            return False
        level = [
            child for item in inner for child in (item.values() if isinstance(item, dict) else item)
        ]
    return True


def _text(value: JsonValue) -> str:
    try:
        return _written(value, "\n")
    except _RefusedError as refused:
        raise refused.kind(f"{_shown(refused.steps)} {refused.reason}") from None


class _RefusedError(Exception):
    """A value that JSON cannot carry.

    Where it stands is gathered while this passes through the containers around it: to know that of
    each value beforehand would cost as much as writing it.
    """

    def __init__(self, kind: type[TypeError | ValueError], reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.steps: list[str | int] = []


def _written(value: object, newline: str) -> str:
    """The JSON text of a value, refusing what strict JSON cannot carry.

    The module `json` checks less, and is several times slower where it indents. Types are compared
    exactly: a NumPy float is a subclass of `float`, an `IntEnum` of `int`.

    Args:
        value: The value.
        newline: A line feed and the indentation of the line that the value stands in.

    Raises:
        _RefusedError: JSON cannot carry it, or something in it.
    """
    # The type is asked for in each condition, so that it is known in what follows it.
    if type(value) is str:
        return _written_text(value)
    if type(value) is dict:
        return _written_object(value, newline)
    if type(value) is list or type(value) is tuple:
        return _written_array(value, newline)
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        if value.bit_length() > _MAX_INT_BITS:
            raise _RefusedError(ValueError, "is an integer too large to print; use text")
        return repr(value)
    if type(value) is float:
        if not math.isfinite(value):
            raise _RefusedError(ValueError, f"is {value!r}, which JSON cannot carry; use null")
        return repr(value)
    kind = type(value)
    raise _RefusedError(
        TypeError,
        f"is a {kind.__module__}.{kind.__qualname__}, which JSON cannot carry; "
        "convert it to a Python number, text, list or dict",
    )


def _written_object(value: dict[object, object], newline: str) -> str:
    inner = _indented(newline)
    members: list[str] = []
    for key, item in value.items():
        if type(key) is not str:
            raise _RefusedError(
                TypeError, f"has the key {key!r} of type {type(key).__name__}; JSON keys are text"
            )
        try:
            members.append(f"{_written_text(key)}: {_written(item, inner)}")
        except _RefusedError as refused:
            refused.steps.append(key)
            raise
    return f"{{{inner}{f',{inner}'.join(members)}{newline}}}" if members else "{}"


def _written_array(value: Sequence[object], newline: str) -> str:
    inner = _indented(newline)
    items: list[str] = []
    for item in value:
        try:
            items.append(_written(item, inner))
        except _RefusedError as refused:
            refused.steps.append(len(items))
            raise
    return f"[{inner}{f',{inner}'.join(items)}{newline}]" if items else "[]"


def _indented(newline: str) -> str:
    """The line start of a container's members."""
    if len(newline) > len(_INDENT) * MAX_DEPTH:
        raise _RefusedError(ValueError, f"is nested deeper than {MAX_DEPTH} levels; flatten it")
    return newline + _INDENT


def _written_text(text: str) -> str:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise _RefusedError(
                ValueError, "holds half a surrogate pair, which is no character; remove it"
            ) from error
    return encode_basestring(text)


def _shown(steps: list[str | int]) -> str:
    """A place like ``$.rois[2].id``, from the steps to it, the last one first."""
    parts = [f".{step}" if isinstance(step, str) else f"[{step}]" for step in reversed(steps)]
    text = "".join(["$", *parts])
    return text if len(text) <= 200 else f"{text[:197]}..."
