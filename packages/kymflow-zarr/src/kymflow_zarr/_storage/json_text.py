"""Strict JSON text: what is written can be read by everyone, what is read is bounded.

The standard library's module writes ``NaN``, reads duplicate keys in silence (the last one wins)
and follows any depth. Here all of that is refused, in both directions, so that a document that was
accepted once stays readable, also by software that is not Python.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator
from typing import Final, TypeAlias, cast

from kymflow_zarr.errors import CorruptDataError

__all__ = ["MAX_BYTES", "MAX_DEPTH", "JsonValue", "dumps", "gunzip_bounded", "loads"]

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""A value that JSON can carry; numbers are finite, strings are well-formed Unicode."""

MAX_BYTES: Final = 64 * 1024 * 1024
"""Largest document, in bytes of UTF-8."""

MAX_DEPTH: Final = 64
"""Deepest nesting; ``[]`` has depth 1, a bare number depth 0."""

_MAX_ITEMS: Final = 6_000_000  # 64 MiB of "[]," would become gigabytes of Python objects
_MAX_INT_BITS: Final = 14_000  # Python refuses to print integers of more than 4,300 digits


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
            is deeper than `MAX_DEPTH` or larger than `MAX_BYTES`.
    """
    _check(value)
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    data = text.encode("utf-8") + b"\n"
    if len(data) > MAX_BYTES:
        raise ValueError(
            f"the document has {len(data)} bytes, the limit is {MAX_BYTES}; "
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
            ),
        )
        _check(value)
    except RecursionError as error:
        raise CorruptDataError(key, f"it is nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:  # also UnicodeDecodeError and JSONDecodeError
        raise CorruptDataError(key, f"it is not strict JSON: {error}") from error
    return value


def gunzip_bounded(data: bytes, *, key: str, limit: int = MAX_BYTES) -> bytes:
    """Decompress gzip data, never holding more than ``limit`` bytes of the result.

    Args:
        data: One or more gzip members.
        key: What the bytes were stored under; named in the error.
        limit: Most bytes that the result may have.

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


def _object_without_duplicates(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"the key {name!r} occurs twice in one object")
            seen.add(name)
    return result


def _check(document: object) -> None:
    """Raise for the first place that strict JSON cannot carry, naming it like ``$.rois[2].id``."""
    # A stack of iterators instead of recursion: the depth is the caller's, not ours to trust.
    stack: list[Iterator[tuple[str, object]]] = [iter([("$", document)])]
    names: list[str] = []
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            if names:
                names.pop()
            continue
        name, value = entry
        children = _check_one(value, names, name)
        if children is not None:
            if len(stack) > MAX_DEPTH:
                raise ValueError(
                    f"{_place(names, name)} is nested deeper than {MAX_DEPTH} levels; flatten it"
                )
            stack.append(children)
            names.append(name)


def _check_one(value: object, names: list[str], name: str) -> Iterator[tuple[str, object]] | None:
    """Check one value; return its children when it is a container.

    Types are compared exactly: a NumPy float is a subclass of `float`, an `IntEnum` of `int`.
    """
    kind = type(value)
    if value is None or kind is bool:
        return None
    if kind is str:
        _check_text(cast("str", value), names, name)
        return None
    if kind is float:
        if not math.isfinite(cast("float", value)):
            raise ValueError(
                f"{_place(names, name)} is {value!r}, which JSON cannot carry; use null"
            )
        return None
    if kind is int:
        if cast("int", value).bit_length() > _MAX_INT_BITS:
            raise ValueError(f"{_place(names, name)} is an integer too large to print; use text")
        return None
    if kind is list or kind is tuple:
        sequence = cast("list[object] | tuple[object, ...]", value)
        return ((f"[{index}]", item) for index, item in enumerate(sequence))
    if kind is dict:
        mapping = cast("dict[object, object]", value)
        for item in mapping:
            if type(item) is not str:
                raise TypeError(
                    f"{_place(names, name)} has the key {item!r} of type {type(item).__name__}; "
                    "JSON keys are text"
                )
            _check_text(item, names, name)
        return ((f".{key}", item) for key, item in mapping.items())
    raise TypeError(
        f"{_place(names, name)} is a {kind.__module__}.{kind.__qualname__}, which JSON cannot "
        "carry; convert it to a Python number, text, list or dict"
    )


def _check_text(text: str, names: list[str], name: str) -> None:
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{_place(names, name)} holds half a surrogate pair, which is no character; remove it"
        ) from error


def _place(names: list[str], name: str) -> str:
    shown = "".join([*names, name])
    return shown if len(shown) <= 200 else f"{shown[:197]}..."
