"""Strict JSON text: what is written any program can read, and what is read is bounded.

The standard library's module writes ``NaN``, reads duplicate keys silently (the last one wins)
and follows any depth. Here all of that is refused, in both directions and by the same limits, so
that a document that was accepted once stays readable, also by software that is not Python.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Final, TypeAlias, cast

import orjson

from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
"""A value that JSON can carry; numbers are finite, strings are well-formed Unicode."""

JsonObject: TypeAlias = Mapping[str, JsonValue]

MAX_BYTES: Final = 64 * 1024 * 1024
"""Largest document, in bytes of UTF-8."""

MAX_DEPTH: Final = 64
"""Deepest nesting; ``[]`` has depth 1, a bare number depth 0."""

MAX_VALUES: Final = 6_000_000
"""Most values in a document, containers among them: 64 MiB of "[]," would become gigabytes."""

_MAX_INT_BITS: Final = 14_000  # Python refuses to print integers of more than 4,300 digits
_SMALL: Final = 2**63
_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
# Both match in one pass, whatever the text is, even if a string does not end.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.?[^"\\]*+)*+"?', re.DOTALL)
_EMPTY: Final = re.compile(rb"\[\s*+\]|\{\s*+\}")


def dumps(value: JsonValue, *, indent: bool = True) -> bytes:
    """Write a document: raw UTF-8, indented, keys in their order, a newline at the end.

    Tuples are written as arrays. Equal values give equal bytes. Without `indent` it is one line,
    for programs.

    Raises:
        TypeError: A value or key has a type that JSON lacks (a NumPy scalar, a date, a set, an
            integer as key); the message names the place inside the document.
        ValueError: A number is not finite or has too many digits, a string holds half a surrogate
            pair, or the document is deeper than `MAX_DEPTH`.
        SchemaValidationError: It has more than `MAX_VALUES` values or `MAX_BYTES` bytes. A
            document that was read can have more bytes once it is indented.
    """
    _check(value, [])
    options = orjson.OPT_APPEND_NEWLINE | (orjson.OPT_INDENT_2 if indent else 0)
    try:
        return bounded(orjson.dumps(value, option=options))
    except orjson.JSONEncodeError:  # an integer of more than 64 bits
        text = json.dumps(value, ensure_ascii=False, indent=2 if indent else None)
        return bounded(text.encode("utf-8") + b"\n")


def bounded(data: bytes) -> bytes:
    """A document's bytes, if `loads` will take them.

    Raises:
        SchemaValidationError: They hold more than `MAX_VALUES` values, or are too many themselves.
    """
    count = _count_values(data)
    if count > MAX_VALUES:
        raise SchemaValidationError(
            f"the document holds {count} values, but the limit is {MAX_VALUES}; "
            "store large data as a table or an array"
        )
    if len(data) > MAX_BYTES:
        raise SchemaValidationError(
            f"the document has {len(data)} bytes, but the limit is {MAX_BYTES}; "
            "store large data as a table or an array"
        )
    return data


def loads(data: bytes, *, key: str, finite: bool = True) -> JsonValue:
    """Read a document, refusing all that is not strict JSON; errors name the key.

    A UTF-8 byte order mark at the start, which some editors write, is skipped. Where other programs
    write as well, which take ``NaN`` and ``Infinity`` for numbers, they need not be `finite`.

    Raises:
        CorruptDataError: The bytes are not UTF-8 or not JSON, or hold a duplicate key, ``NaN``,
            an infinite number or half a surrogate pair, or exceed `MAX_DEPTH`, `MAX_VALUES` or
            `MAX_BYTES`.
    """
    if len(data) > MAX_BYTES:
        raise CorruptDataError(key, f"it has {len(data)} bytes, but the limit is {MAX_BYTES}")
    count = _count_values(data)
    if count > MAX_VALUES:
        raise CorruptDataError(key, f"it holds {count} values, but the limit is {MAX_VALUES}")
    try:
        value = cast(
            "JsonValue",
            json.loads(
                data.decode("utf-8-sig"),
                object_pairs_hook=_object_without_duplicates,
                parse_int=_bounded_int,
                parse_float=_finite_float,
                parse_constant=_no_constant if finite else float,
            ),
        )
        # The walk costs as much as parsing, and few documents can be too deep or hold half pairs.
        if data.count(b"[") + data.count(b"{") > MAX_DEPTH or _ESCAPED_HALF.search(data):
            _check(value, [], finite=finite)
    except RecursionError as error:
        raise CorruptDataError(key, f"it is nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:  # also UnicodeDecodeError and JSONDecodeError
        raise CorruptDataError(key, f"it is not strict JSON: {error}") from error
    return value


def json_object(value: JsonValue) -> dict[str, JsonValue]:
    """A JSON object as it is; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def is_unicode(text: str) -> bool:
    """Whether JSON can carry a text: names of files, whose bytes may not be UTF-8, may hold any."""
    return text.isascii() or _HALF_PAIR.search(text) is None


def as_unicode(text: str) -> str:
    """A text that JSON can carry, with what it cannot escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _check(value: object, place: list[object], *, finite: bool = True) -> None:
    """Refuse what strict JSON cannot carry.

    Types are compared exactly: a NumPy float is a subclass of `float`, an `IntEnum` of `int`.
    `place` has the keys and indexes that lead to the value: one list for the whole walk.

    Raises:
        TypeError, ValueError: JSON cannot carry it, or something in it; see `dumps`.
    """
    if type(value) is str:
        if not value.isascii() and _HALF_PAIR.search(value):
            raise ValueError(
                f"{_shown(place)} holds half a surrogate pair, which is not a character; remove it"
            )
    elif type(value) is dict or type(value) is list or type(value) is tuple:
        _check_members(value, place, finite=finite)
    elif type(value) is int:
        if value.bit_length() > _MAX_INT_BITS:
            raise ValueError(f"{_shown(place)} is an integer too large to print; use text")
    elif type(value) is float:
        if finite and not math.isfinite(value):
            raise ValueError(f"{_shown(place)} is {value!r}, which JSON cannot carry; use null")
    elif value is not None and type(value) is not bool:
        kind = type(value)
        raise TypeError(
            f"{_shown(place)} is a {kind.__module__}.{kind.__qualname__}, which JSON cannot carry; "
            "convert it to a Python number, text, list or dict"
        )


def _check_members(
    value: dict[object, object] | list[object] | tuple[object, ...],
    place: list[object],
    *,
    finite: bool,
) -> None:
    if len(place) == MAX_DEPTH:
        raise ValueError(f"{_shown(place)} is nested deeper than {MAX_DEPTH} levels; flatten it")
    if isinstance(value, dict):
        for key in value:
            if type(key) is not str:
                raise TypeError(
                    f"{_shown(place)} has the key {key!r} of type {type(key).__name__}; "
                    "JSON keys are text"
                )
            if not key.isascii():
                _check(key, place)
    for step, item in value.items() if isinstance(value, dict) else enumerate(value):
        if (  # most are, and need no call
            item is None
            or (type(item) is str and item.isascii())
            or (type(item) is int and -_SMALL < item < _SMALL)
        ):
            continue
        place.append(step)
        _check(item, place, finite=finite)
        place.pop()


def _shown(place: list[object]) -> str:
    """A place like ``$.rois[2].id``."""
    text = "$" + "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in place)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _count_values(data: bytes) -> int:
    """How many values a JSON text holds, found before there is an object for each.

    Each member of a container but the first follows a comma.
    """
    most = 1 + data.count(b",") + data.count(b"[") + data.count(b"{")
    if most <= MAX_VALUES:
        return most
    rest = _STRING.sub(b"0", data)
    empty = len(_EMPTY.findall(rest))
    return 1 + rest.count(b",") + rest.count(b"[") + rest.count(b"{") - empty


def _object_without_duplicates(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    result = dict(pairs)
    if len(result) != len(pairs):
        ((name, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the key {name!r} occurs twice in one object")
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
    raise ValueError(f"{name} is not a number in JSON")
