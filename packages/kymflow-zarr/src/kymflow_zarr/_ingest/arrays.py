"""An image that is handed over as an array, staged as one record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kymflow_zarr._ingest.payload import metadata_payload
from kymflow_zarr._pixels.array_like import Pixels
from kymflow_zarr._pixels.layout import check_axes, check_dtype, resolve_chunks
from kymflow_zarr._readers.axes import default_axes
from kymflow_zarr._readers.facts import Source
from kymflow_zarr._readers.header import Header
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, quantity
from kymflow_zarr._readers.vendors.payload import read_payload_header
from kymflow_zarr._records.build import stage_record
from kymflow_zarr._storage.blobs import Staging
from kymflow_zarr.errors import SchemaValidationError

__all__ = ["stage_array"]


def stage_array(
    staging: Staging,
    image_id: str,
    pixels: Pixels,
    *,
    axes: tuple[str, ...] | None,
    chunks: tuple[int, ...] | None,
    scale: Mapping[str, float] | None,
    unit: Mapping[str, str] | None,
    metadata: Mapping[str, Any] | None,
) -> None:
    """Stage the record that is made of an array.

    Args:
        staging: A staging of the folder ``images``.
        image_id: The new image's id.
        pixels: Its pixels.
        axes: A name for each dimension; those of the payload's header, or what is usual for as many
            dimensions, if None.
        chunks: A chunk shape; chosen if None.
        scale: Axis → size of one step.
        unit: Axis → unit of that step; seconds for ``t``, micrometres for others where left out.
        metadata: The metadata payload; its own header counts where `axes` and `scale` say nothing.

    Raises:
        SchemaValidationError: Axes, shape, type or steps cannot be stored.
    """
    header = _header(pixels, axes, scale or {}, unit or {}, metadata or {})
    check_axes(header.axes, pixels.shape)
    dtype = check_dtype(pixels.dtype)
    chunk_shape = resolve_chunks(pixels.shape, dtype, chunks)
    payload = None
    if scale or metadata is not None:
        payload = metadata_payload(metadata or {}, header, shape=pixels.shape, axes=header.axes)
    stage_record(
        staging,
        image_id,
        pixels.blocks(chunk_shape[0]),
        shape=pixels.shape,
        dtype=dtype,
        axes=header.axes,
        chunks=chunk_shape,
        scale={axis: step for axis, step in header.scale.items() if step is not None},
        unit={axis: name for axis, name in header.unit.items() if name is not None},
        metadata=payload,
        source=None,
    )


def _header(
    pixels: Pixels,
    axes: tuple[str, ...] | None,
    scale: Mapping[str, float],
    unit: Mapping[str, str],
    metadata: Mapping[str, Any],
) -> Header:
    said = metadata.get("header")
    facts = read_payload_header(said if isinstance(said, dict) else {}, shape=pixels.shape)
    sources: dict[str, Source] = {"axes": "user"}
    if axes is None:
        fits = len(facts.axes) == len(pixels.shape)
        axes = facts.axes if fits else default_axes(len(pixels.shape))
        sources["axes"] = "sidecar" if fits else "default"
    stated = _steps(axes, scale, unit)
    steps = {**facts.steps, **stated}
    for axis in axes:
        if axis in steps:
            sources[f"scale.{axis}"] = "user" if axis in stated else "sidecar"
    return Header(
        shape=pixels.shape,
        dtype=pixels.dtype.name,
        axes=axes,
        scale={axis: steps[axis].value if axis in steps else None for axis in axes},
        unit={axis: steps[axis].unit if axis in steps else None for axis in axes},
        acquired_local_epoch_ns=facts.acquired_local_epoch_ns,
        bits_per_pixel=facts.bits_per_pixel,
        channels=(),
        vendor={},
        sources=sources,
        warnings=facts.warnings,
        vendor_texts={},
    )


def _steps(
    axes: tuple[str, ...], scale: Mapping[str, float], unit: Mapping[str, str]
) -> dict[str, Quantity]:
    if not set(unit) <= set(scale) <= set(axes):
        raise SchemaValidationError(
            f"scale {dict(scale)!r} and unit {dict(unit)!r} do not fit the axes {axes!r}; "
            "give a step for an axis of the image, and a unit only with a step"
        )
    steps: dict[str, Quantity] = {}
    for axis, value in scale.items():
        name = unit.get(axis, TIME if axis == "t" else LENGTH)
        step = quantity(value, name)
        if step is None:
            raise SchemaValidationError(
                f"{value!r} {name!r} is not a step along {axis!r}; "
                "give a positive number and a unit of length or time, such as 's' or 'um'"
            )
        steps[axis] = step
    return steps
