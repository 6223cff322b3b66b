"""Upgrading a dataset of format 1, image by image, in place, in steps that can be cut off anywhere.

Beside an image's Zarr v2 array its new array is written, then its provenance, then its commit
document: from then on the image has format 2. When all have, the tables are entered in their
inventory, folders get their documents, and the root document says so. Last, what format 1 needed
is removed. A run that was cut off is continued by the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kymflow_zarr._artifacts.array_kind import ARRAY
from kymflow_zarr._artifacts.json_kind import JSON
from kymflow_zarr._catalog.listing import IMAGES, list_image_ids
from kymflow_zarr._catalog.sources import SourceRow, row_to_json
from kymflow_zarr._pixels.format1 import (
    FORMAT1_DOCUMENT,
    iter_format1_slabs,
    open_format1_array,
)
from kymflow_zarr._pixels.layout import CHUNK_PREFIX, ArrayDocument, check_dtype, resolve_chunks
from kymflow_zarr._pixels.ome import ome_attributes, ome_axes
from kymflow_zarr._pixels.writer import write_array
from kymflow_zarr._records.build import provenance_document
from kymflow_zarr._records.document import RecordDocument, image_folder, read_record_document
from kymflow_zarr._records.facts import provenance_key
from kymflow_zarr._records.format1 import read_format1_document
from kymflow_zarr._records.stored import iter_stored, present_artifacts
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.groups import write_missing_groups
from kymflow_zarr._storage.inventory import enter
from kymflow_zarr._storage.json_text import dumps
from kymflow_zarr._tables.tables import TABLES, Tables
from kymflow_zarr.schema import DatasetSchema, software_version, utc_now

_GROUP_FILES = (".zgroup", ".zattrs", ".zmetadata")


def upgrade_dataset(
    blobs: BlobStore, schema: DatasetSchema, sources: Mapping[str, SourceRow]
) -> Iterator[str]:
    """Bring every image, and then the dataset, to format 2; yields each id as it is upgraded.

    An image's row in the sources index becomes its provenance. The caller holds the writer's locks.

    Raises:
        CorruptDataError: An image cannot be read. Those before it are upgraded.
    """
    image_ids = list_image_ids(blobs)
    for image_id in image_ids:
        if read_record_document(blobs, image_id) is None:
            _upgrade_image(blobs, image_id, sources.get(image_id))
            yield image_id
    if schema.version < DatasetSchema.CURRENT:
        _enter_tables(blobs)
        write_missing_groups(blobs)
        DatasetSchema(
            version=DatasetSchema.CURRENT,
            created_utc=schema.created_utc or utc_now(),
            software=software_version(),
        ).write(blobs)
    for image_id in image_ids:
        _remove_format1(blobs, image_id)
    for name in _GROUP_FILES:
        blobs.delete(f"{IMAGES}/{name}")
        blobs.delete(name)


def _upgrade_image(blobs: BlobStore, image_id: str, source: SourceRow | None) -> None:
    old = read_format1_document(blobs, image_id)
    if old is None:  # deleted since it was listed
        return
    folder = image_folder(image_id)
    for key in _array_keys(blobs, image_id):
        if blobs.stat(f"{key}/{FORMAT1_DOCUMENT}") is not None:
            _rewrite_array(blobs, key, axes=None)
    pixels = _rewrite_array(blobs, f"{folder}/data", axes=ome_axes(old.axes) or old.axes)
    created_utc, software = old.created_utc or utc_now(), software_version()
    provenance = provenance_document(
        image_id,
        created_utc,
        software=software,
        pixels_digest=pixels.digest,
        source=None if source is None else row_to_json(source),
    )
    blobs.put(provenance_key(image_id), dumps(provenance))
    artifacts = present_artifacts(blobs, image_id) | {provenance_key(image_id)}
    document = RecordDocument(
        image_id=image_id,
        created_utc=created_utc,
        software=software,
        axes=old.axes,
        shape=pixels.shape,
        dtype=pixels.dtype,
        digest=pixels.digest,
        artifacts=tuple(sorted(key.removeprefix(f"{folder}/") for key in artifacts)),
        ome=ome_attributes(old.axes, scale={}, unit={}),
    )
    blobs.put(f"{folder}/{COMMIT_KEY}", document.to_bytes())
    # Who saved before that saw an image of format 1, which has no inventory.
    late = present_artifacts(blobs, image_id) - artifacts
    if late:
        enter(blobs, folder, sorted(key.removeprefix(f"{folder}/") for key in late))


def _enter_tables(blobs: BlobStore) -> None:
    names = Tables(blobs).names()
    if names:
        enter(blobs, TABLES, [f"{name}.parquet" for name in names])


def _rewrite_array(blobs: BlobStore, folder: str, *, axes: tuple[str, ...] | None) -> ArrayDocument:
    """Write a Zarr v2 array again, beside itself, in the current format."""
    old: Any = open_format1_array(blobs, folder)
    shape: tuple[int, ...] = tuple(old.shape)
    dtype = check_dtype(old.dtype)
    chunks = resolve_chunks(shape, dtype, None)
    return write_array(
        iter_format1_slabs(blobs, folder, chunks[0]),
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        axes=axes or tuple(f"dim_{number}" for number in range(len(shape))),
        put=lambda key, data: blobs.put(f"{folder}/{key}", data),
    )


def _array_keys(blobs: BlobStore, image_id: str) -> list[str]:
    """The keys of a record's array artifacts."""
    return [key for key, found in iter_stored(blobs, image_id) if found and found[1] is ARRAY]


def _remove_format1(blobs: BlobStore, image_id: str) -> None:
    folder = image_folder(image_id)
    for group in (folder, f"{folder}/{JSON.root}", f"{folder}/{ARRAY.root}"):
        for name in _GROUP_FILES:
            blobs.delete(f"{group}/{name}")
    for array in (f"{folder}/data", *_array_keys(blobs, image_id)):
        # The v2 document last: as long as it exists, a later run knows that there is work left.
        if blobs.stat(f"{array}/{FORMAT1_DOCUMENT}") is None:
            continue
        listing = blobs.list_folder(array)
        for file in listing.files:
            if file != COMMIT_KEY and not file.startswith(CHUNK_PREFIX):
                blobs.delete(f"{array}/{file}")
        for inner in listing.folders:
            blobs.delete_folder(f"{array}/{inner}")
        blobs.delete(f"{array}/.zattrs")
        blobs.delete(f"{array}/{FORMAT1_DOCUMENT}")
