"""Rectangular regions of interest (ROIs), and what may be done to a list of them.

All functions are pure: they return new values, and `save_metadata` writes them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from kymflow.core.errors import RoiError, UnknownKeyError
from kymflow.core.metadata.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kymflow_zarr import JsonValue, ZarrImageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageExtent:
    """How far an image reaches.

    Attributes:
        dim0: Lines of a kymograph (time), rows of a picture.
        dim1: Pixels along a line (space).
        channels: How many channels; they count from 1.
        slices: How many slices; they count from 0.
    """

    dim0: int
    dim1: int
    channels: int = 1
    slices: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Roi:
    """A rectangle in one channel and slice: ``dim0_start <= line < dim0_stop``, likewise pixels.

    Attributes:
        id: Unique in its image.
        name: What people call it.
        note: What they say of it.
        revision: How often it was edited.
        channel: The channel, from 1.
        z: The slice, from 0.
        dim0_start: First line (time).
        dim0_stop: One past the last line.
        dim1_start: First pixel along the line (space).
        dim1_stop: One past the last pixel.
        extra: All other fields, as they are.
    """

    id: int
    name: str = ""
    note: str = ""
    revision: int = 0
    channel: int = 1
    z: int = 0
    dim0_start: int
    dim0_stop: int
    dim1_start: int
    dim1_stop: int
    extra: Mapping[str, JsonValue] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: JsonValue, *, where: str = "roi") -> Roi:
        """Read a ROI; all but its id and its sides may be absent.

        Raises:
            MetadataError: A field is malformed, or a needed one is absent.
        """
        fields = Fields(value, where)

        def needed(name: str) -> int:
            number = fields.integer(name)
            if number is None:
                raise fields.malformed(name, "is missing")
            return number

        channel, z = fields.integer("channel"), fields.integer("z")
        return cls(
            id=needed("id"),
            name=fields.text("name") or "",
            note=fields.text("note") or "",
            revision=fields.integer("revision", least=0) or 0,
            channel=1 if channel is None else channel,
            z=0 if z is None else z,
            dim0_start=needed("dim0_start"),
            dim0_stop=needed("dim0_stop"),
            dim1_start=needed("dim1_start"),
            dim1_stop=needed("dim1_stop"),
            extra=fields.rest(),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """The ROI as JSON."""
        said = asdict(self)
        extra = said.pop("extra")
        return {**said, **extra}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiChange:
    """New values for some fields of a ROI; None leaves a field as it is."""

    name: str | None = None
    note: str | None = None
    channel: int | None = None
    z: int | None = None
    dim0_start: int | None = None
    dim0_stop: int | None = None
    dim1_start: int | None = None
    dim1_stop: int | None = None


def image_extent(rec: ZarrImageRecord) -> ImageExtent:
    """How far an image reaches: its last two axes that are neither channel nor slice."""
    lengths = dict(zip(rec.get_axes(), rec.shape, strict=True))
    bounds = rec.get_image_bounds()
    return ImageExtent(
        dim0=bounds["height"],
        dim1=bounds["width"],
        channels=lengths.get("c", 1),
        slices=bounds["num_slices"],
    )


def picture_axes(rec: ZarrImageRecord) -> list[str]:
    """The axes that are neither channel nor slice: those of a kymograph are lines and pixels."""
    return [axis for axis in rec.get_axes() if axis not in {"c", "z"}]


def check_roi(roi: Roi, extent: ImageExtent) -> None:
    """Refuse a ROI that is empty, or not wholly inside its image.

    Raises:
        RoiError: It names the field.
    """
    sides = (
        ("dim0", "line", roi.dim0_start, roi.dim0_stop, extent.dim0),
        ("dim1", "pixel", roi.dim1_start, roi.dim1_stop, extent.dim1),
    )
    for side, unit, start, stop, length in sides:
        if not 0 <= start < length:
            raise RoiError(f"{side}_start", f"begin at {unit} 0 to {length - 1}, not {start}")
        if not start < stop <= length:
            stops = f"{start + 1} to {length}" if start + 1 < length else f"{length}"
            raise RoiError(
                f"{side}_stop", f"end at {unit} {stops}, one past its last, not at {stop}"
            )
    if not 1 <= roi.channel <= extent.channels:
        raise RoiError("channel", f"be in a channel from 1 to {extent.channels}, not {roi.channel}")
    if not 0 <= roi.z < extent.slices:
        raise RoiError("z", f"be in a slice from 0 to {extent.slices - 1}, not {roi.z}")


def clamp_roi(roi: Roi, extent: ImageExtent) -> Roi:
    """The part of a ROI that lies in the image; the same ROI if all of it does.

    Raises:
        RoiError: No part of it does, or its channel or slice does not exist.
    """
    clamped = replace(
        roi,
        dim0_start=max(roi.dim0_start, 0),
        dim0_stop=min(roi.dim0_stop, extent.dim0),
        dim1_start=max(roi.dim1_start, 0),
        dim1_stop=min(roi.dim1_stop, extent.dim1),
    )
    check_roi(clamped, extent)
    return roi if clamped == roi else replace(clamped, revision=roi.revision + 1)


def find_roi(rois: Sequence[Roi], roi_id: int) -> Roi:
    """The ROI with an id.

    Raises:
        UnknownKeyError: There is none.
    """
    for roi in rois:
        if roi.id == roi_id:
            return roi
    raise UnknownKeyError("ROI", roi_id, (roi.id for roi in rois))


def create_roi(
    rois: Sequence[Roi],
    extent: ImageExtent,
    change: RoiChange | None = None,
    *,
    last_id: int = 0,
) -> tuple[Roi, ...]:
    """Add a ROI, last in the list, with an id that no other has or had.

    Args:
        rois: The ROIs there are.
        extent: Their image.
        change: Where the new ROI differs from the whole of channel 1, slice 0.
        last_id: `ImageMetadata.last_roi_id`, which counts ROIs that were deleted.

    Raises:
        RoiError: It does not fit the image.
    """
    whole = Roi(
        id=max([last_id, *(roi.id for roi in rois)]) + 1,
        dim0_start=0,
        dim0_stop=extent.dim0,
        dim1_start=0,
        dim1_stop=extent.dim1,
    )
    new = _changed(whole, change or RoiChange())
    check_roi(new, extent)
    return (*rois, new)


def edit_roi(
    rois: Sequence[Roi], roi_id: int, extent: ImageExtent, change: RoiChange
) -> tuple[Roi, ...]:
    """Change a ROI in its place; its revision goes up by one, unless nothing changes.

    Raises:
        UnknownKeyError: There is none with this id.
        RoiError: It would not fit the image.
    """
    old = find_roi(rois, roi_id)
    new = _changed(old, change)
    if new == old:
        return tuple(rois)
    check_roi(new, extent)
    new = replace(new, revision=old.revision + 1)
    return tuple(new if roi.id == roi_id else roi for roi in rois)


def delete_roi(rois: Sequence[Roi], roi_id: int) -> tuple[Roi, ...]:
    """Remove a ROI; its id is not given again.

    Raises:
        UnknownKeyError: There is none with this id.
    """
    find_roi(rois, roi_id)
    return tuple(roi for roi in rois if roi.id != roi_id)


def _changed(roi: Roi, change: RoiChange) -> Roi:
    return replace(roi, **{name: new for name, new in asdict(change).items() if new is not None})
