"""Documents that carry a checksum of themselves.

A sealed document holds ``"seal": "sha256:<64 hex digits>"`` exactly once: the SHA-256 of the
document's bytes with those 64 digits replaced by zeros. Any changed byte breaks it, and any
language can check it without a canonical form of JSON.
"""

from __future__ import annotations

import hashlib
import re

from kymflow_zarr._storage.json_text import JsonValue, dumps, loads
from kymflow_zarr.errors import CorruptDataError

__all__ = ["BLANK_SEAL", "sealed_bytes", "unseal"]

BLANK_SEAL = "sha256:" + "0" * 64
_SEAL = re.compile(rb'"seal": "sha256:([0-9a-f]{64})"')


def sealed_bytes(document: JsonValue) -> bytes:
    """Encode a document and fill in its seal.

    Args:
        document: Holds `BLANK_SEAL` under a key ``"seal"``, once.

    Returns:
        The JSON text, UTF-8.
    """
    blank = dumps(document, indent=None)  # for programs: there are two for each image
    match = _only_seal(blank)
    if match is None or match.group(1) != b"0" * 64:
        raise ValueError("the document has no blank seal to fill in; put BLANK_SEAL under 'seal'")
    digest = hashlib.sha256(blank).hexdigest().encode("ascii")
    return blank[: match.start(1)] + digest + blank[match.end(1) :]


def unseal(data: bytes, *, key: str) -> JsonValue:
    """Decode a sealed document.

    Args:
        data: The bytes as read.
        key: Where they were read, for messages.

    Raises:
        CorruptDataError: There is no seal, it does not hold, or the text is not JSON.
    """
    match = _only_seal(data)
    if match is None:
        raise CorruptDataError(key, "it carries no seal, or more than one")
    blank = data[: match.start(1)] + b"0" * 64 + data[match.end(1) :]
    if hashlib.sha256(blank).hexdigest().encode("ascii") != match.group(1):
        raise CorruptDataError(key, "its seal does not hold, so some byte of it was changed")
    return loads(data, key=key)


def _only_seal(data: bytes) -> re.Match[bytes] | None:
    found = list(_SEAL.finditer(data))
    return found[0] if len(found) == 1 else None
