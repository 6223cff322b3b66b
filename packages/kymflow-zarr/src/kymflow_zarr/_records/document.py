"""The commit document ``images/<image_id>/zarr.json``: with it a record exists, whole."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kymflow_zarr._pixels.layout import check_dtype, check_geometry, dtype_name, named_axes
from kymflow_zarr._pixels.ome import written_ome
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr._storage.seal import (
    BLANK_SEAL,
    OWN_ATTRIBUTE,
    sealed_bytes,
    unseal_zarr,
)
from kymflow_zarr.errors import CorruptDataError

_KEY = re.compile(r"[A-Za-z0-9._/-]+")


def image_folder(image_id: str) -> str:
    """The key of a record's folder."""
    return f"images/{image_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDocument:
    """What is fixed about an image from the moment it is committed.

    Attributes:
        created_utc: When it was created, as ISO 8601 text.
        software: What created it; empty in format 1.
        axes: The meaning of each axis: ``("t", "x")`` for a kymograph.
        digest: ``"sha256:<hex>"`` over the pixels; empty in format 1.
        artifacts: What it was committed with: keys relative to its folder, sorted.
        ome: OME-Zarr attributes, or None where the axes do not fit that standard.
        added: What another program has added to the document; None if none has written it.
    """

    image_id: str
    created_utc: str
    software: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    digest: str
    artifacts: tuple[str, ...] = ()
    ome: dict[str, JsonValue] | None = None
    added: tuple[str, ...] | None = field(default=None, compare=False)

    def to_bytes(self) -> bytes:
        """The sealed Zarr v3 group document."""
        return sealed_bytes(self.to_json())

    def to_json(self) -> dict[str, JsonValue]:
        """The document with a blank seal."""
        attributes: dict[str, JsonValue] = {
            OWN_ATTRIBUTE: {
                "image_id": self.image_id,
                "created_utc": self.created_utc,
                "software": self.software,
                "axes": list(self.axes),
                "shape": list(self.shape),
                "dtype": dtype_name(self.dtype),
                "digest": self.digest,
                "artifacts": list(self.artifacts),
                "seal": BLANK_SEAL,
            }
        }
        if self.ome is not None:
            attributes["ome"] = self.ome
        return {"zarr_format": 3, "node_type": "group", "attributes": attributes}

    @classmethod
    def from_bytes(cls, data: bytes, *, key: str) -> RecordDocument:
        """Read a commit document.

        Raises:
            CorruptDataError: Something in it was changed, or it is not such a document.
        """
        parsed, added = unseal_zarr(data, key=key, as_written=cls.as_written)
        try:
            return replace(cls._from_json(parsed), added=added)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CorruptDataError(
                key, f"it is not a record document of this format ({error})"
            ) from error

    @classmethod
    def _from_json(cls, parsed: Any) -> RecordDocument:
        own = parsed["attributes"][OWN_ATTRIBUTE]
        shape, dtype = tuple(own["shape"]), check_dtype(np.dtype(own["dtype"]))
        check_geometry(shape, (1,) * len(shape), dtype)
        return cls(
            image_id=_text(own["image_id"]),
            created_utc=_text(own["created_utc"]),
            software=_text(own["software"]),
            axes=named_axes(own["axes"], shape),
            shape=shape,
            dtype=dtype,
            digest=_text(own["digest"]),
            artifacts=_keys(own["artifacts"]),
            ome=parsed["attributes"].get("ome"),
        )

    @classmethod
    def as_written(cls, parsed: Any) -> dict[str, JsonValue]:
        """See `seal.AsWritten`."""
        document = cls._from_json(parsed)
        ome = None if document.ome is None else written_ome(document.ome)
        return replace(document, ome=ome).to_json()


def read_record_document(blobs: BlobStore, image_id: str) -> RecordDocument | None:
    """The commit document of a record of format 2, or None where there is no record.

    Raises:
        CorruptDataError: It is damaged, or belongs to another image.
    """
    key = f"{image_folder(image_id)}/{COMMIT_KEY}"
    data = blobs.get(key)
    if data is None:
        return None
    document = RecordDocument.from_bytes(data, key=key)
    if document.image_id != image_id:
        raise CorruptDataError(key, f"it belongs to image {document.image_id!r}")
    return document


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _keys(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(_KEY.fullmatch(_text(key)) for key in values):
        raise TypeError(f"{values!r} is not a list of keys")
    return tuple(values)
