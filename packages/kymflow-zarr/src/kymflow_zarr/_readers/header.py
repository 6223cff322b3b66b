"""Bring together what all sources say about one image: its header.

For each value the source of the lowest `Rank` that has it counts, and is named in
`Header.sources`. The built-in sources are::

    user          what the caller states
    kymflow_toml  what a person states for all images of a folder
    vendor_text   the microscope's text file beside the image
    vendor_tiff   the microscope's own tags (FluoView, ScanImage, Zeiss LSM)
    sidecar       the header of a metadata payload beside the image
    ome           OME-XML
    imagej        an ImageJ description
    tiff          axes named by tifffile's own metadata, plain resolution and date
    default       axes that follow from the number of dimensions

Where two sources give steps that differ by more than 0.1 %, or acquisition times more than two
seconds apart, the header holds a warning; so it does where a step is implausible (see
`plausibility`). What no source says is None: without calibration there are no physical units, and
none are assumed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from kymflow_zarr._readers.axes import default_axes
from kymflow_zarr._readers.facts import Channel, Facts, Rank
from kymflow_zarr._readers.plausibility import doubts
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, quantity
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr.errors import UnreadableImageError

_TOLERANCE: Final = 1e-3
_MAX_NAME: Final = 120
_MAX_KEPT_TEXT: Final = 4_000_000
_CLOCK_TOLERANCE_NS: Final = 2_000_000_000
_AXIS_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_NOT_IN_THE_FILE: Final = frozenset({Rank.USER, Rank.HEADER_FILE, Rank.PAYLOAD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is known of an image, and from where.

    Attributes:
        shape: Its shape.
        dtype: Name of its dtype, like ``uint16``.
        axes: One name per dimension.
        scale: Distance of two pixels per axis; None when unknown.
        unit: Unit of ``scale`` per axis, ``"s"`` or ``"um"``; None when the scale is unknown.
        acquired_local_epoch_ns: Wall time of the acquisition, see `clock`; None when unknown.
        bits_per_pixel: Bits that the detector digitises; None when unknown.
        channels: The channels; empty when unknown.
        vendor: Other settings of the microscope under plain names (``zoom``, ``scan_direction``,
            ``dwell_time_us`` …).
        sources: Which source gave a value: keys are ``axes``, ``scale.<axis>``,
            ``acquired_local_epoch_ns``, ``bits_per_pixel``, ``channels`` and ``vendor.<name>``.
        warnings: What is doubtful.
        vendor_texts: The vendor's texts as read, by name (``olympus_txt``, ``ome_xml`` …). Not
            part of the JSON.
        metadata: Further entries of the metadata payload. Not part of the JSON.
        left_out: Headers beside the image that could not be read. Not part of the JSON.
    """

    shape: tuple[int, ...]
    dtype: str
    axes: tuple[str, ...]
    scale: Mapping[str, float | None]
    unit: Mapping[str, str | None]
    acquired_local_epoch_ns: int | None
    bits_per_pixel: int | None
    channels: tuple[Channel, ...]
    vendor: Mapping[str, JsonValue]
    sources: Mapping[str, str]
    warnings: tuple[str, ...]
    vendor_texts: Mapping[str, str]
    metadata: Mapping[str, JsonValue]
    left_out: tuple[UnreadableImageError, ...] = ()

    @property
    def saturation(self) -> int | None:
        """Largest value that the detector can give, 2**bits - 1; None when unknown."""
        return None if self.bits_per_pixel is None else 2**self.bits_per_pixel - 1

    def to_json(self) -> dict[str, JsonValue]:
        """Return the header as a JSON object, unknown values as null."""
        return {
            "shape": list(self.shape),
            "dtype": self.dtype,
            "axes": list(self.axes),
            "scale": dict(self.scale),
            "unit": dict(self.unit),
            "acquired_local_epoch_ns": self.acquired_local_epoch_ns,
            "bits_per_pixel": self.bits_per_pixel,
            "saturation": self.saturation,
            "channels": [channel.to_json() for channel in self.channels],
            "vendor": dict(self.vendor),
            "sources": dict(self.sources),
            "warnings": list(self.warnings),
        }


def merge_facts(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    facts: Sequence[Facts],
) -> Header:
    """Make the header of an image of this shape and type of what all sources say, in any order."""
    ranked = sorted(facts, key=lambda source: source.rank)
    sources: dict[str, str] = {}
    warnings = [
        warning
        for source in ranked
        for warning in (*_elsewhere_warning(source.elsewhere), *source.warnings)
    ]
    texts = _kept_texts(ranked, warnings)
    axes = _axes(shape, ranked, sources, warnings)
    scale, unit = _steps(axes, ranked, sources, warnings)
    acquired = _acquired(ranked, sources, warnings)
    bits: int | None = None
    channels: tuple[Channel, ...] = ()
    vendor: dict[str, JsonValue] = {}
    metadata: dict[str, JsonValue] = {}
    for source in ranked:
        if bits is None and source.bits_per_pixel is not None:
            bits = source.bits_per_pixel
            sources["bits_per_pixel"] = source.source
        if not channels and source.channels:
            channels = source.channels
            sources["channels"] = source.source
        for name, value in source.vendor.items():
            if name not in vendor:
                vendor[name] = value
                sources[f"vendor.{name}"] = source.source
        metadata = {**source.metadata, **metadata}
    warnings += doubts(dict(zip(axes, shape, strict=True)), scale, vendor, ranked)
    return Header(
        shape=shape,
        dtype=dtype.name,
        axes=axes,
        scale=scale,
        unit=unit,
        acquired_local_epoch_ns=acquired,
        bits_per_pixel=bits,
        channels=channels,
        vendor=vendor,
        sources=sources,
        warnings=tuple(warnings),
        vendor_texts=texts,
        metadata=metadata,
    )


def stated_facts(
    ndim: int,
    *,
    axes: tuple[str, ...] | None = None,
    scale: Mapping[str, float] | None = None,
    unit: Mapping[str, str] | None = None,
) -> Facts:
    """What the caller knows better than every file.

    Steps along ``t`` are in seconds, all others in micrometres, unless `unit` says otherwise.

    Raises:
        ValueError: It does not fit an image.
    """
    if axes is not None and (len(axes) != ndim or len(set(axes)) != len(axes)):
        raise ValueError(
            f"axes {axes!r} do not name the {ndim} dimensions of the image; "
            "give one unique name per dimension"
        )
    for name in axes or ():
        if not _AXIS_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not an axis name; use lower-case letters, like 't'")
    steps: dict[str, Quantity] = {}
    for axis, value in (scale or {}).items():
        named: object = (unit or {}).get(axis, TIME if axis == "t" else LENGTH)
        step = quantity(value, named) if isinstance(named, str) else None
        if step is None:
            raise ValueError(
                f"{value!r} {named!r} is not a distance of pixels along {axis!r}; "
                "give a positive number and a unit of length or time"
            )
        steps[axis] = step
    return Facts(source="user", rank=Rank.USER, axes=axes or (), steps=steps)


def _axes(
    shape: tuple[int, ...],
    facts: Sequence[Facts],
    sources: dict[str, str],
    warnings: list[str],
) -> tuple[str, ...]:
    """Choose the axes: the best source's; of a line scan, the rows of the file are times."""
    fitting = [source for source in facts if _fits(source.axes, shape)]
    own = next((source for source in fitting if source.rank not in _NOT_IN_THE_FILE), None)
    if own is None:
        own = Facts(source="default", rank=Rank.DEFAULT, axes=default_axes(len(shape)))
        fitting.append(own)
    is_picture = _is_picture(facts)
    corrected = [
        replace(header, axes=axes)
        for header in facts
        if header.rank <= Rank.HEADER_FILE
        and not (header.rank == Rank.USER and (is_picture or {*own.axes} - {"c"} != {"y", "x"}))
        and (axes := _line_scan_axes(own, header, shape)) is not None
    ]
    best = min([*fitting, *corrected], key=lambda source: source.rank)
    sources["axes"] = best.source
    warnings += [
        f"the axes {', '.join(source.axes)!r} by {source.source} do not fit the shape {shape}"
        for source in facts
        if source.axes and source.rank in _NOT_IN_THE_FILE and source not in fitting
    ]
    lengths = dict(zip(best.axes, shape, strict=True))
    warnings += [
        f"{source.source} describes {count} pixels along {axis!r}, the image has {lengths[axis]}"
        for source in facts
        for axis, count in source.pixels.items()
        if lengths.get(axis, count) != count
    ]
    return best.axes


def _is_picture(facts: Sequence[Facts]) -> bool:
    """Whether the microscope says that rows are places."""
    return any(
        Rank.USER < source.rank <= Rank.IMAGE_FILE and "y" in source.steps and not source.line_scan
        for source in facts
    )


def _fits(axes: tuple[str, ...], shape: tuple[int, ...]) -> bool:
    return (
        len(axes) == len(shape)
        and len(set(axes)) == len(axes)
        and all(_AXIS_NAME.fullmatch(name) for name in axes)
    )


def _line_scan_axes(own: Facts, header: Facts, shape: tuple[int, ...]) -> tuple[str, ...] | None:
    """Name the rows of a line scan ``t``, and its pages ``c`` when there is one per channel.

    None when the header describes no line scan, or the file names its times itself.
    """
    if not header.line_scan or "t" in own.axes or "y" not in own.axes:
        return None
    names = ["t" if name == "y" else name for name in own.axes]
    if own.rank == Rank.DEFAULT and len(names) == 3 and shape[0] == len(header.channels):
        names[0] = "c"
    return tuple(names)


def _steps(
    axes: tuple[str, ...],
    facts: Sequence[Facts],
    sources: dict[str, str],
    warnings: list[str],
) -> tuple[dict[str, float | None], dict[str, str | None]]:
    """Choose each axis' step, and compare it with what every other source says."""
    scale: dict[str, float | None] = {}
    unit: dict[str, str | None] = {}
    for axis in axes:
        found = [
            (source.source, source.steps[axis])
            for source in facts
            if axis in source.steps
            and not (axis == "t" and "y" in axes and source.line_scan)  # no time between frames
        ]
        if not found:
            scale[axis] = unit[axis] = None
            continue
        (name, step), *others = found
        scale[axis], unit[axis] = step.value, step.unit
        sources[f"scale.{axis}"] = name
        for other_name, other in others:
            if other.unit != step.unit or not math.isclose(
                other.value, step.value, rel_tol=_TOLERANCE
            ):
                warnings.append(
                    f"the step along {axis!r} is {step.value:g} {step.unit} according to {name}, "
                    f"{other.value:g} {other.unit} according to {other_name}; {name} is used"
                )
    return scale, unit


def _acquired(facts: Sequence[Facts], sources: dict[str, str], warnings: list[str]) -> int | None:
    found = [
        (source.source, source.acquired_local_epoch_ns, source.rank)
        for source in facts
        if source.acquired_local_epoch_ns is not None
    ]
    if not found:
        return None
    (name, time_ns, rank), *others = found
    sources["acquired_local_epoch_ns"] = name
    if rank >= Rank.GENERIC:
        warnings.append("the time of acquisition is when the file was written, which may be later")
    for other_name, other_ns, other_rank in others:
        is_own = other_rank < Rank.GENERIC  # a file may be written long after its acquisition
        if is_own and abs(other_ns - time_ns) > _CLOCK_TOLERANCE_NS:
            warnings.append(
                f"the acquisition times of {name} and {other_name} are "
                f"{abs(other_ns - time_ns) / 1e9:g} s apart; {name} is used"
            )
    return time_ns


def _elsewhere_warning(elsewhere: Collection[str]) -> tuple[str, ...]:
    if not elsewhere:
        return ()
    names = ", ".join(repr(name[:_MAX_NAME]) for name in sorted(elsewhere)[:3])
    more = f" and {len(elsewhere) - 3} more" if len(elsewhere) > 3 else ""
    return (f"parts of the image are in other files, which are not read here: {names}{more}",)


def _kept_texts(facts: Sequence[Facts], warnings: list[str]) -> dict[str, str]:
    """The vendor's texts under the names that they are kept by, each of bounded length."""
    texts: dict[str, str] = {}
    for source in facts:
        for name, text in source.texts.items():
            if len(text) > _MAX_KEPT_TEXT:
                warnings.append(
                    f"of the {len(text)} characters of the text {name!r}, the first "
                    f"{_MAX_KEPT_TEXT} are kept"
                )
            texts.setdefault(name, text[:_MAX_KEPT_TEXT])
    return texts
