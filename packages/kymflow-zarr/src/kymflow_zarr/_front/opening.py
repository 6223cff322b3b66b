"""Opening a dataset, or creating one where there is none."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING

from kymflow_zarr._front.access import Access, Mode
from kymflow_zarr._storage.blobs import BlobStore, Durability
from kymflow_zarr._storage.groups import write_missing_groups
from kymflow_zarr._storage.open import open_blobs, why_read_only
from kymflow_zarr.errors import NotADatasetError, ReadOnlyError
from kymflow_zarr.schema import DatasetSchema

if TYPE_CHECKING:
    from zarr import Group
    from zarr.abc.store import Store
    from zarr.storage import StorePath


def open_dataset(
    store_or_path: str | PathLike[str] | Store | StorePath | Group,
    *,
    mode: Mode | None,
    durability: Durability,
    lock_timeout_s: float,
) -> Access:
    """Open a dataset; arguments and errors are those of `ZarrDataset`."""
    blobs = open_blobs(store_or_path, durability=durability)
    reason = "" if mode == "r" else why_read_only(store_or_path, blobs)
    chosen: Mode = mode or ("r" if reason else "a")
    if reason and chosen != "r":
        raise ReadOnlyError(f"open {blobs.location!r} with mode={chosen!r}", reason=reason)
    return Access(
        blobs=blobs,
        schema=_create(blobs) if chosen == "a" else _read(blobs, reason),
        mode=chosen,
        durability=durability,
        lock_timeout_s=lock_timeout_s,
    )


def reopen_dataset(access: Access) -> Access:
    """Open a dataset that another process had open; none is created here."""
    mode: Mode = "r" if access.mode == "r" else "r+"
    return replace(access, schema=_read(access.blobs), mode=mode)


def _read(blobs: BlobStore, why_read_only: str = "") -> DatasetSchema:
    found = DatasetSchema.read(blobs)
    if found is None:
        advice = why_read_only or "check the path, or ingest a folder into it first"
        raise NotADatasetError(blobs.location, "no dataset was found there", hint=advice)
    return found


def _create(blobs: BlobStore) -> DatasetSchema:
    found = DatasetSchema.read(blobs)
    if found is not None:
        return found
    listing = blobs.list_folder("")
    if not listing.files and set(listing.folders) <= {"index"}:
        schema = DatasetSchema.new()
        schema.write(blobs)
        write_missing_groups(blobs)
        return schema
    # Perhaps another process has made the dataset since we looked.
    found = DatasetSchema.read(blobs)
    if found is None:
        raise NotADatasetError(
            blobs.location,
            "it is a folder with other contents",
            hint="name a new or an empty one",
        )
    return found
