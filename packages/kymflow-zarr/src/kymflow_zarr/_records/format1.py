"""Records of format 1: a Zarr v2 group, attributes in ``.zattrs``, pixels without checksums."""

from __future__ import annotations

from kymflow_zarr._pixels.format1 import read_format1_array_document
from kymflow_zarr._pixels.layout import named_axes
from kymflow_zarr._records.document import RecordDocument, image_folder, read_record_document
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.json_text import loads
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError


def find_record_document(blobs: BlobStore, image_id: str) -> RecordDocument | None:
    """A record's facts in whichever format it has; an upgraded record counts as format 2."""
    return (
        read_record_document(blobs, image_id)
        or read_format1_document(blobs, image_id)
        or read_record_document(blobs, image_id)  # upgraded since it was first looked for
    )


def read_format1_document(blobs: BlobStore, image_id: str) -> RecordDocument | None:
    """The facts of a format-1 record, or None where there is none.

    Raises:
        CorruptDataError: Its attributes or its array's document are damaged.
    """
    folder = image_folder(image_id)
    array = read_format1_array_document(blobs, f"{folder}/data")
    key = f"{folder}/.zattrs"
    text = blobs.get(key)
    if array is None or text is None:
        return None
    attributes = loads(text, key=key)
    if not isinstance(attributes, dict):
        raise CorruptDataError(key, "it is not a JSON object")
    axes = attributes.get("axes") or [f"dim_{number}" for number in range(len(array.shape))]
    try:
        named = named_axes(axes, array.shape)
    except SchemaValidationError as error:
        raise CorruptDataError(key, str(error)) from error
    created = attributes.get("created_utc")
    return RecordDocument(
        image_id=image_id,
        created_utc=created if isinstance(created, str) else "",
        software="",
        axes=named,
        shape=array.shape,
        dtype=array.dtype,
        digest="",
    )
