"""Regions: the borders of a vessel are enough."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kymflow.core.analysis.regions import calibration_of
from kymflow.core.decisions.ledger import add_act, exclusive
from kymflow.core.errors import DecisionError
from kymflow.core.metadata import (
    Roi,
    RoiChange,
    create_roi,
    delete_roi,
    edit_roi,
    find_roi,
    image_extent,
    load_metadata,
)

if TYPE_CHECKING:
    from kymflow_zarr import ZarrImageRecord


@exclusive
def add_region(
    record: ZarrImageRecord,
    *,
    pixels: tuple[int, int] | None = None,
    um: tuple[float, float] | None = None,
    lines: tuple[int, int] | None = None,
    channel: int = 1,
    z: int = 0,
    name: str = "",
    author: str | None = None,
    step: str | None = None,
) -> Roi:
    """Add a region. Nothing happens if there is one with these borders and this name already.

    Args:
        record: The image, writable.
        pixels: First pixel along the line, and one past the last; all if neither this nor `um`.
        um: The same in µm from the beginning of the line, rounded to whole pixels.
        lines: First line, and one past the last; all if None.
        channel: The channel, from 1.
        z: The slice, from 0.
        name: What people call it.
        author: Who decides; the login name if None.
        step: What this is undone together with; nothing else if None.

    Returns:
        The region, with an id that no other of this image has or had.

    Raises:
        DecisionError: Borders are given twice, or in µm that the image does not have, or for an
            image of unknown pixel size.
        RoiError: It does not fit the image.
        MetadataError: The metadata of the image are malformed.
    """
    metadata = load_metadata(record)
    borders = borders_in_pixels(record, pixels=pixels, um=um)
    change = RoiChange(
        name=name,
        channel=channel,
        z=z,
        dim0_start=None if lines is None else lines[0],
        dim0_stop=None if lines is None else lines[1],
        dim1_start=None if borders is None else borders[0],
        dim1_stop=None if borders is None else borders[1],
    )
    extent = image_extent(record)
    rois = create_roi(metadata.rois, extent, change, last_id=metadata.last_roi_id)
    new = rois[-1]
    for roi in metadata.rois:
        if _without_identity(roi) == _without_identity(new):
            return roi
    changed = replace(metadata, rois=rois, last_roi_id=new.id)
    add_act(record, "add_region", {"roi_id": new.id}, author=author, step=step, metadata=changed)
    return new


def borders_in_pixels(
    record: ZarrImageRecord,
    *,
    pixels: tuple[int, int] | None,
    um: tuple[float, float] | None,
) -> tuple[int, int] | None:
    """Borders along the line in whole pixels; None if none are given.

    Args:
        record: The image.
        pixels: First pixel, and one past the last.
        um: The same in µm from the beginning of the line.

    Raises:
        DecisionError: Both are given, or the pixel size is unknown, or the image has no such µm.
        MetadataError: The metadata of the image are malformed.
    """
    if um is None:
        return pixels
    if pixels is not None:
        raise DecisionError(
            record.image_id, "borders are given in pixels and in µm; give one of them"
        )
    size = calibration_of(record, load_metadata(record)).um_per_pixel
    if size is None:
        raise DecisionError(
            record.image_id,
            "its pixel size is unknown; calibrate it first, or give borders in pixels",
        )
    first, stop = (round(border / size) for border in um)
    length = image_extent(record).dim1
    if not 0 <= first < stop <= length:
        raise DecisionError(
            record.image_id,
            f"the region cannot reach from {um[0]:g} to {um[1]:g} µm; give two places from 0 to "
            f"{length * size:g} µm, the smaller one first, and {size:g} µm apart or more",
        )
    return first, stop


@exclusive
def change_region(
    record: ZarrImageRecord,
    roi_id: int,
    change: RoiChange,
    *,
    author: str | None = None,
    step: str | None = None,
) -> Roi:
    """Change the borders or the name of a region; arguments as for `add_region`.

    Raises:
        UnknownKeyError: There is none with this id.
        RoiError: It would not fit the image.
    """
    metadata = load_metadata(record)
    rois = edit_roi(metadata.rois, roi_id, image_extent(record), change)
    if rois != metadata.rois:
        changed = replace(metadata, rois=rois)
        details = {"roi_id": roi_id}
        add_act(record, "change_region", details, author=author, step=step, metadata=changed)
    return find_roi(rois, roi_id)


@exclusive
def remove_region(
    record: ZarrImageRecord, roi_id: int, *, author: str | None = None, step: str | None = None
) -> None:
    """Remove a region. Its id is never used again.

    Raises:
        UnknownKeyError: There is none with this id.
    """
    metadata = load_metadata(record)
    changed = replace(metadata, rois=delete_roi(metadata.rois, roi_id))
    details = {"roi_id": roi_id}
    add_act(record, "remove_region", details, author=author, step=step, metadata=changed)


def _without_identity(roi: Roi) -> Roi:
    """A region without what tells it from another one with the same borders and name."""
    return replace(roi, id=0, revision=0, note="", extra={})
