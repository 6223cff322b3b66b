"""What leads from a row back to its cause: provenance columns and the hash of parameters."""

from __future__ import annotations

import getpass
import hashlib
import math
from collections.abc import Mapping
from typing import TypeAlias

import rfc8785

from kymflow.core.errors import ParamsValueError
from kymflow_zarr import JsonValue

__all__ = [
    "ANALYSIS_VERSION",
    "IMAGE_ID",
    "PARAMS_HASH",
    "PROVENANCE_COLUMNS",
    "Params",
    "canonical_json",
    "login_name",
    "params_hash",
]

IMAGE_ID = "image_id"
ANALYSIS_VERSION = "analysis_version"
PARAMS_HASH = "params_hash"
PROVENANCE_COLUMNS = (IMAGE_ID, ANALYSIS_VERSION, PARAMS_HASH)

Params: TypeAlias = Mapping[str, JsonValue]
"""A parameter document: a JSON object that says all that decides a result, except the code."""

# Beyond it neighbouring integers are the same JSON number (RFC 8785, appendix D).
_LARGEST_INTEGER = 2**53 - 1


def params_hash(params: Mapping[str, object]) -> str:
    """Hash a parameter document, so that equal meaning gives an equal hash.

    The order of keys does not count, and neither does the kind of a number: ``{"w": 1}`` and
    ``{"w": 1.0}`` agree. ``True`` is not ``1``.

    Args:
        params: A JSON object.

    Returns:
        The SHA-256 of its canonical form (RFC 8785) as 64 lower-case hexadecimal digits.

    Raises:
        ParamsValueError: It holds something that JSON does not have (NaN, infinity, an object, a
            key that is not text), or an integer that JSON numbers cannot tell from its neighbour.
    """
    return hashlib.sha256(canonical_json(params)).hexdigest()


def canonical_json(params: Mapping[str, object]) -> bytes:
    """The canonical form (RFC 8785) of a JSON object.

    Raises:
        ParamsValueError: It holds something that this form cannot.
    """
    if not isinstance(params, Mapping):
        raise ParamsValueError("$", f"a {type(params).__name__}, not a mapping")
    return rfc8785.dumps(_plain(params, "$"))


def _plain(value: object, path: str) -> JsonValue:
    """The same value in plain lists and dicts; anything that JSON cannot hold is refused."""
    match value:
        case None | bool():
            return value
        case str():
            if not _is_unicode(value):
                raise ParamsValueError(path, "text with half of a surrogate pair")
            return value
        case int():
            if abs(value) > _LARGEST_INTEGER:
                raise ParamsValueError(path, f"{value}, beyond 2**53: write it as text")
            return value
        case float():
            if not math.isfinite(value):
                raise ParamsValueError(path, f"{value}, which JSON does not have")
            return float(value)  # NumPy's float64 is one, too, but prints differently
        case Mapping():
            return {_key(key, path): _plain(item, f"{path}.{key}") for key, item in value.items()}
        case list() | tuple():
            return [_plain(item, f"{path}[{at}]") for at, item in enumerate(value)]
        case _:
            raise ParamsValueError(path, f"a {type(value).__name__}, which JSON does not have")


def login_name() -> str:
    """Who is at work: the name of their account, ``"unknown"`` where there are no accounts."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # as in some containers
        return "unknown"


def _key(key: object, path: str) -> str:
    if not isinstance(key, str) or not _is_unicode(key):
        raise ParamsValueError(path, f"a mapping with the key {key!r}, which is not text")
    return key


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
