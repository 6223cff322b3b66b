"""Records of format 1: a Zarr v2 group, attributes in ``.zattrs``, pixels without checksums."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from kymflow_zarr._pixels.format1 import FORMAT1_DOCUMENT, check_codecs
from kymflow_zarr._pixels.layout import check_dtype, check_geometry
from kymflow_zarr._records.document import RecordDocument, image_folder, read_record_document
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.json_text import loads
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

__all__ = ["find_record_document", "read_format1_document"]

_V2_DTYPE = re.compile(r"[<>|][buif][1248]")


def find_record_document(blobs: BlobStore, image_id: str) -> RecordDocument | None:
    """A record's facts in whichever format it has; an upgraded record counts as format 2."""
    return read_record_document(blobs, image_id) or read_format1_document(blobs, image_id)


def read_format1_document(blobs: BlobStore, image_id: str) -> RecordDocument | None:
    """The facts of a format-1 record, or None where there is none.

    Raises:
        CorruptDataError: Its attributes or its array's document are damaged.
    """
    folder = image_folder(image_id)
    key = f"{folder}/data/{FORMAT1_DOCUMENT}"
    array_text = blobs.get(key)
    attributes_text = blobs.get(f"{folder}/.zattrs")
    if array_text is None or attributes_text is None:
        return None
    array: Any = loads(array_text, key=key)
    attributes: Any = loads(attributes_text, key=f"{folder}/.zattrs")
    try:
        shape = tuple(array["shape"])
        text = array["dtype"]
        if not isinstance(text, str) or not _V2_DTYPE.fullmatch(text):
            raise SchemaValidationError(f"its dtype is {text!r}")
        dtype = check_dtype(np.dtype(text))
        check_geometry(shape, tuple(array["chunks"]), dtype)
        check_codecs(array)
        axes = attributes.get("axes") or [f"dim_{number}" for number in range(len(shape))]
        created = attributes.get("created_utc", "")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CorruptDataError(key, f"it is no array of format 1 ({error})") from error
    if len(axes) != len(shape) or not all(isinstance(axis, str) for axis in axes):
        raise CorruptDataError(f"{folder}/.zattrs", f"its axes {axes!r} do not fit {shape!r}")
    return RecordDocument(
        image_id=image_id,
        created_utc=created if isinstance(created, str) else "",
        software="",
        axes=tuple(axes),
        shape=shape,
        dtype=dtype,
        digest="",
    )
