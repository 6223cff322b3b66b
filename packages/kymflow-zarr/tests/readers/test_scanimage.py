"""ScanImage's files: lines, frames, slices, volumes and channels by the pages that are there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from kymflow_zarr import UnreadableImageError, ZarrDataset
from kymflow_zarr._readers.clock import local_epoch_ns
from kymflow_zarr._readers.header import Header, merge_facts
from kymflow_zarr._readers.image_file import open_image
from kymflow_zarr._readers.tiff_reader import TiffReader
from kymflow_zarr._readers.vendors.scanimage import scanimage_layout
from kymflow_zarr._readers.vendors.scanimage_settings import scanimage_settings

FRAME = {
    "SI.VERSION_MAJOR": "2022",
    "SI.hChannels.channelName": "{'green' 'red' 'far red' 'Channel 4'}",
    "SI.hChannels.channelSave": "1",
    "SI.hRoiManager.imagingFovUm": "[-40 -45;40 -45;40 45;-40 45]",
    "SI.hRoiManager.linePeriod": "6.3e-05",
    "SI.hRoiManager.linesPerFrame": "9",
    "SI.hRoiManager.pixelsPerLine": "8",
    "SI.hRoiManager.scanAngleMultiplierSlow": "1",
    "SI.hRoiManager.scanFramePeriod": "0.0333",
    "SI.hRoiManager.scanZoomFactor": "2.5",
    "SI.hScan2D.bidirectional": "true",
    "SI.hScan2D.logAverageFactor": "1",
    "SI.hScan2D.scanPixelTimeMean": "8.785e-08",
    "SI.hStackManager.actualNumSlices": "1",
    "SI.hStackManager.framesPerSlice": "4",
    "SI.hStackManager.numSlices": "1",
}
LINE = {
    **FRAME,
    "SI.hRoiManager.imagingFovUm": "[-4 0;4 0;4 0;-4 0]",
    "SI.hRoiManager.linePeriod": "0.001134",
    "SI.hRoiManager.scanAngleMultiplierSlow": "0",
    "SI.hRoiManager.scanFramePeriod": "0.010206",
}
STACK = {
    **FRAME,
    "SI.hStackManager.actualNumSlices": "5",
    "SI.hStackManager.actualStackZStepSize": "1.8",
    "SI.hStackManager.framesPerSlice": "4",
    "SI.hStackManager.numSlices": "5",
    "SI.hStackManager.stackMode": "'slow'",
    "SI.hStackManager.stackZStepSize": "1",
}
EPOCH = "frameNumbers = 1\nframeTimestamps_sec = 0.000000\nepoch = [2022  8  8 16 39  9.19]\n"

Pixels = npt.NDArray[np.int16]
Read = Callable[..., tuple[Header, Pixels]]


def lines_of(settings: dict[str, str], prefix: str = "", end: str = "\n") -> str:
    return "".join(f"{prefix}{key} = {value}{end}" for key, value in settings.items())


def frames(count: int) -> Pixels:
    """Frames of 9 x 8 pixels, no two pixels equal."""
    return np.arange(count * 72, dtype=np.int16).reshape(count, 9, 8) - 300


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write pages as ScanImage does, and read them back."""

    def read(
        pages: Pixels,
        settings: dict[str, str] | None = None,
        *,
        description: str = EPOCH,
        **options: Any,
    ) -> tuple[Header, Pixels]:
        path = tmp_path / "scan.tif"
        with tifffile.TiffWriter(path, bigtiff=True) as writer:
            for page in pages:
                writer.write(
                    page,
                    description=description,
                    software=lines_of(settings) if settings else None,
                    metadata=None,
                    photometric="minisblack",
                    contiguous=False,
                    **options,
                )
        with open_image(path, TiffReader()) as image:
            header = merge_facts(image.shape, image.dtype, image.facts)
            return header, image.read()

    return read


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("hRoiManager.pixelsPerLine", "64", "describes 64 pixels along 'x', the image has 8"),
        ("hRoiManager.linePeriod", "1.134", "9 lines of 1.134 s take longer than a frame"),
        ("hRoiManager.imagingFovUm", "[-4,5 0;4,5 0;4,5 0;-4,5 0]", "is not four corners"),
    ],
)
def test_what_contradicts_itself_is_a_warning(read: Read, key: str, value: str, says: str) -> None:
    header, _ = read(frames(1), {**LINE, f"SI.{key}": value})
    assert any(says in warning for warning in header.warnings), header.warnings


def test_a_frame_of_a_line_scan_is_lines_over_time(read: Read) -> None:
    header, pixels = read(frames(1), LINE)
    assert header.axes == ("t", "x")
    assert header.scale == {"t": 0.001134, "x": 1.0}
    assert header.acquired_local_epoch_ns == local_epoch_ns(
        datetime(2022, 8, 8, 16, 39, 9), nanosecond=190_000_000
    )
    assert header.vendor["scan_mode"] == "line"
    assert header.vendor["dwell_time_us"] == 0.08785
    assert [channel.name for channel in header.channels] == ["green"]
    np.testing.assert_array_equal(pixels, frames(1)[0])


@pytest.mark.parametrize("asked", ["4", "Inf", "1"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_blocks_of_lines_are_joined(read: Read, asked: str, compression: str | None) -> None:
    settings = LINE | {"SI.hStackManager.framesPerSlice": asked}
    header, pixels = read(frames(4), settings, compression=compression)
    assert header.axes == ("t", "x")
    assert header.scale == {"t": 0.001134, "x": 1.0}
    assert header.warnings == ()
    np.testing.assert_array_equal(pixels, frames(4).reshape(36, 8))


@pytest.mark.parametrize("saved", ["[1;3]", "[1 3]", "[1, 3]"])
def test_channels_of_a_line_scan_are_parted(read: Read, saved: str) -> None:
    header, pixels = read(frames(6), LINE | {"SI.hChannels.channelSave": saved})
    assert header.axes == ("c", "t", "x")
    assert [channel.name for channel in header.channels] == ["green", "far red"]
    np.testing.assert_array_equal(pixels[0], frames(6)[0::2].reshape(27, 8))
    np.testing.assert_array_equal(pixels[1], frames(6)[1::2].reshape(27, 8))


@pytest.mark.parametrize(
    "changes",
    [{"SI.hRoiManager.scanFramePeriod": "0.0125"}, {"SI.hScan2D.logAverageFactor": "2"}],
    ids=["pauses", "averages"],
)
def test_blocks_with_lines_missing_between_them_are_kept_apart(
    read: Read, changes: dict[str, str]
) -> None:
    header, pixels = read(frames(4), LINE | changes)
    assert header.axes == ("z", "t", "x")
    assert header.scale == {"z": None, "t": 0.001134, "x": 1.0}
    assert "without a gap" in header.warnings[0]
    np.testing.assert_array_equal(pixels, frames(4))


def test_a_line_that_is_turned_has_its_true_length(read: Read) -> None:
    settings = LINE | {"SI.hRoiManager.imagingFovUm": "[-3 -4;3 4;3 4;-3 -4]"}
    assert read(frames(1), settings)[0].scale["x"] == 1.25


def test_a_movie(read: Read) -> None:
    header, pixels = read(frames(4), FRAME)
    assert header.axes == ("t", "y", "x")
    assert header.scale == {"t": 0.0333, "y": 10.0, "x": 10.0}
    assert header.vendor["line_period_s"] == 6.3e-05
    assert header.warnings == ()
    np.testing.assert_array_equal(pixels, frames(4))


def test_a_single_frame_has_no_time(read: Read) -> None:
    header, _ = read(frames(1), FRAME | {"SI.hStackManager.framesPerSlice": "1"})
    assert header.axes == ("y", "x")
    assert header.scale == {"y": 10.0, "x": 10.0}
    assert header.warnings == ()


def test_a_movie_of_two_channels_and_a_page_too_many(read: Read) -> None:
    header, pixels = read(frames(5), FRAME | {"SI.hChannels.channelSave": "[1;2]"})
    assert header.axes == ("t", "c", "y", "x")
    np.testing.assert_array_equal(pixels, frames(4).reshape(2, 2, 9, 8))
    assert "4 frames were to be recorded, the file holds 2" in header.warnings[0]
    assert "1 pages of its last frame" in header.warnings[1]


def test_a_run_that_was_stopped(read: Read) -> None:
    header, pixels = read(frames(6), FRAME | {"SI.hStackManager.framesPerSlice": "100"})
    assert header.axes == ("t", "y", "x")
    assert pixels.shape == (6, 9, 8)
    assert header.warnings == ("100 frames were to be recorded, the file holds 6",)


def test_a_later_file_of_a_long_run_starts_later(read: Read) -> None:
    description = EPOCH.replace("= 0.000000", "= 12.500000")
    header, _ = read(frames(4), FRAME, description=description)
    assert header.acquired_local_epoch_ns == local_epoch_ns(
        datetime(2022, 8, 8, 16, 39, 21), nanosecond=690_000_000
    )


def test_frames_that_were_averaged(read: Read) -> None:
    header, _ = read(
        frames(6),
        FRAME | {"SI.hStackManager.framesPerSlice": "60", "SI.hScan2D.logAverageFactor": "10"},
    )
    assert header.shape == (6, 9, 8)
    assert header.scale["t"] == 0.333
    assert header.warnings == ()


@pytest.mark.parametrize(
    ("count", "changes", "axes", "shape", "says"),
    [
        (20, {}, ("z", "t"), (5, 4), ""),
        (5, {"SI.hScan2D.logAverageFactor": "4"}, ("z",), (5,), ""),
        (10, {"SI.hScan2D.logAverageFactor": "4"}, ("t", "z"), (2, 5), ""),
        (40, {}, ("t", "z", "frame"), (2, 5, 4), ""),
        (13, {}, ("z", "t"), (3, 4), "5 slices were to be recorded, the file holds 3"),
        (3, {}, ("t",), (3,), "5 slices were to be recorded, the file holds 1"),
        (22, {}, ("z", "t"), (5, 4), "2 frames of an incomplete slice or volume"),
    ],
)
def test_volumes_by_the_number_of_pages(
    read: Read,
    count: int,
    changes: dict[str, str],
    axes: tuple[str, ...],
    shape: tuple[int, ...],
    says: str,
) -> None:
    header, pixels = read(frames(count), STACK | changes)
    assert header.axes == (*axes, "y", "x")
    assert header.shape == (*shape, 9, 8)
    assert says in " / ".join(header.warnings)
    assert bool(says) == bool(header.warnings)
    if "z" in axes:
        assert header.scale["z"] == 1.8
    np.testing.assert_array_equal(pixels.reshape(-1, 9, 8), frames(count)[: np.prod(shape)])


@pytest.mark.parametrize(
    "way_back",
    [
        {"SI.hStackManager.numFramesPerVolumeWithFlyback": "7"},
        {"SI.hFastZ.discardFlybackFrames": "true", "SI.hFastZ.numDiscardFlybackFrames": "2"},
    ],
)
def test_frames_on_the_way_back_of_a_fast_stack_are_left_out(
    read: Read, way_back: dict[str, str]
) -> None:
    fast = STACK | {
        "SI.hStackManager.framesPerSlice": "1",
        "SI.hStackManager.stackMode": "'fast'",
        **way_back,
    }
    header, pixels = read(frames(14), fast)
    assert header.axes == ("t", "z", "y", "x")
    assert header.scale["t"] == pytest.approx(7 * 0.0333)
    np.testing.assert_array_equal(pixels, frames(14).reshape(2, 7, 9, 8)[:, :5])


def test_the_asked_step_serves_where_none_was_driven(read: Read) -> None:
    settings = STACK | {"SI.hStackManager.actualStackZStepSize": "[]"}
    assert read(frames(20), settings)[0].scale["z"] == 1.0


def regions(*fields: dict[str, Any]) -> str:
    rois = [{"scanfields": field} for field in fields]
    return json.dumps({"RoiGroups": {"imagingRoiGroup": {"rois": rois if rois[1:] else rois[0]}}})


FIELD = {"sizeXY": [8.0, 4.5], "pixelResolutionXY": [8, 9], "rotationDegrees": 0}


@pytest.mark.parametrize(
    ("artist", "um", "count"),
    [
        (regions(FIELD), (15.0, 7.5), "1"),
        (regions(FIELD, FIELD | {"centerXY": [2, 2]}), (15.0, 7.5), "2"),
        (regions(FIELD, FIELD | {"sizeXY": [4.0, 4.5]}), None, "2"),
        (regions({"sizeXY": [0, "much"]}), None, "several"),
        ("{", None, "several"),
        ("", None, "several"),
    ],
)
def test_several_regions_may_share_a_pixel_size(
    read: Read, artist: str, um: tuple[float, float] | None, count: str
) -> None:
    settings = FRAME | {"SI.hRoiManager.mroiEnable": "1", "SI.objectiveResolution": "15"}
    tags = [(315, 2, len(artist) + 1, artist, True)]
    header, _ = read(frames(4), settings, extratags=tags)
    across, down = um or (None, None)
    assert header.scale == {"t": 0.0333, "y": down, "x": across}
    assert f"holds {count} regions (mROI)" in header.warnings[0]


def test_settings_in_the_description_as_until_2015(read: Read) -> None:
    description = EPOCH + lines_of(LINE, prefix="scanimage.")
    header, pixels = read(frames(4), description=description)
    assert header.axes == ("t", "x")
    assert header.scale == {"t": 0.001134, "x": 1.0}
    assert header.acquired_local_epoch_ns is not None
    np.testing.assert_array_equal(pixels, frames(4).reshape(36, 8))


def test_settings_of_version_4(read: Read) -> None:
    description = lines_of(
        {
            "scanimage.SI4.channelsSave": "[1;2]",
            "scanimage.SI4.acqNumFrames": "2",
            "scanimage.SI4.scanAngleMultiplierSlow": "0",
            "scanimage.SI4.scanFramePeriod": "0.009",
            "scanimage.SI4.scanLinePeriod": "0.001",
            "scanimage.SI4.triggerClockTimeFirst": "'07-Mar-2014 12:11:35.123'",
        }
    )
    header, pixels = read(frames(4), description=description)
    assert header.axes == ("c", "t", "x")
    assert header.scale["t"] == 0.001
    assert header.acquired_local_epoch_ns == local_epoch_ns(
        datetime(2014, 3, 7, 12, 11, 35), nanosecond=123_000_000
    )
    np.testing.assert_array_equal(pixels[1], frames(4)[1::2].reshape(18, 8))


def test_settings_of_version_3(read: Read) -> None:
    third = {
        "software.version": "3.8",
        "acq.numberOfZSlices": "1",
        "acq.numberOfFrames": "3",
        "acq.frameRate": "111.111111111",
        "acq.msPerLine": "1",
        "acq.pixelTime": "3.2e-06",
        "acq.scanAngleMultiplierSlow": "0",
        "acq.savingChannel1": "0",
        "acq.savingChannel2": "1",
        "internal.triggerTimeString": "'10/9/2017 16:57:07.967'",
    }
    text = "".join(f"state.{key}={value}\r" for key, value in third.items())
    header, pixels = read(frames(3), description=text)
    assert header.axes == ("t", "x")
    assert header.scale == {"t": 0.001, "x": None}
    assert header.vendor["dwell_time_us"] == 3.2
    assert [channel.name for channel in header.channels] == ["Channel 2"]
    assert header.acquired_local_epoch_ns == local_epoch_ns(
        datetime(2017, 10, 9, 16, 57, 7), nanosecond=967_000_000
    )
    np.testing.assert_array_equal(pixels, frames(3).reshape(27, 8))


@given(
    pages=st.integers(1, 80),
    values=st.dictionaries(
        st.sampled_from([*STACK, "SI.hStackManager.numFramesPerVolumeWithFlyback"]),
        st.sampled_from(
            [
                "0",
                "1",
                "2",
                "5",
                "7",
                "-3",
                "Inf",
                "NaN",
                "[]",
                "true",
                "'fast'",
                "1e9",
                "[1;2]",
                "[1;2;3;4]",
                "{}",
                "x" * 50,
            ]
        ),
    ),
)
def test_any_settings_arrange_pages_once_each(pages: int, values: dict[str, str]) -> None:
    settings = scanimage_settings(lines_of(STACK | values), EPOCH)
    assert settings is not None
    layout = scanimage_layout(settings, page_count=pages, page_shape=(9, 8))
    if layout is None:
        return
    assert len(set(layout.pages)) == len(layout.pages) == np.prod(layout.shape) // 72
    assert set(layout.pages) <= set(range(pages))
    assert len(set(layout.axes)) == len(layout.axes) == len(layout.shape)
    assert len(layout.pages) == pages or layout.warnings or settings.slices_with_flyback > 1


def test_an_arbitrary_line_scan_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "line_00001.pmt.dat").write_bytes(b"\0" * 512)
    (outcome,) = ZarrDataset(tmp_path / "d.zarr").iter_refresh(tmp_path, pattern="*.pmt.dat")
    assert isinstance(outcome.error, UnreadableImageError)
    assert "an arbitrary line scan of ScanImage" in outcome.error.reason
    assert outcome.error.reason.endswith("export its lines as a TIFF")
