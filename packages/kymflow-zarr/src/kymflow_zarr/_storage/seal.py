"""Documents that carry a checksum of themselves.

A sealed document holds ``"seal": "sha256:<64 hex digits>"`` exactly once: the SHA-256 of the
document's bytes with those 64 digits replaced by zeros. Any changed byte breaks it, and any
language can check it without a canonical form of JSON.

Zarr documents are written by other programs, too: zarr and xarray set attributes and consolidate
metadata. That breaks the seal, but harms nothing if all that this package wrote is still there. So
what this package would write for such a document is sealed: if that gives its seal, it is sound.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from kymflow_zarr._storage.json_text import JsonValue, bounded, loads
from kymflow_zarr.errors import CorruptDataError

BLANK_SEAL = "sha256:" + "0" * 64
OWN_ATTRIBUTE = "kymflow_zarr"
"""The attribute of images and arrays that is ours, with the seal in it."""
_SEAL = re.compile(rb'"seal": "sha256:([0-9a-f]{64})"')
_FIRST_SEAL = "first_seal"
_CONSOLIDATED = b'"consolidated_metadata"'
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]]', re.DOTALL)

# Not `dumps`: what was sealed has to be written again byte for byte, by any later version, too.
_LINE = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_WITH_THEIRS = json.JSONEncoder(ensure_ascii=False)  # other programs' attributes may hold NaN
_INDENTED = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2)  # by 0.1.0

AsWritten: TypeAlias = Callable[[Any], dict[str, Any]]
"""From what a document says to what this package would write for that, with a blank seal.

It raises a `LookupError`, `TypeError`, `ValueError` or `AttributeError` for another document."""


def sealed_bytes(document: JsonValue, layout: json.JSONEncoder = _LINE) -> bytes:
    """Encode a document that holds `BLANK_SEAL` under a key ``"seal"``, once, and fill that in."""
    blank = _written(document, layout)
    match = _only_seal(blank)
    if match is None or match.group(1) != b"0" * 64:
        raise ValueError("the document has no blank seal to fill in; put BLANK_SEAL under 'seal'")
    digits = _seal_of(blank).removeprefix("sha256:").encode("ascii")
    return blank[: match.start(1)] + digits + blank[match.end(1) :]


def unseal(data: bytes, *, key: str) -> JsonValue:
    """Decode a sealed document that only this package writes.

    Raises:
        CorruptDataError: There is no seal, it does not hold, or the text is not JSON.
    """
    if _only_seal(data) is None:
        raise CorruptDataError(key, "it carries no seal, or more than one")
    if not _holds(data):
        raise _broken(key)
    return loads(data, key=key)


def without_consolidated(data: bytes) -> bytes:
    """A Zarr document with null in place of metadata that another program consolidated in it.

    Those of a large dataset exceed every limit, and nothing here needs them.
    """
    if _CONSOLIDATED not in data:
        return data
    depth, start, last = 0, -1, b""
    for token in _TOKEN.finditer(data):
        if token[0] in (b"{", b"["):
            if depth == 1 and last == _CONSOLIDATED:
                start = token.start()
            depth += 1
        elif token[0] in (b"}", b"]"):
            depth -= 1
            if depth == 1 and start >= 0:
                return data[:start] + b"null" + data[token.end() :]
        last = token[0]
    return data


def unseal_zarr(
    data: bytes, *, key: str, as_written: AsWritten
) -> tuple[Any, tuple[str, ...] | None]:
    """Decode a sealed Zarr document, which another program may have added something to.

    Returns:
        The document, and the names of what was added; None if no other program has written it.

    Raises:
        CorruptDataError: Something that this package wrote is changed, or the text is not JSON.
    """
    data = without_consolidated(data)
    parsed: Any = loads(data, key=key, finite=False)
    if _holds(data):
        return parsed, None
    try:
        ours = as_written(parsed)
        if _first_seal(parsed) in {_seal_of(_written(ours, each)) for each in (_LINE, _INDENTED)}:
            return parsed, _added(parsed, ours)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise _broken(key) from error
    raise _broken(key)


def reseal(parsed: Any, *, as_written: AsWritten) -> bytes:
    """Seal a Zarr document from `unseal_zarr` again, with attributes that another program added.

    The seal that it had is kept as ``first_seal``: what is added later is judged by that one. All
    else that was added, such as consolidated metadata, is left out.

    Raises:
        ValueError: It cannot be sealed: what was added looks like a seal.
    """
    document = as_written(parsed)
    ours: dict[str, Any] = document["attributes"]
    theirs = {name: value for name, value in parsed["attributes"].items() if name not in ours}
    if "ome" in ours:
        theirs["ome"] = parsed["attributes"]["ome"]
    if {**ours, **theirs} != ours:
        _own(ours)[_FIRST_SEAL] = _first_seal(parsed)
        document["attributes"] = {**ours, **theirs}
    return sealed_bytes(document, _WITH_THEIRS)


def _written(document: JsonValue, layout: json.JSONEncoder) -> bytes:
    return bounded(layout.encode(document).encode("utf-8") + b"\n")


def _first_seal(parsed: Any) -> Any:
    own = _own(parsed["attributes"])
    return own.get(_FIRST_SEAL, own["seal"])


def _added(parsed: Any, ours: dict[str, Any]) -> tuple[str, ...]:
    names = {*ours, *ours["attributes"], _FIRST_SEAL}
    return tuple(sorted({*parsed, *parsed["attributes"]} - names))


def _own(attributes: dict[str, Any]) -> dict[str, Any]:
    """Our members of a document's attributes: in the root document, they are not by themselves."""
    own: dict[str, Any] = attributes.get(OWN_ATTRIBUTE, attributes)
    return own


def _holds(data: bytes) -> bool:
    match = _only_seal(data)
    if match is None:
        return False
    blank = data[: match.start(1)] + b"0" * 64 + data[match.end(1) :]
    return _seal_of(blank).encode("ascii").endswith(match.group(1))


def _seal_of(blank: bytes) -> str:
    return f"sha256:{hashlib.sha256(blank).hexdigest()}"


def _broken(key: str) -> CorruptDataError:
    return CorruptDataError(key, "its seal does not hold, so some byte of it was changed")


def _only_seal(data: bytes) -> re.Match[bytes] | None:
    found = list(_SEAL.finditer(data))
    return found[0] if len(found) == 1 else None
