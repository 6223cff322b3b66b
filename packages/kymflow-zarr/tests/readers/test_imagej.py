"""What Fiji and ImageJ write: units by every name, pictures whose height is time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from kymflow_zarr._readers.facts import Facts
from kymflow_zarr._readers.header import Header, merge_facts, stated_facts
from kymflow_zarr._readers.image_file import open_image
from kymflow_zarr._readers.tiff_reader import TiffReader

Ramp = npt.NDArray[np.uint16]
Read = Callable[..., Header]


@pytest.fixture
def read(write: Callable[..., Path], ramp: Ramp) -> Read:
    """Write a picture with an ImageJ description, and read its header."""

    def read(
        *lines: str,
        resolution: tuple[float, float] = (1 / 0.331, 1 / 0.331),
        data: npt.NDArray[np.uint16] = ramp,
        encoding: str = "utf-8",
        stated: Facts | None = None,
    ) -> Header:
        path = write(
            data,
            description="\n".join(("ImageJ=1.54f", *lines, "")).encode(encoding),
            metadata=None,
            photometric="minisblack",
            resolution=resolution,
            resolutionunit=1,
        )
        with open_image(path, TiffReader()) as image:
            facts = image.facts if stated is None else (stated, *image.facts)
            return merge_facts(image.shape, image.dtype, facts)

    return read


@pytest.mark.parametrize(
    ("unit", "per_unit"),
    [("sec", 1 / 0.001134), ("seconds", 1 / 0.001134), ("ms", 1 / 1.134), ("\\u00B5s", 1 / 1134)],
)
def test_a_height_in_a_unit_of_time_makes_a_kymograph(
    read: Read, unit: str, per_unit: float
) -> None:
    header = read("unit=micron", f"yunit={unit}", resolution=(1 / 0.331, per_unit))
    assert header.axes == ("t", "x")
    assert header.scale == pytest.approx({"t": 0.001134, "x": 0.331}, rel=1e-6)
    assert header.sources["axes"] == header.sources["scale.t"] == "imagej"
    assert header.warnings == ()


def test_so_does_a_width_for_time_across(read: Read, ramp: Ramp) -> None:
    header = read("unit=sec", "yunit=um", data=ramp.T.copy(), resolution=(1 / 0.001134, 1 / 0.331))
    assert header.axes == ("x", "t")
    assert header.scale == pytest.approx({"x": 0.331, "t": 0.001134}, rel=1e-6)


def test_channels_of_such_a_picture(read: Read, ramp: Ramp) -> None:
    header = read(
        "images=2",
        "channels=2",
        "unit=um",
        "yunit=ms",
        data=np.stack([ramp, ramp]),
        resolution=(1 / 0.331, 1 / 1.134),
    )
    assert header.axes == ("c", "t", "x")


@pytest.mark.parametrize(
    ("lines", "data"),
    [
        (("unit=sec",), np.zeros((9, 8), np.uint16)),
        (("images=4", "frames=4", "unit=um", "yunit=sec"), np.zeros((4, 9, 8), np.uint16)),
    ],
    ids=["both", "frames"],
)
def test_times_that_make_no_sense_are_warnings(
    read: Read, lines: tuple[str, ...], data: npt.NDArray[np.uint16]
) -> None:
    header = read(*lines, data=data)
    assert header.axes[-2:] == ("y", "x")
    assert header.scale["x"] == (None if data.ndim == 2 else pytest.approx(0.331))
    assert "in units of time" in header.warnings[0]


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (("finterval=0.5",), 0.5),
        (("finterval=0,5",), 0.5),
        (("finterval=2.5", "tunit=msec"), 0.0025),
        (("finterval=2.5", "tunit=minutes"), 150),
        (("finterval=2.5", "tunit=hr"), 9000),
        (("finterval=250", "tunit=\\u00B5s"), 2.5e-4),
        (("finterval=0",), None),
        (("fps=7",), None),
    ],
)
def test_frame_intervals(read: Read, lines: tuple[str, ...], seconds: float | None) -> None:
    header = read("images=4", "frames=4", *lines, data=np.zeros((4, 9, 8), np.uint16))
    assert header.scale["t"] == seconds
    assert header.warnings == ()


@pytest.mark.parametrize("lines", [("finterval=2.5", "tunit=frame"), ("finterval=1,134",)])
def test_an_interval_that_cannot_be_read_is_a_warning(read: Read, lines: tuple[str, ...]) -> None:
    header = read("images=4", "frames=4", *lines, data=np.zeros((4, 9, 8), np.uint16))
    assert header.scale["t"] is None
    assert "ImageJ's frame interval" in header.warnings[0]


def test_a_stack_that_goes_down(read: Read, ramp: Ramp) -> None:
    header = read("images=2", "slices=2", "unit=um", "spacing=-2.5", data=np.stack([ramp, ramp]))
    assert header.scale["z"] == 2.5
    assert header.warnings == ()


def test_values_that_imagej_shifts_are_kept_as_stored_with_a_warning(read: Read) -> None:
    header = read("cf=0", "c0=-32768.0", "c1=1.0", "vunit=Gray Value", "unit=um")
    assert ["c0=-32768.0" in warning for warning in header.warnings] == [True]


def test_an_interval_without_an_axis_of_time_is_a_warning(read: Read) -> None:
    header = read("images=4", "slices=4", "finterval=0.5", data=np.zeros((4, 9, 8), np.uint16))
    assert header.axes == ("z", "y", "x")
    assert "none of the image's axes is a time" in header.warnings[0]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
@pytest.mark.parametrize("unit", ["\u00b5m", "\\u00B5m", "micrometer", "um"])
def test_micrometres(read: Read, unit: str, encoding: str) -> None:
    header = read(f"unit={unit}", encoding=encoding)
    assert header.scale == pytest.approx({"y": 0.331, "x": 0.331})
    assert header.warnings == ()


def test_a_micro_sign_that_was_misread(read: Read) -> None:
    assert read("unit=\u00c2\u00b5m").scale["x"] == pytest.approx(0.331)


def test_a_unit_that_is_none_is_a_warning(read: Read) -> None:
    header = read("unit=furlong")
    assert header.scale == {"y": None, "x": None}
    assert "size along 'x', '0.331' 'furlong', cannot be interpreted" in " ".join(header.warnings)


def test_one_micrometre_by_fiji_alone_is_doubtful(read: Read) -> None:
    header = read("unit=\\u00B5m", resolution=(1, 1))
    assert header.scale == {"y": 1.0, "x": 1.0}
    assert "exactly 1 um according to ImageJ alone" in header.warnings[0]
    stated = stated_facts(2, scale={"x": 1.0, "y": 1.0})
    assert read("unit=\\u00B5m", resolution=(1, 1), stated=stated).warnings == ()


@pytest.mark.parametrize(("unit", "um"), [("mm", 331), ("nm", 0.000331), ("meter", 331000)])
def test_pixels_that_no_microscope_has_are_doubtful(read: Read, unit: str, um: float) -> None:
    header = read(f"unit={unit}")
    assert header.scale["x"] == pytest.approx(um)
    assert "out of a microscope's range (0.01 to 50 um)" in header.warnings[0]


@pytest.mark.parametrize(("ms", "doubtful"), [("0.005", True), ("0.02", False), ("2000", True)])
def test_line_periods_that_no_microscope_has_are_doubtful(
    read: Read, ms: str, doubtful: bool
) -> None:
    header = read("unit=um", "kymflow_axes=t,x", f"finterval={ms}", "tunit=ms")
    assert bool(header.warnings) is doubtful
    assert all("line period" in warning for warning in header.warnings)


@pytest.mark.parametrize(("ms", "doubtful"), [("0.005", True), ("60000", False)])
def test_frames_take_their_time_but_some(read: Read, ramp: Ramp, ms: str, doubtful: bool) -> None:
    movie = np.stack([ramp, ramp])
    header = read("images=2", "frames=2", "unit=um", f"finterval={ms}", "tunit=ms", data=movie)
    assert header.axes == ("t", "y", "x")
    assert ["time between frames" in warning for warning in header.warnings] == [True] * doubtful
