"""ScanImage's files: lines, frames, slices, volumes and channels by the pages that are there."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from kymflow_zarr import UnreadableImageError, ZarrDataset, ZarrImageRecord
from kymflow_zarr._readers.clock import local_epoch_ns
from kymflow_zarr._readers.header import Header, merge_facts
from kymflow_zarr._readers.image_file import open_image
from kymflow_zarr._readers.tiff_reader import TiffReader
from kymflow_zarr._readers.vendors.scanimage import scanimage_layout
from kymflow_zarr._readers.vendors.scanimage_settings import scanimage_settings
from kymflow_zarr.options import IngestOptions

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
        software: str | None = None,
        **options: Any,
    ) -> tuple[Header, Pixels]:
        path = tmp_path / "scan.tif"
        with tifffile.TiffWriter(path, bigtiff=True) as writer:
            for page in pages:
                writer.write(
                    page,
                    description=description,
                    software=lines_of(settings) if settings else software,
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
        ("hRoiManager.scanFrameRate", "30", "a frame takes 0.010206 s, by its rate 0.0333333 s"),
        ("hRoiManager.linesPerFrame", "5", "describes 5 lines a frame, its pages have 9"),
        ("hStackManager.framesPerSlice", "10", "10 blocks of lines were to be recorded"),
        ("hScan2D.logAverageFactor", "4", "is the mean of 4 lines scanned at different times"),
        ("hRoiManager.imagingFovUm", "[-4,5 0;4,5 0;4,5 0;-4,5 0]", "is not four corners"),
    ],
)
def test_what_contradicts_itself_is_a_warning(read: Read, key: str, value: str, says: str) -> None:
    header, _ = read(frames(1), {**LINE, f"SI.{key}": value})
    assert any(says in warning for warning in header.warnings), header.warnings


def test_a_frame_rate_serves_where_no_frame_period_is_given(read: Read) -> None:
    period = "SI.hRoiManager.scanFramePeriod"
    settings = {key: value for key, value in LINE.items() if key != period}
    header, _ = read(frames(4), settings | {"SI.hRoiManager.scanFrameRate": "97.98"})
    assert (header.axes, header.shape) == (("t", "x"), (36, 8))


@pytest.mark.parametrize(
    ("epoch", "seconds"),
    [
        ("[2022, 8, 8, 16, 39, 9.19]", 9.19),
        ("[2.022e+03 8 8 1.6e+01 39 4.919e+01]", 49.19),
        ("[2022 8 8 16 39 9]", 9),
    ],
)
def test_the_start_as_matlab_may_print_it(read: Read, epoch: str, seconds: float) -> None:
    header, _ = read(frames(1), LINE, description=f"epoch = {epoch}\n")
    minute = local_epoch_ns(datetime(2022, 8, 8, 16, 39))
    assert header.acquired_local_epoch_ns == minute + round(seconds * 1e9)


@pytest.mark.parametrize("is_nested", [True, False])
def test_settings_as_json_say_the_same(read: Read, is_nested: bool) -> None:
    values: dict[str, Any] = LINE | {
        "SI.hChannels.channelName": ["green", "red", "far red"],
        "SI.hChannels.channelSave": [1, 3.0],
        "SI.hRoiManager.imagingFovUm": [[-4, 0], [4, 0], [4, 0], [-4, 0]],
        "SI.hRoiManager.linePeriod": 0.001134,
        "SI.hScan2D.bidirectional": True,
        "SI.hStackManager.framesPerSlice": None,
    }
    document: dict[str, Any] = {}
    for key, value in values.items():
        *groups, name = key.split(".") if is_nested else [key]
        place = document
        for group in groups:
            place = place.setdefault(group, {})
        place[name] = value
    text = LINE | {"SI.hChannels.channelSave": "[1;3]", "SI.hStackManager.framesPerSlice": "Inf"}
    expected, _ = read(frames(4), text)
    header, pixels = read(frames(4), software=json.dumps(document))
    assert header == replace(expected, vendor_texts=header.vendor_texts)
    assert pixels.shape == (2, 18, 8)


def test_json_of_another_program_is_no_scanimage() -> None:
    assert scanimage_settings('{"shape": [9, 8], "SI": 1}', "{") is None


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


# Three regions of 2, 3 and 2 rows of 8 pixels: between two of them is one line of flyback.
FIELDS: tuple[dict[str, Any], ...] = (
    {"name": "soma", "scanfields": {"sizeXY": [8.0, 2.0], "pixelResolutionXY": [8, 2]}},
    {"name": "vessel", "scanfields": {"sizeXY": [4.0, 1.5], "pixelResolutionXY": [8, 3]}},
    {"name": "vessel", "scanfields": {"sizeXY": [2.0, 1.0], "pixelResolutionXY": [8, 2]}},
)
MROI = FRAME | {
    "SI.hRoiManager.imagingFovUm": "[]",
    "SI.hRoiManager.mroiEnable": "1",
    "SI.objectiveResolution": "15",
}


def regions(*rois: dict[str, Any]) -> str:
    return json.dumps({"RoiGroups": {"imagingRoiGroup": {"rois": rois if rois[1:] else rois[0]}}})


def with_roi(number: int, **changes: Any) -> str:
    """The three regions, one of them changed."""
    return regions(*FIELDS[:number], FIELDS[number] | changes, *FIELDS[number + 1 :])


def scan_field(width: float, height: float, pixels: list[int]) -> dict[str, Any]:
    return {"sizeXY": [width, height], "pixelResolutionXY": pixels}


def write_mroi(path: Path, pages: Pixels, text: str, settings: dict[str, str] = MROI) -> Path:
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for page in pages:
            writer.write(
                page,
                description=EPOCH,
                software=lines_of(settings),
                metadata=None,
                photometric="minisblack",
                contiguous=False,
                extratags=[(315, 2, 0, text, True)] if text else (),
            )
    return path


def source_of(record: ZarrImageRecord) -> dict[str, Any]:
    provenance: Any = record.load_json("provenance")
    source: dict[str, Any] = provenance["source"]
    return source


def test_each_region_of_a_page_is_an_image(tmp_path: Path) -> None:
    path = write_mroi(tmp_path / "mroi.tif", frames(4), regions(*FIELDS))
    dataset = ZarrDataset(tmp_path / "d.zarr")
    found = {}
    for image_id in dataset.refresh_from_folder(tmp_path):
        record = dataset.record(image_id)
        header: Any = record.load_metadata_payload()["header"]
        assert header["warnings"] == []
        found[source_of(record)["scene"]] = header["scale"], record.load_array()[0, :, 0].tolist()
    rows = frames(4)[0, :, 0].tolist()
    assert found == {
        "soma": ({"t": 0.0333, "y": 15.0, "x": 15.0}, rows[:2]),
        "vessel": ({"t": 0.0333, "y": 7.5, "x": 7.5}, rows[3:6]),
        "vessel (2)": ({"t": 0.0333, "y": 7.5, "x": 3.75}, rows[7:]),
    }
    assert dataset.refresh_from_folder(tmp_path) == []
    with open_image(path, TiffReader()) as image:
        np.testing.assert_array_equal(image.read(), frames(4)[:, :2])
        assert merge_facts(image.shape, image.dtype, image.facts).warnings == (
            "of its 3 regions (mROI) only the first is read here, not 'vessel', 'vessel (2)'",
        )


def test_a_changed_file_supersedes_its_regions_one_by_one(tmp_path: Path) -> None:
    write_mroi(tmp_path / "mroi.tif", frames(4), regions(*FIELDS))
    dataset = ZarrDataset(tmp_path / "d.zarr")
    before = dataset.refresh_from_folder(tmp_path)
    changed = frames(4)
    changed[:, 4] = 7
    write_mroi(tmp_path / "mroi.tif", changed, regions(*FIELDS))
    (vessel,) = dataset.refresh_from_folder(
        tmp_path, mode="reingest_if_changed", options=IngestOptions(settle_seconds=0)
    )
    source = source_of(dataset.record(vessel))
    assert (source["scene"], source["supersedes"]) == ("vessel", before[1])


def test_a_region_of_one_row_is_a_line_scan(tmp_path: Path) -> None:
    line = {"name": "line", "scanfields": scan_field(4.0, 0.5, [8, 1])}
    path = write_mroi(tmp_path / "mroi.tif", frames(4), regions(FIELDS[0], line, FIELDS[2]))
    with open_image(path, TiffReader(), scene="line") as image:
        header = merge_facts(image.shape, image.dtype, image.facts)
        blocks = [block.tolist() for block in image.iter_blocks(3)]
    assert blocks == [frames(4)[:3, 4].tolist(), frames(4)[3:, 4].tolist()]
    assert header.axes == ("t", "x")
    assert header.scale == {"t": 0.0333, "x": 7.5}


@pytest.mark.parametrize(
    "text",
    [
        regions(FIELDS[0]),  # the rows do not add up
        regions(FIELDS[0], *FIELDS[::2], FIELDS[0]),
        regions(FIELDS[0], *FIELDS, FIELDS[0]),
        with_roi(1, scanfields=scan_field(4.0, 1.5, [7, 3])),  # not as wide as the page
        with_roi(1, scanfields=[scan_field(4, 1, [8, 3])] * 2, zs=[0, 0]),
        with_roi(0, scanfields={"sizeXY": [0, "much"]}),
        "{",
        "",
    ],
)
def test_regions_that_do_not_make_up_a_page_stay_together(tmp_path: Path, text: str) -> None:
    write_mroi(tmp_path / "mroi.tif", frames(4), text)
    record = ZarrDataset(tmp_path / "d.zarr").ingest_image(tmp_path / "mroi.tif")
    np.testing.assert_array_equal(record.load_array(), frames(4))
    header: Any = record.load_metadata_payload()["header"]
    assert header["scale"] == {"t": 0.0333, "y": None, "x": None}
    assert "holds several regions (mROI)" in header["warnings"][0]
    assert "crop each to a file of its own" in header["warnings"][0]


def test_regions_of_another_plane_are_not_in_the_page(tmp_path: Path) -> None:
    deep = FIELDS[2] | {"name": "deep", "discretePlaneMode": 1, "zs": 40}
    write_mroi(tmp_path / "mroi.tif", frames(2), regions(*FIELDS, deep))
    dataset = ZarrDataset(tmp_path / "d.zarr")
    assert len(dataset.refresh_from_folder(tmp_path)) == 3


def test_the_time_to_fly_to_a_region_must_fit(tmp_path: Path) -> None:
    settings = MROI | {"SI.hScan2D.flytoTimePerScanfield": "0.001"}  # 16 lines
    write_mroi(tmp_path / "mroi.tif", frames(2), regions(*FIELDS), settings)
    with open_image(tmp_path / "mroi.tif", TiffReader()) as image:
        assert image.shape == (2, 9, 8)


def test_regions_are_read_from_the_block_behind_the_header(tmp_path: Path) -> None:
    """As ScanImage writes them: a BigTIFF of one page, whose tag of settings is in the block."""
    settings = lines_of(MROI).encode() + b"\0"
    text = regions(*FIELDS).encode() + b"\0"
    block = struct.pack("<IIII", 117637889, 4, len(settings), len(text)) + settings + text
    pixels = 16 + len(block)
    tags = [
        (256, 4, 1, 8), (257, 4, 1, 9), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 16, 1, pixels), (277, 3, 1, 1), (278, 4, 1, 9), (279, 16, 1, 144),
        (305, 2, len(settings), 32), (339, 3, 1, 2),
    ]  # fmt: skip
    directory = struct.pack("<Q", len(tags)) + b"".join(struct.pack("<HHQQ", *tag) for tag in tags)
    head = b"II\x2b\0" + struct.pack("<HHQ", 8, 0, pixels + 144)
    path = tmp_path / "mroi.tif"
    path.write_bytes(head + block + frames(1).tobytes() + directory + bytes(8))
    with open_image(path, TiffReader(), scene="vessel (2)") as image:
        assert [block.tolist() for block in image.iter_blocks(1)] == [
            [frames(1)[0, 7].tolist()],
            [frames(1)[0, 8].tolist()],
        ]


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
