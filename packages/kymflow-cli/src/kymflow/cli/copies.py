"""Images with the same pixels."""

from __future__ import annotations

from collections.abc import Mapping


def copies_of(digests: Mapping[str, str]) -> dict[str, str]:
    """The images whose pixels an earlier image has, each with the first of these.

    Args:
        digests: Image id → the checksum of its pixels, empty if there is none; in the order that
            tells which is the first.
    """
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for image_id, digest in digests.items():
        if digest and (original := first.setdefault(digest, image_id)) != image_id:
            found[image_id] = original
    return found
