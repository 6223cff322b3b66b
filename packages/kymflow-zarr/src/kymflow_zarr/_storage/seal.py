"""Documents that carry a checksum of themselves.

A sealed document holds ``"seal": "sha256:<64 hex digits>"`` exactly once: the SHA-256 of the
document's bytes with those 64 digits replaced by zeros. Any changed byte breaks it, and any
language can check it without a canonical form of JSON.

Zarr documents are written by other programs, too: zarr and xarray set attributes and consolidate
metadata. That breaks the seal, but harms nothing if all that this package wrote is still there. So
such a document is written again from what it says: if that gives the seal it carries, it is sound.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from kymflow_zarr._storage.json_text import JsonValue, dumps, loads
from kymflow_zarr.errors import CorruptDataError

__all__ = [
    "BLANK_SEAL",
    "OWN_ATTRIBUTE",
    "Rewrite",
    "reseal",
    "sealed_bytes",
    "unseal",
    "unseal_zarr",
]

BLANK_SEAL = "sha256:" + "0" * 64
OWN_ATTRIBUTE = "kymflow_zarr"
"""The attribute of images and arrays that is ours, with the seal in it."""
_SEAL = re.compile(rb'"seal": "sha256:([0-9a-f]{64})"')
_FIRST_SEAL = "first_seal"

Rewrite: TypeAlias = Callable[[Any], bytes]
"""Makes the sealed bytes that this package writes from what a document says.

It raises a `LookupError`, `TypeError`, `ValueError` or `AttributeError` for another document."""


def sealed_bytes(document: JsonValue, *, indent: int | None = None) -> bytes:
    """Encode a document and fill in its seal.

    Args:
        document: Holds `BLANK_SEAL` under a key ``"seal"``, once.
        indent: Spaces per level. One line is the default: two documents are written for each
            image, for programs to read.

    Returns:
        The JSON text, UTF-8.
    """
    blank = dumps(document, indent=indent)
    match = _only_seal(blank)
    if match is None or match.group(1) != b"0" * 64:
        raise ValueError("the document has no blank seal to fill in; put BLANK_SEAL under 'seal'")
    digest = hashlib.sha256(blank).hexdigest().encode("ascii")
    return blank[: match.start(1)] + digest + blank[match.end(1) :]


def unseal(data: bytes, *, key: str) -> JsonValue:
    """Decode a sealed document that only this package writes.

    Args:
        data: The bytes as read.
        key: Where they were read, for messages.

    Raises:
        CorruptDataError: There is no seal, it does not hold, or the text is not JSON.
    """
    if _only_seal(data) is None:
        raise CorruptDataError(key, "it carries no seal, or more than one")
    if not _holds(data):
        raise _broken(key)
    return loads(data, key=key)


def unseal_zarr(data: bytes, *, key: str, rewrite: Rewrite) -> tuple[Any, tuple[str, ...] | None]:
    """Decode a sealed Zarr document, which another program may have added something to.

    Args:
        data: The bytes as read.
        key: Where they were read, for messages.
        rewrite: Makes it anew.

    Returns:
        The document, and the names of what was added; None if no other program has written it.

    Raises:
        CorruptDataError: Something that this package wrote is changed, or the text is not JSON.
    """
    said: Any = loads(data, key=key)
    if _holds(data):
        return said, None
    try:
        own = _own(said["attributes"])
        written: Any = loads(rewrite(said), key=key)
        if own.get(_FIRST_SEAL, own["seal"]) in _seals(written):
            return said, _added(said, written)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise _broken(key) from error
    raise _broken(key)


def _seals(written: Any) -> set[str]:
    """The seals of a document in the forms that it may have been written in: 0.1 indented it."""
    own = _own(written["attributes"])
    seals = {own["seal"]}
    own["seal"] = BLANK_SEAL
    indented = _only_seal(sealed_bytes(written, indent=2))
    return seals if indented is None else {*seals, f"sha256:{indented[1].decode('ascii')}"}


def _added(said: Any, written: Any) -> tuple[str, ...]:
    members = [*said, *said["attributes"]]
    ours = {*written, *written["attributes"], _FIRST_SEAL}
    return tuple(sorted(name for name in members if name not in ours))


def reseal(said: Any, *, key: str, rewrite: Rewrite) -> bytes:
    """Seal a Zarr document again with the attributes that another program added to it.

    The seal that it had is kept as ``first_seal``: what is added later is judged by that one. All
    else that was added, such as consolidated metadata, is left out.

    Args:
        said: The document, from `unseal_zarr`.
        key: Where it was read, for messages.
        rewrite: Makes it anew.

    Raises:
        ValueError: It cannot be sealed: what was added looks like a seal.
    """
    as_written = rewrite(said)
    document: Any = loads(as_written, key=key)
    ours: dict[str, JsonValue] = document["attributes"]
    theirs = {name: value for name, value in said["attributes"].items() if name not in ours}
    if "ome" in ours:
        theirs["ome"] = said["attributes"]["ome"]
    if {**ours, **theirs} == ours:
        return as_written
    own = _own(ours)
    own |= {_FIRST_SEAL: own["seal"], "seal": BLANK_SEAL}
    document["attributes"] = {**ours, **theirs}
    return sealed_bytes(document)


def _own(attributes: dict[str, Any]) -> dict[str, Any]:
    """Our members of a document's attributes: in the root document, they are not by themselves."""
    own: dict[str, Any] = attributes.get(OWN_ATTRIBUTE, attributes)
    return own


def _holds(data: bytes) -> bool:
    match = _only_seal(data)
    if match is None:
        return False
    blank = data[: match.start(1)] + b"0" * 64 + data[match.end(1) :]
    return hashlib.sha256(blank).hexdigest().encode("ascii") == match.group(1)


def _broken(key: str) -> CorruptDataError:
    return CorruptDataError(key, "its seal does not hold, so some byte of it was changed")


def _only_seal(data: bytes) -> re.Match[bytes] | None:
    found = list(_SEAL.finditer(data))
    return found[0] if len(found) == 1 else None
