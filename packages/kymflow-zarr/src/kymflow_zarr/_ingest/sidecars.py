"""Result files that lie beside an image, staged as artifacts of its record."""

from __future__ import annotations

import io
from collections.abc import Iterable

from kymflow_zarr._catalog.listing import IMAGES
from kymflow_zarr._pixels.layout import check_dtype
from kymflow_zarr._pixels.writer import write_array
from kymflow_zarr._readers import (
    Sidecar,
    load_array_sidecar,
    load_json_sidecar,
    load_table_sidecar,
)
from kymflow_zarr._records.artifacts import ANALYSIS, ARRAYS, JSON, PARQUET, RESERVED
from kymflow_zarr._records.build import resolve_chunks, slabs
from kymflow_zarr._storage.blobs import Staging
from kymflow_zarr._storage.json_text import dumps
from kymflow_zarr._storage.names import check_name, check_segment
from kymflow_zarr._tables.frames import frame_to_table
from kymflow_zarr._tables.parquet import ROW_GROUP_ROWS, open_parquet_writer
from kymflow_zarr.errors import InvalidNameError, SchemaValidationError, UnreadableImageError

__all__ = ["stage_artifacts"]


def stage_artifacts(staging: Staging, image_id: str, sidecars: Iterable[Sidecar]) -> list[str]:
    """Stage sidecars: JSON as JSON, tables as Parquet, ``.npy`` as arrays.

    Args:
        staging: A staging of the folder ``images``.
        image_id: The record that they belong to.
        sidecars: The files.

    Returns:
        The keys of the artifacts, relative to the record's folder.

    Raises:
        UnreadableImageError: A file cannot be read.
        InvalidNameError: An artifact cannot have its name, or two differ only in case.
        SchemaValidationError: Parquet or Zarr cannot hold what a file holds.
    """
    taken: set[str] = set()
    staged: list[str] = []
    for sidecar in sidecars:
        kind = "array" if sidecar.kind == "npy" else "artifact"
        _check_name(sidecar.name, kind=kind)
        place = f"{sidecar.kind == 'npy'} {sidecar.kind == 'json'} {sidecar.name.lower()}"
        if place in taken:
            raise InvalidNameError(
                sidecar.name, kind=kind, reason="another file beside the image claims it, too"
            )
        taken.add(place)
        match sidecar.kind:
            case "json":
                key = f"{ANALYSIS}/{sidecar.name}{JSON}"
                staging.put(f"{image_id}/{key}", _json(sidecar))
            case "npy":
                key = f"{ARRAYS}/{sidecar.name}"
                _stage_array(staging, f"{image_id}/{key}", sidecar)
            case _:
                key = f"{ANALYSIS}/{sidecar.name}{PARQUET}"
                content = _parquet(sidecar, key=f"{IMAGES}/{image_id}/{key}")
                staging.put(f"{image_id}/{key}", content)
        staged.append(key)
    return staged


def _check_name(name: str, *, kind: str) -> None:
    if kind == "array":
        check_segment(name, kind=kind)
        return
    check_name(name, kind=kind)
    if name.lower() in RESERVED:
        raise InvalidNameError(name, kind=kind, reason="the record keeps its own facts there")


def _json(sidecar: Sidecar) -> bytes:
    document = load_json_sidecar(sidecar.path)
    try:
        return dumps(document)
    except SchemaValidationError as error:
        raise UnreadableImageError(sidecar.path, str(error)) from error


def _parquet(sidecar: Sidecar, *, key: str) -> bytes:
    table = frame_to_table(load_table_sidecar(sidecar), what=f"sidecar {sidecar.path.name!r}")
    stream = io.BytesIO()
    with open_parquet_writer(stream, table.schema, key=key) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
    return stream.getvalue()


def _stage_array(staging: Staging, folder: str, sidecar: Sidecar) -> None:
    array = load_array_sidecar(sidecar.path)
    dtype = check_dtype(array.dtype)
    chunks = resolve_chunks(array.shape, dtype, None)
    write_array(
        slabs(array, chunks[0]),
        shape=array.shape,
        dtype=dtype,
        chunks=chunks,
        axes=tuple(f"dim_{number}" for number in range(array.ndim)),
        put=lambda key, data: staging.put(f"{folder}/{key}", data),
    )
