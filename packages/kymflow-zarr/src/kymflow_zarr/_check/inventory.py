"""Comparing what is stored with what was written: what is gone, and what is not listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Set

from kymflow_zarr._problems import Problem, Repair
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.inventory import (
    INVENTORY,
    Inventory,
    enter,
    read_inventory,
    rewrite,
    strike,
)


def compare(
    blobs: BlobStore,
    folder: str,
    before: Inventory,
    *,
    expected: Callable[[Inventory], Set[str]],
    present: Set[str],
) -> Iterator[Problem]:
    """What is wrong, by one folder's inventory as it was before the folder was listed.

    `expected` are the keys that were written, by an inventory; `present` those that are there.
    """
    if before.whole and expected(before) == present:
        return
    # A live writer enters after publishing and strikes before deleting: what was entered before the
    # listing and not written about until after it, but does not exist, is really gone.
    after = read_inventory(blobs, folder)
    for key in sorted(expected(before.unchanged(after)) - present):
        yield Problem(location=key, kind="gone", message="it was written and no longer exists")
    location = f"{folder}/{INVENTORY}"
    for key in sorted(present - expected(before) - expected(after)):
        yield Problem(
            location=location, kind="inventory", message=f"it does not list {key!r}, which exists"
        )
    if not after.whole:
        yield Problem(location=location, kind="inventory", message="some of its lines are damaged")


def repair_inventory(
    blobs: BlobStore,
    folder: str,
    inventory: Inventory,
    *,
    expected: Set[str],
    present: Set[str],
    forget_gone: bool,
) -> Iterator[Repair]:
    """Bring a folder's inventory in line with what exists; strike what is gone if `forget_gone`."""
    location = f"{folder}/{INVENTORY}"
    if not inventory.whole:
        rewrite(blobs, folder, inventory)
        yield Repair(location=location, action="rewrote it without its damaged lines")
    prefix = f"{folder}/"
    unnamed = present - expected
    if unnamed:
        enter(blobs, folder, [key.removeprefix(prefix) for key in unnamed])
        yield Repair(location=location, action=f"added {len(unnamed)} that it did not list")
    gone = expected - present
    if gone and forget_gone:
        strike(blobs, folder, [key.removeprefix(prefix) for key in gone])
        for key in sorted(gone):
            yield Repair(location=key, action="forgot that it was written")
