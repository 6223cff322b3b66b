"""Bring together what all sources say about one image: its header.

Sources rank as follows; for each value the first that has it counts, named in `Header.sources`::

    user          what the caller states
    vendor_text   the microscope's text file beside the image
    vendor_tiff   the microscope's own tags (FluoView, ScanImage, Zeiss LSM)
    sidecar       the header of a metadata payload beside the image
    ome           OME-XML
    imagej        an ImageJ description
    tiff          axes named by tifffile's own metadata
    default       axes that follow from the number of dimensions

Where two sources give steps that differ by more than 0.1 %, or acquisition times more than two
seconds apart, the header holds a warning. What no source tells is None: without calibration there
are no physical units, and none are assumed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kymflow_zarr._readers.facts import Channel, Facts, Source
from kymflow_zarr._readers.tiff import TiffImage
from kymflow_zarr._readers.tiff_metadata import TiffMetadata
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, quantity
from kymflow_zarr._readers.vendors.fluoview import read_fluoview
from kymflow_zarr._readers.vendors.imagej import read_imagej
from kymflow_zarr._readers.vendors.olympus_text import is_olympus_text, read_olympus_text
from kymflow_zarr._readers.vendors.ome import read_ome
from kymflow_zarr._readers.vendors.payload import read_payload_header
from kymflow_zarr._readers.vendors.scanimage import read_scanimage
from kymflow_zarr._readers.vendors.zeiss_lsm import read_zeiss_lsm
from kymflow_zarr._storage.json_text import JsonValue

__all__ = ["Header", "HeaderOverrides", "read_header"]

_TOLERANCE: Final = 1e-3
_MAX_KEPT_TEXT: Final = 4_000_000
_CLOCK_TOLERANCE_NS: Final = 2_000_000_000
_AXIS_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_TIFF_AXES_SOURCES: Final[Mapping[str, Source]] = {
    "fluoview": "vendor_tiff",
    "lsm": "vendor_tiff",
    "scanimage": "vendor_tiff",
    "ome": "ome",
    "imagej": "imagej",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderOverrides:
    """What the caller knows better than every file.

    Attributes:
        axes: One name per dimension.
        scale: Distance of two pixels per axis, in the unit that ``unit`` gives.
        unit: Unit per axis of ``scale``; by default seconds for ``t``, micrometres for the others.
        acquired_local_epoch_ns: Wall time of the acquisition, see `clock`.
    """

    axes: tuple[str, ...] | None = None
    scale: Mapping[str, float] = field(default_factory=dict)
    unit: Mapping[str, str] = field(default_factory=dict)
    acquired_local_epoch_ns: int | None = None


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
        vendor_texts: The vendor's texts as read: ``olympus_txt`` or ``text``, ``ome_xml``,
            ``imagej``, ``fluoview``, ``scanimage``. Not part of the JSON.
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
    sources: Mapping[str, Source]
    warnings: tuple[str, ...]
    vendor_texts: Mapping[str, str]

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


def read_header(
    image: TiffImage,
    *,
    vendor_text: str | None = None,
    sidecar_header: Mapping[str, JsonValue] | None = None,
    overrides: HeaderOverrides | None = None,
) -> Header:
    """Read an image's header from everything that is at hand.

    Args:
        image: The open image; only its metadata are used.
        vendor_text: Text of the vendor's file beside it, decoded.
        sidecar_header: The ``header`` of a metadata payload beside it.
        overrides: What the caller states.

    Returns:
        The header.

    Raises:
        ValueError: The overrides do not fit the image.
    """
    stated = _stated(overrides or HeaderOverrides(), image)
    facts = _gather(image, vendor_text, sidecar_header, stated)
    sources: dict[str, Source] = {}
    warnings = [warning for source in facts for warning in source.warnings]
    warnings += _unread(image.metadata)
    texts = _kept_texts(image.metadata, vendor_text, warnings)
    axes = _axes(image, facts, sources, warnings)
    scale, unit = _steps(axes, facts, sources, warnings)
    acquired = _acquired(facts, sources, warnings)
    bits: int | None = None
    channels: tuple[Channel, ...] = ()
    vendor: dict[str, JsonValue] = {}
    for source in facts:
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
    return Header(
        shape=image.shape,
        dtype=image.dtype.name,
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
    )


def _stated(overrides: HeaderOverrides, image: TiffImage) -> Facts:
    """Check the caller's statements and make them a source like the others."""
    axes = overrides.axes or ()
    if overrides.axes is not None:
        if len(axes) != len(image.shape) or len(set(axes)) != len(axes):
            raise ValueError(
                f"axes {axes!r} do not name the {len(image.shape)} dimensions of the image; "
                "give one unique name per dimension"
            )
        for name in axes:
            if not _AXIS_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not an axis name; use lower-case letters, like 't'")
    steps: dict[str, Quantity] = {}
    for axis, value in overrides.scale.items():
        unit = overrides.unit.get(axis, TIME if axis == "t" else LENGTH)
        step = quantity(value, unit)
        if step is None:
            raise ValueError(
                f"{value!r} {unit!r} is no distance of pixels along {axis!r}; "
                "give a positive number and a unit of length or time"
            )
        steps[axis] = step
    return Facts(
        source="user",
        axes=axes,
        steps=steps,
        acquired_local_epoch_ns=overrides.acquired_local_epoch_ns,
    )


def _gather(
    image: TiffImage,
    vendor_text: str | None,
    sidecar_header: Mapping[str, JsonValue] | None,
    stated: Facts,
) -> list[Facts]:
    """Return what each source says, highest rank first."""
    metadata = image.metadata
    candidates = [
        stated,
        None if vendor_text is None else _read_vendor_text(vendor_text),
        read_fluoview(metadata),
        read_scanimage(metadata),
        read_zeiss_lsm(metadata),
        None if sidecar_header is None else read_payload_header(sidecar_header, shape=image.shape),
        read_ome(metadata),
        read_imagej(metadata),
    ]
    return [facts for facts in candidates if facts is not None]


def _read_vendor_text(text: str) -> Facts:
    if is_olympus_text(text):
        return read_olympus_text(text)
    return Facts(
        source="vendor_text",
        warnings=("the text beside the image is no vendor header that is known",),
    )


def _unread(metadata: TiffMetadata) -> list[str]:
    """Return what was left out while the TIFF was read."""
    if metadata.series_count == 1:
        return []
    return [f"the file holds {metadata.series_count} series of images; only the first is read"]


def _axes(
    image: TiffImage, facts: Sequence[Facts], sources: dict[str, Source], warnings: list[str]
) -> tuple[str, ...]:
    """Choose the axes: stated, else the TIFF's own, of which a line scan's rows are times."""
    by_source = {source.source: source for source in facts}
    stated = by_source["user"].axes
    if stated:
        sources["axes"] = "user"
        return stated
    own: Source = "default"
    if image.metadata.axes_known:
        own = _TIFF_AXES_SOURCES.get(image.metadata.kind, "tiff")
    axes = image.axes
    vendor, sidecar, imagej = (by_source.get(name) for name in ("vendor_text", "sidecar", "imagej"))
    line_scan = None if vendor is None else _line_scan_axes(image, vendor)
    if line_scan is not None:
        axes, own = line_scan, "vendor_text"
    elif own != "vendor_tiff":
        if sidecar is not None and _fits(sidecar.axes, image):
            axes, own = sidecar.axes, "sidecar"
        elif imagej is not None and _fits(imagej.axes, image):
            axes, own = imagej.axes, "imagej"
    sources["axes"] = own
    for axis, count in () if vendor is None else vendor.pixels.items():
        if axis in axes and image.shape[axes.index(axis)] != count:
            warnings.append(
                f"the vendor's text describes {count} pixels along {axis!r}, the image has "
                f"{image.shape[axes.index(axis)]}"
            )
    return axes


def _fits(axes: tuple[str, ...], image: TiffImage) -> bool:
    return (
        len(axes) == len(image.shape)
        and len(set(axes)) == len(axes)
        and all(_AXIS_NAME.fullmatch(name) for name in axes)
    )


def _line_scan_axes(image: TiffImage, vendor: Facts) -> tuple[str, ...] | None:
    """Name the rows of a line scan ``t``, and its pages ``c`` when there is one per channel.

    None when the vendor's text tells no line scan, or the TIFF names its times itself.
    """
    if not vendor.line_scan or "t" in image.axes or "y" not in image.axes:
        return None
    names = ["t" if name == "y" else name for name in image.axes]
    if not image.metadata.axes_known and len(names) == 3 and image.shape[0] == len(vendor.channels):
        names[0] = "c"
    return tuple(names)


def _steps(
    axes: tuple[str, ...],
    facts: Sequence[Facts],
    sources: dict[str, Source],
    warnings: list[str],
) -> tuple[dict[str, float | None], dict[str, str | None]]:
    """Choose each axis' step, and compare it with what every other source says."""
    scale: dict[str, float | None] = {}
    unit: dict[str, str | None] = {}
    for axis in axes:
        found = [(source.source, source.steps[axis]) for source in facts if axis in source.steps]
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
                    f"the step along {axis!r} is {step.value:g} {step.unit} by {name}, "
                    f"{other.value:g} {other.unit} by {other_name}; {name} is used"
                )
    return scale, unit


def _acquired(
    facts: Sequence[Facts], sources: dict[str, Source], warnings: list[str]
) -> int | None:
    found = [
        (source.source, source.acquired_local_epoch_ns)
        for source in facts
        if source.acquired_local_epoch_ns is not None
    ]
    if not found:
        return None
    (name, time_ns), *others = found
    sources["acquired_local_epoch_ns"] = name
    for other_name, other_ns in others:
        if abs(other_ns - time_ns) > _CLOCK_TOLERANCE_NS:
            warnings.append(
                f"the acquisition times of {name} and {other_name} are "
                f"{abs(other_ns - time_ns) / 1e9:g} s apart; {name} is used"
            )
    return time_ns


def _kept_texts(
    metadata: TiffMetadata, vendor_text: str | None, warnings: list[str]
) -> dict[str, str]:
    """Return the vendor's texts under the names that they are kept by, each of bounded length."""
    texts: dict[str, str] = {}
    if vendor_text is not None:
        texts["olympus_txt" if is_olympus_text(vendor_text) else "text"] = vendor_text
    if metadata.ome_xml:
        texts["ome_xml"] = metadata.ome_xml
    elif metadata.imagej:
        texts["imagej"] = metadata.description
    elif metadata.fluoview:
        texts["fluoview"] = f"{metadata.description}\n[PageName]\n{metadata.page_name}"
    elif metadata.kind == "scanimage":
        texts["scanimage"] = f"{metadata.software}\n{metadata.description}"
    for name, text in texts.items():
        if len(text) > _MAX_KEPT_TEXT:
            texts[name] = text[:_MAX_KEPT_TEXT]
            warnings.append(
                f"of the {len(text)} characters of the text {name!r}, the first "
                f"{_MAX_KEPT_TEXT} are kept"
            )
    return texts
