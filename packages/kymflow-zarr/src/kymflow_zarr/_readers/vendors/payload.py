"""The ``header`` of a metadata payload that stands beside an image as ``<stem>.json``.

Two forms are known. Ours names axes, steps and units (``axes``, ``scale``, ``unit``). That of labs
is a list per dimension (``voxels``, ``voxels_units``, ``labels``); its line period was divided from
a rounded duration (0.0011339666 s for 0.001134 s), so the vendor's own header and tags rank above.
A dimension whose unit is a time is named ``t``.
"""

from __future__ import annotations

from collections.abc import Mapping

from kymflow_zarr._readers.axes import default_axes
from kymflow_zarr._readers.facts import Facts
from kymflow_zarr._readers.units import TIME, Quantity, quantity
from kymflow_zarr._storage.json_text import JsonValue

__all__ = ["read_payload_header"]


def read_payload_header(header: Mapping[str, JsonValue], *, shape: tuple[int, ...]) -> Facts:
    """Read the header of a metadata payload.

    Args:
        header: The payload's ``header``.
        shape: Shape of the image that it should describe.

    Returns:
        What it tells; nothing but a warning when it describes another shape.
    """
    declared = header.get("shape")
    if isinstance(declared, list) and tuple(declared) != shape:
        return Facts(
            source="sidecar",
            warnings=(
                f"the metadata payload describes an image of shape {declared}, not {list(shape)}, "
                "and is not used for calibration",
            ),
        )
    if "voxels" in header:
        return _lab_header(header, ndim=len(shape))
    axes = _texts(header.get("axes"))
    scale, unit = header.get("scale"), header.get("unit")
    if not isinstance(scale, dict) or not isinstance(unit, dict):
        return Facts(source="sidecar", axes=axes)
    steps = {name: _quantity(value, unit.get(name)) for name, value in scale.items()}
    acquired = header.get("acquired_local_epoch_ns")
    bits = header.get("bits_per_pixel")
    return Facts(
        source="sidecar",
        axes=axes,
        steps={name: step for name, step in steps.items() if step is not None},
        acquired_local_epoch_ns=acquired if type(acquired) is int else None,
        bits_per_pixel=bits if type(bits) is int else None,
    )


def _lab_header(header: Mapping[str, JsonValue], *, ndim: int) -> Facts:
    voxels, units = header.get("voxels"), _texts(header.get("voxels_units"))
    if not isinstance(voxels, list) or len(voxels) != ndim or len(units) != ndim:
        return Facts(source="sidecar")
    found = [_quantity(value, unit) for value, unit in zip(voxels, units, strict=True)]
    axes = tuple(
        "t" if step is not None and step.unit == TIME else name
        for name, step in zip(default_axes(ndim), found, strict=True)
    )
    if len(set(axes)) != ndim:
        return Facts(source="sidecar")
    steps = {axis: step for axis, step in zip(axes, found, strict=True) if step is not None}
    return Facts(source="sidecar", axes=axes, steps=steps)


def _texts(value: JsonValue) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    texts = tuple(item for item in value if isinstance(item, str))
    return texts if len(texts) == len(value) else ()


def _quantity(value: JsonValue, unit: JsonValue) -> Quantity | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isinstance(unit, str):
        return None
    return quantity(value, unit)
