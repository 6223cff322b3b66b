"""Building a record in a staging: pixels, artifacts, and the commit document last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._pixels.layout import check_dtype, check_geometry, choose_chunks
from kymflow_zarr._pixels.ome import ome_attributes, ome_axes
from kymflow_zarr._pixels.writer import write_array
from kymflow_zarr._records.artifacts import ANALYSIS, JSON, METADATA, PROVENANCE
from kymflow_zarr._records.document import RecordDocument
from kymflow_zarr._storage.blobs import COMMIT_KEY, Staging
from kymflow_zarr._storage.json_text import JsonValue, dumps
from kymflow_zarr.errors import SchemaValidationError
from kymflow_zarr.schema import software_version, utc_now

__all__ = ["check_axes", "provenance_bytes", "resolve_chunks", "slabs", "stage_record"]


def check_axes(axes: tuple[str, ...], shape: tuple[int, ...]) -> None:
    """Refuse axes that do not name each dimension once.

    Raises:
        SchemaValidationError: Wrong number, or a name twice.
    """
    if len(axes) != len(shape) or len(set(axes)) != len(axes) or not all(axes):
        raise SchemaValidationError(
            f"axes {axes!r} do not name each dimension of shape {shape!r} once; "
            "give one distinct name per dimension, such as ('t', 'x')"
        )


def resolve_chunks(
    shape: tuple[int, ...], dtype: np.dtype[Any], chunks: tuple[int, ...] | None
) -> tuple[int, ...]:
    """The chunk shape to use: the one asked for, checked, or a well chosen one.

    Raises:
        SchemaValidationError: A shape or chunk shape that cannot be stored.
    """
    if chunks is None:
        check_geometry(shape, (1,) * len(shape), dtype)
        chunks = choose_chunks(shape, dtype.itemsize)
    check_geometry(shape, chunks, dtype)
    return tuple(min(chunk, length) for chunk, length in zip(chunks, shape, strict=True))


def stage_record(
    staging: Staging,
    image_id: str,
    blocks: Iterable[AnyArray],
    *,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    axes: tuple[str, ...],
    chunks: tuple[int, ...],
    scale: Mapping[str, float],
    unit: Mapping[str, str],
    metadata: Mapping[str, JsonValue] | None,
    source: Mapping[str, JsonValue] | None,
    artifacts: Mapping[str, bytes],
    staged: Iterable[str] = (),
) -> RecordDocument:
    """Write a whole record into a staging, ready to be published.

    Args:
        staging: A staging of the folder ``images``.
        image_id: The new record's id.
        blocks: Consecutive pixels along the first axis, each ``chunks[0]`` long but the last.
        shape: The whole image's shape.
        dtype: The pixels' type.
        axes: A name for each axis.
        chunks: From `resolve_chunks`.
        scale: Axis → size of one step, where known.
        unit: Axis → unit of that step.
        metadata: The metadata payload, if there is one.
        source: The facts of the file that the pixels come from; None where there is no file.
        artifacts: Key relative to ``analysis/`` → bytes, as they are to be stored.
        staged: Further artifacts, by keys relative to the record's folder, that are staged by the
            caller: the commit document names these, too.

    Returns:
        The commit document as staged.

    Raises:
        SchemaValidationError: The blocks do not add up to the shape, or the metadata payload is too
            large.
    """
    pixels = write_array(
        blocks,
        shape=shape,
        dtype=check_dtype(dtype),
        chunks=chunks,
        axes=ome_axes(axes) or axes,
        put=lambda key, data: staging.put(f"{image_id}/data/{key}", data),
    )
    created_utc, software = utc_now(), software_version()
    provenance = provenance_bytes(
        image_id,
        created_utc=created_utc,
        software=software,
        pixels_digest=pixels.digest,
        source=source,
    )
    files = {f"{PROVENANCE}{JSON}": provenance, **artifacts}
    if metadata is not None:
        try:
            files[f"{METADATA}{JSON}"] = dumps(dict(metadata))
        except SchemaValidationError as error:
            raise SchemaValidationError(f"the metadata payload is too large: {error}") from error
    for key, data in files.items():
        staging.put(f"{image_id}/{ANALYSIS}/{key}", data)
    document = RecordDocument(
        image_id=image_id,
        created_utc=created_utc,
        software=software,
        axes=axes,
        shape=shape,
        dtype=pixels.dtype,
        digest=pixels.digest,
        artifacts=tuple(sorted([*(f"{ANALYSIS}/{key}" for key in files), *staged])),
        ome=ome_attributes(axes, scale=scale, unit=unit),
    )
    staging.put(f"{image_id}/{COMMIT_KEY}", document.to_bytes())
    return document


def provenance_bytes(
    image_id: str,
    *,
    created_utc: str,
    software: str,
    pixels_digest: str,
    source: Mapping[str, JsonValue] | None,
) -> bytes:
    """The artifact that says where an image came from, as it is to be stored.

    Args:
        image_id: The image.
        created_utc: When its record was created, as in the commit document.
        software: What created it.
        pixels_digest: The digest of its pixels.
        source: The facts of the file that the pixels come from; None where there is no file.
    """
    return dumps(
        {
            "image_id": image_id,
            "created_utc": created_utc,
            "software": software,
            "pixels_digest": pixels_digest,
            "source": None if source is None else dict(source),
        }
    )


def slabs(array: AnyArray, rows: int) -> Iterable[AnyArray]:
    """Consecutive parts of an array along its first axis.

    Raises:
        SchemaValidationError: It is a masked array.
    """
    if isinstance(array, np.ma.MaskedArray):
        raise SchemaValidationError(
            "the mask of a masked array would be lost; store it as an array of its own, "
            "or fill it in with .filled()"
        )
    return (array[start : start + rows] for start in range(0, array.shape[0], rows))
