"""OME-Zarr 0.5 attributes, where an image fits that standard.

The standard has axes t, c, z, y, x in this order, of which y and x must be there. So the lines of a
kymograph ``("t", "x")`` are called ``y`` and have type ``space``, but their unit is that of a time:
viewers show the picture that people know, in seconds by micrometres. What the axes really are is in
the record's own ``axes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kymflow_zarr._storage.json_text import JsonValue

_PIXELS: Final = "data"
_ORDER = "tczyx"
_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_UNITS = {"s": "second", "ms": "millisecond", "um": "micrometer", "nm": "nanometer"}
_KINDS = {"time": {"second", "millisecond"}, "space": {"micrometer", "nanometer"}}


def ome_axes(axes: tuple[str, ...]) -> tuple[str, ...] | None:
    """The names that an image's axes have in OME-Zarr, or None where they do not fit."""
    named = axes
    if axes[-2:] == ("t", "x"):
        named = (*axes[:-2], "y", "x")
    positions = [_ORDER.find(axis) for axis in named]
    fits = (
        named[-2:] == ("y", "x")
        and all(len(axis) == 1 and at >= 0 for axis, at in zip(named, positions, strict=True))
        and positions == sorted(set(positions))
    )
    return named if fits else None


def ome_attributes(
    axes: tuple[str, ...], *, scale: Mapping[str, float], unit: Mapping[str, str]
) -> dict[str, JsonValue] | None:
    """The ``ome`` attribute of an image whose pixels are in ``data``; None if its axes do not fit.

    The axes are the image's own. An axis without a step has 1.0, as the standard demands a number
    (the record's header says that it is unknown).
    """
    named = ome_axes(axes)
    if named is None:
        return None
    described: list[JsonValue] = []
    for own, name in zip(axes, named, strict=True):
        axis: dict[str, JsonValue] = {"name": name, "type": _TYPES[name]}
        unit_name = _UNITS.get(unit.get(own, ""))
        if unit_name in _KINDS.get(_TYPES[own], ()):
            axis["unit"] = unit_name
        described.append(axis)
    return _document(described, [scale.get(axis, 1.0) for axis in axes])


def written_ome(ome: Any) -> dict[str, JsonValue]:
    """What `ome_attributes` wrote of an attribute to which other programs have added something.

    Raises:
        LookupError, TypeError, ValueError, AttributeError: It is not made of such an attribute.
    """
    multiscale = ome["multiscales"][0]
    (ours,) = (item for item in multiscale["datasets"] if item["path"] == _PIXELS)
    axes: list[JsonValue] = [
        {name: axis[name] for name in ("name", "type", "unit") if name in axis}
        for axis in multiscale["axes"]
    ]
    return _document(axes, ours["coordinateTransformations"][0]["scale"])


def _document(axes: list[JsonValue], scale: list[JsonValue]) -> dict[str, JsonValue]:
    transformations: list[JsonValue] = [{"type": "scale", "scale": scale}]
    dataset: JsonValue = {"path": _PIXELS, "coordinateTransformations": transformations}
    return {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [dataset]}]}
