"""Building a record in a staging: pixels, artifacts, and the commit document last."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from kymflow_zarr._artifacts.json_kind import JSON
from kymflow_zarr._artifacts.kind import ArtifactKind, put_only
from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._pixels.layout import check_dtype
from kymflow_zarr._pixels.ome import ome_attributes, ome_axes
from kymflow_zarr._pixels.writer import write_array
from kymflow_zarr._records.document import RecordDocument, image_folder
from kymflow_zarr._records.facts import METADATA, PROVENANCE
from kymflow_zarr._storage.blobs import COMMIT_KEY, Staging
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr.errors import SchemaValidationError
from kymflow_zarr.schema import software_version, utc_now


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
    artifacts: Iterable[str] = (),
    block_axis: int = 0,
) -> RecordDocument:
    """Write a whole record into a staging, ready to be published.

    Args:
        staging: A staging of the folder ``images``.
        image_id: The new record's id.
        blocks: Consecutive pixels, as `write_array` takes them.
        shape: The whole image's shape.
        dtype: The pixels' type.
        axes: A name for each axis.
        chunks: From `resolve_chunks`.
        scale: Axis → size of one step, where known.
        unit: Axis → unit of that step.
        metadata: The metadata payload, if there is one.
        source: The facts of the file that the pixels come from; None where there is no file.
        artifacts: The paths that `stage_artifact` returned. A provenance among them is the one that
            the record gets.
        block_axis: The axis along which the blocks follow each other.

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
        block_axis=block_axis,
    )
    created_utc, software = utc_now(), software_version()
    paths = set(artifacts)
    if JSON.path(PROVENANCE) not in paths:
        provenance = provenance_document(
            image_id, created_utc, software=software, pixels_digest=pixels.digest, source=source
        )
        paths.add(stage_artifact(staging, image_id, JSON, PROVENANCE, provenance))
    if metadata is not None:
        try:
            paths.add(stage_artifact(staging, image_id, JSON, METADATA, metadata))
        except SchemaValidationError as error:
            raise SchemaValidationError(f"the metadata payload is too large: {error}") from error
    document = RecordDocument(
        image_id=image_id,
        created_utc=created_utc,
        software=software,
        axes=axes,
        shape=shape,
        dtype=pixels.dtype,
        digest=pixels.digest,
        artifacts=tuple(sorted(paths)),
        ome=ome_attributes(axes, scale=scale, unit=unit),
    )
    staging.put(f"{image_id}/{COMMIT_KEY}", document.to_bytes())
    return document


def stage_artifact(
    staging: Staging,
    image_id: str,
    kind: ArtifactKind,
    name: str,
    value: object,
    *,
    on_write: Callable[[bytes], None] | None = None,
) -> str:
    """Write an artifact of a record that is being staged in the folder ``images``.

    `on_write` is called with the contents of each file that is written.

    Returns:
        Its path, relative to the record's folder.

    Raises:
        TypeError, ValueError: The kind cannot hold the value (`SchemaValidationError` is one).
    """
    path = kind.path(name)
    folder = image_folder(image_id)

    def put(key: str, data: bytes) -> None:
        staging.put(f"{image_id}/{key.removeprefix(f'{folder}/')}", data)
        if on_write is not None:
            on_write(data)

    key = f"{folder}/{path}"
    kind.write(value, key=key, put=put_only(put, kind, key))
    return path


def provenance_document(
    image_id: str,
    created_utc: str,
    *,
    software: str,
    pixels_digest: str,
    source: Mapping[str, JsonValue] | None,
) -> dict[str, JsonValue]:
    """The artifact that says where an image came from; `source` is None if that is no file."""
    return {
        "image_id": image_id,
        "created_utc": created_utc,
        "software": software,
        "pixels_digest": pixels_digest,
        "source": None if source is None else dict(source),
    }
