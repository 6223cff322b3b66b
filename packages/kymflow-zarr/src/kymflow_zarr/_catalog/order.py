"""The order of images in an iteration."""

from __future__ import annotations

from typing import Literal, TypeAlias

from kymflow_zarr._catalog.manifest import Manifest, ManifestEntry

OrderBy: TypeAlias = Literal["image_id", "created_utc", "acquired_local_epoch_ns"]
Missing: TypeAlias = Literal["last", "first"]


def ordered_ids(
    manifest: Manifest,
    order_by: Literal["created_utc", "acquired_local_epoch_ns"],
    missing: Missing,
) -> list[str]:
    """Image ids sorted by a value of their manifest entries, and by id where that is equal.

    `missing` says where images go that lack the value, or are damaged.
    """
    known: list[tuple[int | str, str]] = []
    unknown: list[str] = list(manifest.damaged)
    for entry in manifest.entries.values():
        value = _value(entry, order_by)
        if value is None:
            unknown.append(entry.image_id)
        else:
            known.append((value, entry.image_id))
    ordered = [image_id for _, image_id in sorted(known)]
    return [*ordered, *unknown] if missing == "last" else [*unknown, *ordered]


def _value(entry: ManifestEntry, order_by: str) -> int | str | None:
    return entry.created_utc or None if order_by == "created_utc" else entry.acquired_local_epoch_ns
