"""Which parts of an image an analysis runs on, and how they are calibrated."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kymflow.core.errors import NotAKymographError, RegionError
from kymflow.core.metadata import (
    ImageExtent,
    ImageMetadata,
    Roi,
    check_roi,
    find_roi,
    image_extent,
    picture_axes,
)
from kymflow.core.provenance import params_hash

if TYPE_CHECKING:
    from kymflow_zarr import JsonValue, ZarrImageRecord

Place: TypeAlias = tuple[int, int | None]
"""Channel and ROI: what tells one region of an image from another, wherever its borders are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A rectangle of one channel of a kymograph.

    Attributes:
        channel: From 1.
        roi_id: The ROI that it is; None for the whole picture of an image without ROIs.
        z: The slice, from 0.
        lines: First line, and the one after the last.
        pixels: First pixel along the line, and the one after the last.
    """

    channel: int
    roi_id: int | None
    z: int
    lines: tuple[int, int]
    pixels: tuple[int, int]

    def __str__(self) -> str:
        roi = "the whole picture" if self.roi_id is None else f"ROI {self.roi_id}"
        return f"channel {self.channel}, {roi}"

    @property
    def place(self) -> Place:
        """Its channel and ROI."""
        return self.channel, self.roi_id

    @property
    def hash(self) -> str:
        """The hash of `geometry`."""
        return params_hash(self.geometry())

    def geometry(self) -> dict[str, JsonValue]:
        """What of it decides a result; the id and name of its ROI do not."""
        return {
            "channel": self.channel,
            "z": self.z,
            "dim0_start": self.lines[0],
            "dim0_stop": self.lines[1],
            "dim1_start": self.pixels[0],
            "dim1_stop": self.pixels[1],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What is known of an image's axes. None stands for unknown, and is never replaced by a guess.

    Attributes:
        seconds_per_line: Line period.
        um_per_pixel: Pixel size along the line.
        dwell_seconds: Time from one pixel to the next while a line is scanned.
    """

    seconds_per_line: float | None = None
    um_per_pixel: float | None = None
    dwell_seconds: float | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """The calibration as JSON."""
        return asdict(self)


_MICROSCOPE_FILES: Final = frozenset(
    {"vendor_tiff", "vendor_text", "prairie_xml", "thor_xml", "micro_manager"}
    | {"czi", "lif", "nd2", "oif", "oir"}
)
"""Sources of a header that tell places from times; programs that copy pictures do not."""

UNCALIBRATED: Final = Calibration()
"""Nothing is known of the axes."""


def regions_of(rec: ZarrImageRecord, metadata: ImageMetadata) -> tuple[Region, ...]:
    """The regions of an image: its ROIs, or each channel's whole picture if it has none.

    Raises:
        NotAKymographError: The image is a picture or a movie.
        RegionError: It has time along its lines.
    """
    extent = image_extent(rec)
    axes = picture_axes(rec)
    reason = _why_no_kymograph(rec, metadata, extent)
    if reason:
        raise NotAKymographError(rec.image_id, reason)
    if axes[1] == "t":
        raise RegionError(
            rec.image_id,
            f"its axes are {rec.get_axes()!r}, time along the lines; transpose it, so that each "
            "line is a moment",
        )
    if metadata.rois:
        return tuple(_roi_region(roi) for roi in metadata.rois)
    return tuple(
        Region(
            channel=channel,
            roi_id=None,
            z=0,
            lines=(0, extent.dim0),
            pixels=(0, extent.dim1),
        )
        for channel in range(1, extent.channels + 1)
    )


def has_line_times(rec: ZarrImageRecord, metadata: ImageMetadata) -> bool:
    """Whether a person or a file says that an image's rows are lines over time."""
    if metadata.rois or "t" in picture_axes(rec):
        return True
    return calibration_of(rec, metadata).seconds_per_line is not None


def _why_no_kymograph(rec: ZarrImageRecord, metadata: ImageMetadata, extent: ImageExtent) -> str:
    """Why the rows of an image are not lines over time; empty if they may be.

    They are where a person says so: by a ROI, or a line period.
    """
    axes = picture_axes(rec)
    if len(axes) != 2:
        return f"its axes are {rec.get_axes()!r}; a kymograph has lines and pixels"
    if extent.slices > 1 and not metadata.rois:
        return f"it has {extent.slices} slices; make a ROI in the one to analyze"
    if has_line_times(rec, metadata):
        return ""
    if rec.get_axes()[-1] == "c":
        found = "it is a picture in colors"
    elif _source_of_step(metadata, axes[0]) in _MICROSCOPE_FILES:
        found = "by the microscope's own file, its rows are positions and not times"
    elif extent.dim0 == extent.dim1:
        found = f"nothing says that its {extent.dim0} rows are lines over time, and it is square"
    else:
        return ""
    return f"{found}; if they are lines over time, give the line period: kymflow calibrate"


def _source_of_step(metadata: ImageMetadata, axis: str) -> JsonValue:
    sources = metadata.header.extra.get("sources")
    return sources.get(f"scale.{axis}") if isinstance(sources, dict) else None


def find_region(
    rec: ZarrImageRecord, metadata: ImageMetadata, *, channel: int = 1, roi_id: int | None = None
) -> Region:
    """The region that a person means.

    Args:
        rec: The image.
        metadata: Its metadata.
        channel: The channel, from 1.
        roi_id: The ROI; not needed where the channel has only one region.

    Raises:
        RegionError: There is none, or several, or the image is not a kymograph.
    """
    regions = regions_of(rec, metadata)
    found = [r for r in regions if r.channel == channel and roi_id in {None, r.roi_id}]
    if len(found) == 1:
        return found[0]
    known = "; ".join(str(region) for region in regions)
    said = f"channel {channel}" + ("" if roi_id is None else f", ROI {roi_id}")
    number = "several regions" if found else "no region"
    raise RegionError(rec.image_id, f"it has {number} in {said}; choose from: {known}")


def region_pixels(
    rec: ZarrImageRecord, metadata: ImageMetadata, pixels: NDArray[Any], region: Region
) -> NDArray[Any]:
    """The pixels of a region.

    Args:
        rec: The image.
        metadata: Its metadata.
        pixels: All its pixels, as `ZarrImageRecord.load_array` returns them.
        region: The region.

    Returns:
        An array of shape ``(time, space)``, a view.

    Raises:
        RoiError: The region is not wholly inside the image.
    """
    if region.roi_id is not None:  # a channel 0 would be the last one, counted from the end
        check_roi(find_roi(metadata.rois, region.roi_id), image_extent(rec))
    where = {"c": region.channel - 1, "z": region.z}
    picture = pixels[tuple(where.get(axis, slice(None)) for axis in rec.get_axes())]
    return picture[slice(*region.lines), slice(*region.pixels)]


def pixels_digest(rec: ZarrImageRecord) -> str:
    """The digest of an image's pixels: ``"sha256:<hex>"``, in C order, little-endian.

    Images of format 1 carry none: theirs is computed from the pixels.
    """
    if rec.pixels_digest:
        return rec.pixels_digest
    pixels = np.ascontiguousarray(rec.load_array())
    data = pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)
    return f"sha256:{hashlib.sha256(data.tobytes()).hexdigest()}"


def calibration_of(rec: ZarrImageRecord, metadata: ImageMetadata) -> Calibration:
    """What the header says of line period, pixel size and dwell time."""
    header = metadata.header
    lines, pixels = picture_axes(rec)[-2:]
    vendor = header.extra.get("vendor")
    dwell_us = vendor.get("dwell_time_us") if isinstance(vendor, dict) else None
    return Calibration(
        seconds_per_line=header.step(lines, "s"),
        um_per_pixel=header.step(pixels, "um"),
        dwell_seconds=_seconds(dwell_us),
    )


def _seconds(microseconds: JsonValue) -> float | None:
    if isinstance(microseconds, int | float) and microseconds > 0:
        return microseconds * 1e-6
    return None


def _roi_region(roi: Roi) -> Region:
    return Region(
        channel=roi.channel,
        roi_id=roi.id,
        z=roi.z,
        lines=(roi.dim0_start, roi.dim0_stop),
        pixels=(roi.dim1_start, roi.dim1_stop),
    )
