"""The metadata payload that labs keep beside an image, as ``<stem>.json``.

Its ``header`` is known in two forms. Ours names axes, steps and units (``axes``, ``scale``,
``unit``). That of labs is a list per dimension (``voxels``, ``voxels_units``, ``labels``); its line
period was divided from a rounded duration (0.0011339666 s for 0.001134 s), so the vendor's own
header and tags rank above. A dimension whose unit is a time is named ``t``.

``<stem>.metadata.json``, which the prototype of this package wrote, is read where there is no
``<stem>.json``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from kymflow_zarr._readers.axes import default_axes
from kymflow_zarr._readers.facts import Facts, Rank
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import FolderListing
from kymflow_zarr._readers.settings import BIT_DEPTHS, known
from kymflow_zarr._readers.statements import Statements
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, kind_of
from kymflow_zarr._storage.json_text import MAX_BYTES, JsonValue, loads
from kymflow_zarr.errors import CorruptDataError, UnreadableImageError

_TIMES_NS: Final = range(1 - 2**63, 2**63)  # what tables and TIFFs keep
PAYLOAD_SUFFIXES = (".json", ".metadata.json")


class PayloadHeader:
    """Reads the metadata payload beside an image. See `kymflow_zarr.readers.HeaderReader`."""

    name = "payload"
    suffixes = PAYLOAD_SUFFIXES

    def find(self, path: Path, listing: FolderListing) -> Path | None:
        """The payload beside an image."""
        places = (listing.beside(path, suffix) for suffix in PAYLOAD_SUFFIXES)
        return next((place for place in places if place is not None), None)

    def read(
        self, path: Path, listing: FolderListing, *, shape: tuple[int, ...], limits: ReadLimits
    ) -> Facts | None:
        """What the payload's header says, and the payload itself."""
        found = self.find(path, listing)
        if found is None:
            return None
        data = listing.read_bytes(found, max_bytes=MAX_BYTES)
        try:
            payload = loads(data, key=found.name)
        except CorruptDataError as error:
            raise UnreadableImageError(found, f"{error.reason}; correct or remove it") from error
        if not isinstance(payload, dict):
            raise UnreadableImageError(
                found, "the metadata payload is not a JSON object; correct or remove it"
            )
        facts = read_payload_header(payload.get("header"), shape=shape)
        return replace(facts, metadata=payload)


def read_payload_header(header: JsonValue, *, shape: tuple[int, ...]) -> Facts:
    """What a metadata payload's ``header`` says about an image of this shape.

    Only a warning if it is not an object, or describes another shape.
    """
    if not isinstance(header, dict):
        problem = "the metadata payload's header is not an object and is not used"
        return _facts(warnings=() if header is None else (problem,))
    declared = header.get("shape")
    if isinstance(declared, list) and tuple(declared) != shape:
        return _facts(
            warnings=(
                f"the metadata payload describes an image of shape {declared}, not {list(shape)}, "
                "and is not used for calibration",
            ),
        )
    if "voxels" in header:
        return _lab_header(header, ndim=len(shape))
    stated = Statements(source="the metadata payload's")
    scale, unit = header.get("scale", {}), header.get("unit", {})
    if not isinstance(scale, dict) or not isinstance(unit, dict):
        stated.warnings.append(
            "the metadata payload's scale and unit are not objects with a value per axis"
        )
        scale = unit = {}
    steps = {
        name: _step(value, unit.get(name), _expected_kind(name, unit.get(name)), name, stated)
        for name, value in scale.items()
    }
    axes = _texts(header.get("axes"))
    acquired = _int_in(_TIMES_NS, header.get("acquired_local_epoch_ns"))
    bits = _int_in(BIT_DEPTHS, header.get("bits_per_pixel"))
    used = {"axes": axes, "acquired_local_epoch_ns": acquired, "bits_per_pixel": bits}
    stated.warnings.extend(
        f"the metadata payload's entry {name!r} cannot be interpreted and is not used"
        for name, value in used.items()
        if header.get(name) and not value
    )
    return replace(
        _facts(axes=axes, steps=steps, warnings=stated.warnings),
        acquired_local_epoch_ns=acquired,
        bits_per_pixel=bits,
    )


def _facts(
    *,
    axes: tuple[str, ...] = (),
    steps: Mapping[str, Quantity | None] | None = None,
    warnings: Sequence[str] = (),
) -> Facts:
    return Facts(
        source="sidecar",
        rank=Rank.PAYLOAD,
        axes=axes,
        steps=known(steps or {}),
        warnings=tuple(warnings),
    )


def _lab_header(header: Mapping[str, JsonValue], *, ndim: int) -> Facts:
    voxels, units = header.get("voxels"), _texts(header.get("voxels_units"))
    if not isinstance(voxels, list) or len(voxels) != ndim or len(units) != ndim:
        return _facts(warnings=[f"the metadata payload's voxels are not {ndim} numbers with units"])
    axes = tuple(
        "t" if kind_of(unit) == TIME else name
        for name, unit in zip(default_axes(ndim), units, strict=True)
    )
    if len(set(axes)) != ndim:
        return _facts(warnings=["the metadata payload's voxels have several units of time"])
    stated = Statements(source="the metadata payload's")
    steps = {
        axis: _step(value, unit, kind_of(unit) or LENGTH, axis, stated)
        for axis, value, unit in zip(axes, voxels, units, strict=True)
    }
    return _facts(axes=axes, steps=steps, warnings=stated.warnings)


def _int_in(allowed: range, value: JsonValue) -> int | None:
    return value if type(value) is int and value in allowed else None


def _texts(value: JsonValue) -> tuple[str, ...]:
    if not isinstance(value, list):
        return ()
    texts = tuple(item for item in value if isinstance(item, str))
    return texts if len(texts) == len(value) else ()


def _expected_kind(axis: str, unit: JsonValue) -> str:
    """What a step has to be; lines of a kymograph without named axes are along ``y``."""
    if axis == "t" or (axis == "y" and isinstance(unit, str) and kind_of(unit) == TIME):
        return TIME
    return LENGTH


def _step(
    value: JsonValue, unit: JsonValue, kind: str, axis: str, stated: Statements
) -> Quantity | None:
    """A step, or None for null; a warning unless it is a number with a unit of its kind."""
    what = f"step along {axis!r}"
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        if isinstance(unit, str) and unit.strip():
            return stated.quantity(value, unit, of=kind, what=what)
        stated.warnings.append(f"{stated.source} {what}, {value!r}, has no unit and is not used")
    elif value is not None:
        stated.warnings.append(f"{stated.source} {what} is not a number and is not used")
    return None
