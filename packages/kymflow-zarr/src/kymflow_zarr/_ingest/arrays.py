"""An image that is handed over as an array, staged as one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kymflow_zarr._ingest.payload import metadata_payload
from kymflow_zarr._pixels.array_like import LazyArray, iter_parts
from kymflow_zarr._pixels.layout import check_axes, check_dtype, resolve_chunks
from kymflow_zarr._readers.axes import default_axes
from kymflow_zarr._readers.header import Header, merge_facts, stated_facts
from kymflow_zarr._readers.headers.payload import read_payload_header
from kymflow_zarr._records.build import stage_record
from kymflow_zarr._storage.blobs import Staging
from kymflow_zarr.errors import SchemaValidationError


def stage_array(
    staging: Staging,
    image_id: str,
    pixels: LazyArray,
    *,
    axes: tuple[str, ...] | None,
    chunks: tuple[int, ...] | None,
    scale: Mapping[str, float] | None,
    unit: Mapping[str, str] | None,
    metadata: Mapping[str, Any] | None,
) -> None:
    """Stage the record that is made of an array; `ZarrDataset.add_image` explains the arguments.

    Raises:
        SchemaValidationError: Axes, shape, type or steps cannot be stored.
    """
    shape = tuple(pixels.shape)
    if axes is not None:
        check_axes(axes, shape)
    dtype = check_dtype(pixels.dtype)
    chunk_shape = resolve_chunks(shape, dtype, chunks)
    header = None
    if scale or unit or metadata is not None:
        header = _header(pixels, axes, scale or {}, unit or {}, metadata or {})
    named = axes or (header.axes if header else default_axes(len(shape)))
    steps = header.scale if header else {}
    units = header.unit if header else {}
    stage_record(
        staging,
        image_id,
        iter_parts(pixels, chunk_shape[0]),
        shape=shape,
        dtype=dtype,
        axes=named,
        chunks=chunk_shape,
        scale={axis: step for axis, step in steps.items() if step is not None},
        unit={axis: name for axis, name in units.items() if name is not None},
        metadata=metadata_payload(header, shape=shape, axes=named) if header else None,
        source=None,
    )


def _header(
    pixels: LazyArray,
    axes: tuple[str, ...] | None,
    scale: Mapping[str, float],
    unit: Mapping[str, str],
    metadata: Mapping[str, Any],
) -> Header:
    """What is known of the image, as for one that was read from a file."""
    shape = tuple(pixels.shape)
    facts = read_payload_header(metadata.get("header"), shape=shape)
    try:
        stated = stated_facts(len(shape), axes=axes, scale=scale, unit=unit)
        header = merge_facts(shape, pixels.dtype, [stated, replace(facts, metadata=metadata)])
    except ValueError as error:
        raise SchemaValidationError(str(error)) from error
    if not set(unit) <= set(scale) <= set(header.axes):
        raise SchemaValidationError(
            f"scale {dict(scale)!r} and unit {dict(unit)!r} do not fit the axes {header.axes!r}; "
            "give steps for axes of the image, and a unit only with a step"
        )
    return header
