"""Regions of interest: create, edit, delete, clamp; nothing outside the image gets in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow.core.errors import RoiError, UnknownKeyError
from kymflow.core.metadata import (
    ImageExtent,
    Roi,
    RoiChange,
    check_roi,
    clamp_roi,
    create_roi,
    delete_roi,
    edit_roi,
    find_roi,
    image_extent,
)
from kymflow_zarr import ZarrDataset

EXTENT = ImageExtent(dim0=100, dim1=20, channels=2, slices=3)
ROIS = create_roi(create_roi((), EXTENT), EXTENT, RoiChange(name="left", dim1_stop=10))


def test_a_new_roi_is_the_whole_image() -> None:
    (roi,) = create_roi((), EXTENT)

    assert roi == Roi(id=1, dim0_start=0, dim0_stop=100, dim1_start=0, dim1_stop=20)


def test_ids_are_unique_after_deletions() -> None:
    left = delete_roi(ROIS, 1)

    assert [roi.id for roi in create_roi(left, EXTENT)] == [2, 3]


def test_an_edit_stays_in_its_place_and_counts() -> None:
    first, second = edit_roi(ROIS, 1, EXTENT, RoiChange(note="noisy", channel=2, z=2))

    assert (first.note, first.channel, first.z, first.revision) == ("noisy", 2, 2, 1)
    assert second == ROIS[1]


def test_an_edit_that_changes_nothing_does_not_count() -> None:
    assert edit_roi(ROIS, 2, EXTENT, RoiChange(name="left")) == ROIS


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (RoiChange(dim0_start=-1), "dim0_start"),
        (RoiChange(dim0_start=100), "dim0_start"),
        (RoiChange(dim0_stop=101), "dim0_stop"),
        (RoiChange(dim0_start=50, dim0_stop=50), "dim0_stop"),
        (RoiChange(dim1_start=9, dim1_stop=3), "dim1_stop"),
        (RoiChange(channel=0), "channel"),
        (RoiChange(channel=3), "channel"),
        (RoiChange(z=3), "z"),
        (RoiChange(z=-1), "z"),
    ],
)
@pytest.mark.parametrize(
    "act",
    [
        lambda change: create_roi((), EXTENT, change),
        lambda change: edit_roi(ROIS, 1, EXTENT, change),
    ],
    ids=["create", "edit"],
)
def test_what_does_not_fit_is_refused(
    act: Callable[[RoiChange], object], change: RoiChange, field: str
) -> None:
    with pytest.raises(RoiError, match="the region must") as caught:
        act(change)

    assert caught.value.field == field


@pytest.mark.parametrize(
    "act",
    [
        lambda: find_roi(ROIS, 9),
        lambda: delete_roi(ROIS, 9),
        lambda: edit_roi(ROIS, 9, EXTENT, RoiChange()),
    ],
    ids=["find", "delete", "edit"],
)
def test_unknown_ids_list_the_known(act: Callable[[], object]) -> None:
    with pytest.raises(UnknownKeyError, match="choose from: 1, 2"):
        act()


@given(*[st.integers(-30, 130)] * 4)
def test_clamping_gives_the_part_inside(top: int, bottom: int, left: int, right: int) -> None:
    roi = Roi(id=1, dim0_start=top, dim0_stop=bottom, dim1_start=left, dim1_stop=right)
    inside = {
        (line, pixel)
        for line in range(max(top, 0), min(bottom, EXTENT.dim0))
        for pixel in range(max(left, 0), min(right, EXTENT.dim1))
    }

    if not inside:
        with pytest.raises(RoiError):
            clamp_roi(roi, EXTENT)
        return
    clamped = clamp_roi(roi, EXTENT)
    check_roi(clamped, EXTENT)
    assert (clamped.dim0_start, clamped.dim1_start) == min(inside)
    assert (clamped.dim0_stop - 1, clamped.dim1_stop - 1) == max(inside)
    assert (clamped == roi) == (clamped.revision == roi.revision)


def test_the_extent_of_a_stack_with_channels(empty: ZarrDataset) -> None:
    rec = empty.add_image(np.zeros((2, 5, 30, 7), np.uint8), axes=("c", "z", "y", "x"))

    assert image_extent(rec) == ImageExtent(dim0=30, dim1=7, channels=2, slices=5)
