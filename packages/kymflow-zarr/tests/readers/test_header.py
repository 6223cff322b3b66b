"""Calibration, time and vendor settings, with the source of each value."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from kymflow_zarr._readers.clock import parse_iso, stated_clock
from kymflow_zarr._readers.facts import Facts
from kymflow_zarr._readers.header import Header, merge_facts, stated_facts
from kymflow_zarr._readers.headers.olympus_txt import read_olympus_text
from kymflow_zarr._readers.headers.payload import read_payload_header
from kymflow_zarr._readers.image_file import open_image
from kymflow_zarr._readers.tiff_reader import TiffReader
from kymflow_zarr._readers.units import quantity
from kymflow_zarr._readers.vendor_text import decode_vendor_text
from kymflow_zarr._storage.json_text import JsonValue, dumps
from kymflow_zarr.errors import UnreadableImageError

Write = Callable[..., Path]
Text = Callable[..., str]
Ramp = npt.NDArray[np.uint16]


def header_of(
    path: Path,
    *,
    vendor_text: str | None = None,
    sidecar_header: dict[str, JsonValue] | None = None,
    stated: Facts | None = None,
) -> Header:
    with open_image(path, TiffReader()) as image:
        facts = [*image.facts]
    if vendor_text is not None:
        facts.append(read_olympus_text(vendor_text))
    if sidecar_header is not None:
        facts.append(read_payload_header(sidecar_header, shape=image.shape))
    return merge_facts(image.shape, image.dtype, facts if stated is None else [stated, *facts])


def wall_ns(*parts: int, nanosecond: int = 0) -> int:
    year, month, day, hour, minute, second = parts
    wall = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    return int(wall.timestamp()) * 10**9 + nanosecond


# --- the real files


@pytest.mark.parametrize(
    ("stem", "line_s", "pixel_um", "acquired"),
    [
        ("20250722_A89_0002", 0.001134, 0.45, ((2025, 7, 22, 12, 13, 14), 620_000_000)),
        ("20250722_A89_0003", 0.001114, 0.45, ((2025, 7, 22, 12, 14, 20), 91_000_000)),
        ("20250722_A89_0004", 0.001122, 0.45, ((2025, 7, 22, 12, 15, 46), 493_000_000)),
        ("Capillary2", 0.001146, 0.331, ((2022, 11, 2, 12, 33, 11), 874_000_000)),
    ],
)
def test_real_kymographs_by_their_vendor_text(
    kymographs: Path,
    stem: str,
    line_s: float,
    pixel_um: float,
    acquired: tuple[tuple[int, ...], int],
) -> None:
    payload = kymographs / f"{stem}.json"
    header = header_of(
        kymographs / f"{stem}.tif",
        vendor_text=decode_vendor_text((kymographs / f"{stem}.txt").read_bytes()),
        sidecar_header=json.loads(payload.read_text())["header"] if payload.exists() else None,
    )
    assert header.axes == ("t", "x")
    assert header.shape[0] == 30000
    assert header.scale == {"t": line_s, "x": pixel_um}
    assert header.unit == {"t": "s", "x": "um"}
    wall, nanosecond = acquired
    assert header.acquired_local_epoch_ns == wall_ns(*wall, nanosecond=nanosecond)
    assert header.sources["scale.t"] == header.sources["scale.x"] == "vendor_text"
    assert header.saturation == 4095
    assert header.vendor["scan_direction"] == "Oneway"
    assert header.vendor["dwell_time_us"] == 2.0
    assert header.warnings == ()


def test_real_fluoview_tiff_without_its_text(kymographs: Path) -> None:
    header = header_of(kymographs / "Capillary2.tif")
    assert header.axes == ("t", "x")
    assert header.scale == {"t": 0.001146, "x": 0.331}
    assert set(header.sources.values()) == {"vendor_tiff"}
    assert header.acquired_local_epoch_ns == wall_ns(2022, 11, 2, 12, 33, 11)
    assert header.channels[0].dye == "FITC"


def test_real_plain_export_without_its_text_has_no_calibration(kymographs: Path) -> None:
    header = header_of(kymographs / "20250722_A89_0002.tif")
    assert header.scale == {"y": None, "x": None}
    assert header.unit == {"y": None, "x": None}
    assert header.acquired_local_epoch_ns is None
    assert header.sources == {"axes": "default"}


def test_real_lab_payload_alone_gives_its_rounded_period(kymographs: Path) -> None:
    stem = "20250722_A89_0002"
    payload = json.loads((kymographs / f"{stem}.json").read_text())["header"]
    header = header_of(kymographs / f"{stem}.tif", sidecar_header=payload)
    assert header.axes == ("t", "x")
    assert header.scale["t"] == pytest.approx(0.0011339666, rel=1e-6)
    assert header.sources["scale.t"] == header.sources["axes"] == "sidecar"


# --- Olympus text


def test_olympus_text_makes_a_plain_tiff_a_line_scan(
    write: Write, ramp: Ramp, olympus_text: Text
) -> None:
    header = header_of(write(ramp, metadata=None), vendor_text=olympus_text())
    assert header.axes == ("t", "x")
    assert header.scale == {"t": 0.001134, "x": 0.45}
    assert header.sources["axes"] == "vendor_text"
    assert header.channels[0].to_json() == {
        "name": "RNDD2",
        "dye": "EGFP",
        "emission_nm": 510.0,
        "laser_nm": 920.0,
    }
    assert header.vendor["zoom"] == 2.21
    assert header.vendor["objective_magnification"] == 25.0
    assert header.vendor_texts == {"olympus_txt": olympus_text()}
    assert header.warnings == ()


def test_a_frame_scan_keeps_its_axes(write: Write, ramp: Ramp, olympus_text: Text) -> None:
    header = header_of(write(ramp, metadata=None), vendor_text=olympus_text(mode="XY"))
    assert header.axes == ("y", "x")


def test_pages_of_a_line_scan_are_channels(write: Write, ramp: Ramp, olympus_text: Text) -> None:
    text = (
        olympus_text() + '"[Channel 2]"\t""\r\n"Dye Name"\t"TRITC"\r\n"Bits/Pixel"\t"12 [bits]"\r\n'
    )
    two = np.stack([ramp, ramp + 1])
    header = header_of(write(two, metadata=None, photometric="minisblack"), vendor_text=text)
    assert header.axes == ("c", "t", "x")
    assert header.scale == {"c": None, "t": 0.001134, "x": 0.45}
    assert [channel.dye for channel in header.channels] == ["EGFP", "TRITC"]


def test_the_reference_image_never_counts(olympus_text: Text) -> None:
    lines = olympus_text().split("\r\n")
    start = lines.index('"[Reference Image]"\t""')
    reference = lines[start : start + 3]
    first = [*reference, *lines[:start], *lines[start + 3 :]]
    facts = read_olympus_text("\r\n".join(first))
    assert facts.pixels == {"x": 7, "t": 60}
    assert facts.steps["t"].value == 0.001134
    without = read_olympus_text("\r\n".join([*lines[:start], *lines[start + 3 :]]))
    assert without.steps == facts.steps


def test_the_first_of_equal_sections_counts(olympus_text: Text) -> None:
    again = '"[Image]"\t""\r\n"Primary Dimensions"\t"X * T"\r\n"Image Size"\t"9 * 9 [pixel]"\r\n'
    facts = read_olympus_text(olympus_text() + again)
    assert replace(facts, texts={}) == replace(read_olympus_text(olympus_text()), texts={})


def test_the_rounded_duration_is_the_fallback_and_said_so(olympus_text: Text) -> None:
    text = olympus_text(t_end="34.019").replace("7 * 60", "7 * 30000")
    text = text.replace('"Image Size(Unit Converted)"\t"3.149', '"Left Out"\t"3.149')
    facts = read_olympus_text(text)
    assert facts.steps["t"].value == pytest.approx(0.001134, rel=2e-5)
    assert "rounded T Dimension" in facts.warnings[0]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
@pytest.mark.parametrize("micro", ["um", "\u00b5m"])
def test_olympus_text_in_any_encoding(olympus_text: Text, encoding: str, micro: str) -> None:
    text = decode_vendor_text(olympus_text().replace("um", micro).encode(encoding))
    assert "olympus_txt" in read_olympus_text(text).texts
    facts = read_olympus_text(text)
    assert (facts.steps["x"].value, facts.steps["x"].unit) == (0.45, "um")
    assert (facts.steps["t"].value, facts.steps["t"].unit) == (0.001134, "s")


@given(st.binary(max_size=400))
def test_any_bytes_decode(data: bytes) -> None:
    read_olympus_text(decode_vendor_text(data))


@given(st.data())
def test_a_damaged_header_never_breaks_the_reader(olympus_text: Text, data: st.DataObject) -> None:
    text = olympus_text()
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, len(text)))
    facts = read_olympus_text(text[:start] + data.draw(st.text(max_size=20)) + text[stop:])
    for step in facts.steps.values():
        assert step.value > 0
    dumps(dict(facts.vendor))


def test_a_text_of_another_kind_is_kept_and_said_so(write: Write, ramp: Ramp) -> None:
    header = header_of(write(ramp), vendor_text="remember to feed the mice")
    assert header.vendor_texts == {"text": "remember to feed the mice"}
    assert "not a known vendor header" in header.warnings[0]


def test_a_text_of_another_image_is_noticed(write: Write, olympus_text: Text) -> None:
    header = header_of(write(np.zeros((50, 9), np.uint16)), vendor_text=olympus_text())
    assert any("60 pixels along 't', the image has 50" in warning for warning in header.warnings)
    assert any("7 pixels along 'x', the image has 9" in warning for warning in header.warnings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("07/22/2025 12:13:14.620 PM", ((2025, 7, 22, 12, 13, 14), 620_000_000)),
        ("07/22/2025 12:13:14.620 AM", ((2025, 7, 22, 0, 13, 14), 620_000_000)),
        ("07/22/2025 01:00:00.000 PM", ((2025, 7, 22, 13, 0, 0), 0)),
        ("07/22/2025 11:59:59.999 pm", ((2025, 7, 22, 23, 59, 59), 999_000_000)),
        ("11-02-2022 14:33:11", ((2022, 11, 2, 14, 33, 11), 0)),
        ("2/9/2024 9:05:00 AM", ((2024, 2, 9, 9, 5, 0), 0)),
    ],
)
def test_us_dates_with_am_and_pm(text: str, expected: tuple[tuple[int, ...], int]) -> None:
    found = stated_clock(text, what="the date", warnings=[], month_first=True)
    assert found == wall_ns(*expected[0], nanosecond=expected[1])


@pytest.mark.parametrize(
    "text",
    ["", "02/30/2025 01:00:00", "07/22/2025 13:00:00 PM",
     "07/22/2025 00:00:00 AM", "07/22/1825 01:00:00", "07/22/2025 25:00:00"],
)  # fmt: skip
def test_dates_that_are_none_give_nothing(text: str) -> None:
    warnings: list[str] = []
    assert stated_clock(text, what="the date", warnings=warnings, month_first=True) is None
    assert bool(warnings) == bool(text)


def test_a_date_that_cannot_be_read_is_a_warning(
    write: Write, ramp: Ramp, olympus_text: Text
) -> None:
    header = header_of(write(ramp), vendor_text=olympus_text(date="22.07.2025 12:13"))
    assert header.acquired_local_epoch_ns is None
    assert "22.07.2025" in header.warnings[0]


def test_iso_dates() -> None:
    wanted = wall_ns(2022, 11, 2, 12, 33, 11, nanosecond=874_000_000)
    assert parse_iso("2022-11-02T12:33:11.874") == (wanted, False)
    assert parse_iso("2022-11-02T12:33:11.874+02:00") == (wanted, False)
    assert parse_iso("2022-11-02T12:33:11.874Z") == (wanted, True)
    assert parse_iso("yesterday") is None


# --- FluoView tags


@pytest.mark.parametrize("page_name", [True, False])
def test_fluoview_tags(fluoview_tiff: Callable[..., Path], page_name: bool) -> None:
    header = header_of(fluoview_tiff(page_name=page_name))
    assert header.axes == ("t", "x")
    assert header.scale == {"t": 0.001146, "x": 0.331}
    assert header.unit == {"t": "s", "x": "um"}
    assert header.sources["axes"] == header.sources["scale.t"] == "vendor_tiff"
    assert header.acquired_local_epoch_ns == wall_ns(2022, 11, 2, 12, 33, 11)
    assert header.vendor == {
        "dwell_time_us": 2.0,
        "zoom": 3.0,
        "objective": "XLPLN25XWMP2",
        "objective_magnification": 25.0,
    }
    assert header.channels[0].dye == "FITC"
    assert "[Acquisition Parameters]" in header.vendor_texts["fluoview"]
    assert header.warnings == ()


def test_the_page_name_is_exact_and_counts_before_the_header(
    fluoview_tiff: Callable[..., Path],
) -> None:
    assert header_of(fluoview_tiff(header_um=0.33095)).scale["x"] == 0.331
    assert header_of(fluoview_tiff(header_um=0.33095, page_name=False)).scale["x"] == 0.33095


def test_axes_of_a_vendors_tiff_stand_against_a_payload(
    fluoview_tiff: Callable[..., Path],
) -> None:
    header = header_of(fluoview_tiff(), sidecar_header={"axes": ["y", "x"]})
    assert header.axes == ("t", "x")
    assert header.sources["axes"] == "vendor_tiff"


def test_a_fluoview_tiff_that_declares_other_sizes(fluoview_tiff: Callable[..., Path]) -> None:
    with pytest.raises(UnreadableImageError, match="its metadata declare"):
        header_of(fluoview_tiff(lines=61))


def test_vendor_text_outranks_tags_and_the_difference_is_reported(
    fluoview_tiff: Callable[..., Path], olympus_text: Text
) -> None:
    header = header_of(fluoview_tiff(), vendor_text=olympus_text())
    assert header.scale == {"t": 0.001134, "x": 0.45}
    assert header.sources["scale.x"] == "vendor_text"
    text = " / ".join(header.warnings)
    assert "'t' is 0.001134 s according to vendor_text, 0.001146 s according to vendor_tiff" in text
    assert "'x' is 0.45 um according to vendor_text, 0.331 um according to vendor_tiff" in text
    assert "s apart; vendor_text is used" in text


# --- implausible calibration


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"2.0 [us/pixel]": "200.0 [us/pixel]"}, "7 pixels of 200 us take 0.0014 s, longer than"),
        ({"0.450 [um": "450.0 [um", "3.149 [um]": "3149.0 [um]"}, "450 um, is out of"),
        ({"68.040 [ms]": "68040.0 [s]"}, "the line period, 1134 s, is out of"),
        ({"[um/pixel]": "[nm/pixel]", "3.149 [um]": "3.149 [nm]"}, "0.00045 um, is out of"),
    ],
)
def test_what_no_microscope_has_is_a_warning(
    write: Write, ramp: Ramp, olympus_text: Text, changes: dict[str, str], says: str
) -> None:
    text = olympus_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    header = header_of(write(ramp, metadata=None), vendor_text=text)
    assert says in " / ".join(header.warnings)


def test_a_movie_may_take_its_time(write: Write) -> None:
    """A frame interval is no line period."""
    header = header_of(
        write(
            np.zeros((4, 9, 8), np.uint16), imagej=True, metadata={"axes": "TYX", "finterval": 60}
        )
    )
    assert header.scale["t"] == 60
    assert not any("line period" in warning for warning in header.warnings)


# --- ImageJ and OME


def test_imagej_calibration(write: Write) -> None:
    path = write(
        np.zeros((4, 9, 8), np.uint16),
        imagej=True,
        resolution=(1 / 0.331, 1 / 0.5),
        metadata={"axes": "TYX", "unit": "um", "finterval": 0.25, "fps": 7.0},
    )
    header = header_of(path)
    assert header.axes == ("t", "y", "x")
    assert header.scale["t"] == 0.25
    assert header.scale["x"] == pytest.approx(0.331, rel=1e-6)
    assert header.scale["y"] == pytest.approx(0.5, rel=1e-6)
    assert header.sources["scale.x"] == "imagej"
    assert header.vendor_texts["imagej"].startswith("ImageJ=")


@pytest.mark.parametrize("unit", ["\\u00B5m", "micron", "µm"])
def test_imagej_spells_micrometres_in_many_ways(write: Write, unit: str) -> None:
    path = write(
        np.zeros((3, 9, 8), np.uint16),
        resolution=(2.0, 2.0),
        description=f"ImageJ=1.54f\nimages=3\nslices=3\nunit={unit}\nspacing=1.5\n".encode(
            "cp1252"
        ),
        metadata=None,
        photometric="minisblack",
    )
    header = header_of(path)
    assert header.axes == ("z", "y", "x")
    assert header.scale == {"z": 1.5, "y": 0.5, "x": 0.5}


def test_axes_that_imagej_lacks(write: Write, ramp: Ramp) -> None:
    path = write(
        ramp,
        imagej=True,
        resolution=(1 / 0.331, 1),
        metadata={"axes": "YX", "unit": "um", "finterval": 0.001146, "kymflow_axes": "t,x"},
    )
    header = header_of(path)
    assert header.axes == ("t", "x")
    assert header.scale == {"t": 0.001146, "x": 0.331}
    assert header.sources["axes"] == "imagej"


@pytest.mark.parametrize("unit", ["pixel", "", "cm", "inch"])
def test_imagej_without_a_real_unit_is_not_a_calibration(
    write: Write, ramp: Ramp, unit: str
) -> None:
    path = write(ramp, imagej=True, resolution=(10000, 10000), metadata={"unit": unit})
    header = header_of(path)
    assert header.scale == {"y": None, "x": None}


def test_bare_resolution_tags_are_never_used(write: Write, ramp: Ramp) -> None:
    path = write(ramp, resolution=(10000, 10000), resolutionunit="CENTIMETER", metadata=None)
    assert header_of(path).scale == {"y": None, "x": None}


def test_resolution_of_olympus_software_is_never_used(write: Write, ramp: Ramp) -> None:
    path = write(
        ramp,
        resolution=(1, 1),
        software="FV30S-SW /FileVersion=1.2.6.0",
        description="ImageJ=1.54f\nunit=um\n",
        metadata=None,
    )
    assert header_of(path).scale == {"y": None, "x": None}


def test_ome_calibration(write: Write) -> None:
    path = write(
        np.zeros((4, 2, 9, 8), np.uint16),
        ome=True,
        photometric="minisblack",
        metadata={
            "axes": "TCYX",
            "PhysicalSizeX": 331.0,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 0.5,
            "TimeIncrement": 250.0,
            "TimeIncrementUnit": "ms",
            "SignificantBits": 12,
            "AcquisitionDate": "2022-11-02T12:33:11",
            "Channel": {"Name": ["green", "red"], "Fluor": ["GFP", "RFP"]},
        },
    )
    header = header_of(path)
    assert header.axes == ("t", "c", "y", "x")
    assert header.scale == {"t": 0.25, "c": None, "y": 0.5, "x": 0.331}
    assert header.bits_per_pixel == 12
    assert header.acquired_local_epoch_ns == wall_ns(2022, 11, 2, 12, 33, 11)
    assert [channel.name for channel in header.channels] == ["green", "red"]
    assert header.sources["scale.t"] == "ome"
    assert header.vendor_texts["ome_xml"].startswith("<?xml")


# --- ScanImage and Zeiss


def test_scanimage_settings(write: Write) -> None:
    path = write(
        np.zeros((5, 9, 8), np.uint16),
        photometric="minisblack",
        metadata=None,
        software=(
            "SI.VERSION_MAJOR = 2020\nSI.hChannels.channelSave = 1\n"
            "SI.hStackManager.framesPerSlice = 5\nSI.hStackManager.numSlices = 1\n"
            "SI.hRoiManager.imagingFovUm = [-40 -45;40 -45;40 45;-40 45]\n"
            "SI.hRoiManager.pixelsPerLine = 8\nSI.hRoiManager.linesPerFrame = 9\n"
            "SI.hRoiManager.scanFramePeriod = 0.0333\nSI.hRoiManager.linePeriod = 6.3e-05\n"
            "SI.hRoiManager.scanZoomFactor = 2.5\nSI.hScan2D.bidirectional = true\n"
        ),
    )
    header = header_of(path, stated=stated_facts(3, axes=("t", "y", "x")))
    assert header.scale == {"t": 0.0333, "y": 10.0, "x": 10.0}
    assert header.vendor["line_period_s"] == 6.3e-05
    assert header.vendor["scan_direction"] == "Bidirectional"
    assert header.sources["scale.t"] == "vendor_tiff"


def lsm_info(
    width: int, height: int, planes: int, *, scan_type: int, interval_s: float, stamps_at: int
) -> bytes:
    """Build the start of a ``CZ_LSMINFO`` of the published layout, little-endian."""
    slices, times = (1, planes) if scan_type else (planes, 1)
    sizes = struct.pack("<Iiiiiiiiii", 0x00400494C, 500, width, height, slices, 1, times, 2, 0, 0)
    voxels = struct.pack("<dddddd", 2e-7, 2e-7, 5e-7, 0.0, 0.0, 0.0)
    rest = struct.pack("<HHIIIIId", scan_type, 0, 0, 0, 0, 0, 0, interval_s)
    return (sizes + voxels + rest + struct.pack("<IIII", 0, 0, 0, stamps_at)).ljust(500, b"\0")


def write_lsm(
    path: Path,
    stack: npt.NDArray[np.uint16],
    *,
    scan_type: int,
    interval_s: float = 0.5,
    stamps: npt.NDArray[np.float64] | None = None,
) -> Path:
    """Write planes with thumbnails between them, as Zeiss does; time stamps go behind all."""
    planes, height, width = stack.shape
    stamps_at = 0
    for _ in range(1 if stamps is None else 2):  # the second time it is known where they go
        info = lsm_info(
            width, height, planes, scan_type=scan_type, interval_s=interval_s, stamps_at=stamps_at
        )
        with tifffile.TiffWriter(path) as writer:
            for number, plane in enumerate(stack):
                tags = [(34412, 1, len(info), info, True)] if number == 0 else []
                writer.write(plane, metadata=None, extratags=tags)
                writer.write(np.zeros((4, 4), np.uint8), metadata=None, subfiletype=1)
        stamps_at = path.stat().st_size
    if stamps is not None:
        with path.open("ab") as file:
            file.write(struct.pack("<ii", 8 + 8 * len(stamps), len(stamps)))
            file.write(stamps.astype("<f8").tobytes())
    return path


LSM_STACK = np.arange(216, dtype=np.uint16).reshape(3, 9, 8)


def test_zeiss_lsm(tmp_path: Path) -> None:
    path = write_lsm(tmp_path / "stack.lsm", LSM_STACK, scan_type=0)
    with open_image(path, TiffReader()) as image:
        np.testing.assert_array_equal(image.read(), LSM_STACK)
    header = header_of(path)
    assert header.axes == ("z", "y", "x")
    assert header.scale == {"z": 0.5, "y": 0.2, "x": 0.2}
    assert header.sources["scale.x"] == header.sources["axes"] == "vendor_tiff"
    assert header.warnings == ()  # thumbnails are no second image


@pytest.mark.parametrize(
    ("interval_s", "stamps", "step_s", "says"),
    [
        (0.5, None, 0.5, ""),
        (0.0, [7.0, 7.25, 7.5], 0.25, ""),
        (0.25, [7.0, 7.25, 7.5], 0.25, ""),
        (0.5, [7.0, 7.25, 7.5], 0.25, "0.5 s were asked for"),
        (0.5, [7.0, 7.25, 9.5], 0.5, "not evenly spaced"),
    ],
)
def test_time_stamps_of_zeiss_count_before_the_interval(
    tmp_path: Path, interval_s: float, stamps: list[float] | None, step_s: float, says: str
) -> None:
    path = write_lsm(
        tmp_path / "movie.lsm",
        LSM_STACK,
        scan_type=3,
        interval_s=interval_s,
        stamps=None if stamps is None else np.array(stamps),
    )
    header = header_of(path)
    assert header.axes == ("t", "y", "x")
    assert header.scale["t"] == step_s
    assert says in " ".join(header.warnings)
    assert bool(says) == bool(header.warnings)


# --- ranks


def test_the_users_word_is_first(write: Write, ramp: Ramp, olympus_text: Text) -> None:
    header = header_of(
        write(ramp),
        vendor_text=olympus_text(),
        stated=stated_facts(2, scale={"t": 2.0, "x": 0.5}, unit={"t": "ms"}),
    )
    assert header.scale == {"t": 0.002, "x": 0.5}
    assert header.sources["scale.t"] == "user"
    assert any("according to user" in warning for warning in header.warnings)


@pytest.mark.parametrize(
    "stated",
    [
        {"axes": ("t",)},
        {"axes": ("t", "t")},
        {"axes": ("T", "../x")},
        {"scale": {"x": 0.0}},
        {"scale": {"x": float("nan")}},
        {"scale": {"x": 1.0}, "unit": {"x": "pixel"}},
    ],
)
def test_statements_that_do_not_fit_are_refused(stated: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"; (give|use)"):
        stated_facts(2, **stated)


def test_a_header_read_from_its_own_json_is_the_same(
    write: Write, ramp: Ramp, olympus_text: Text
) -> None:
    path = write(ramp)
    first = header_of(path, vendor_text=olympus_text())
    payload: dict[str, JsonValue] = json.loads(dumps(first.to_json()))
    second = header_of(path, sidecar_header=payload)
    assert second.axes == first.axes
    assert second.scale == first.scale
    assert second.unit == first.unit
    assert second.acquired_local_epoch_ns == first.acquired_local_epoch_ns
    assert second.bits_per_pixel == first.bits_per_pixel
    assert second.sources["scale.t"] == "sidecar"


def test_a_payload_of_another_shape_is_not_used(write: Write, ramp: Ramp) -> None:
    payload: dict[str, JsonValue] = {
        "shape": [61, 7], "voxels": [0.001, 0.3], "voxels_units": ["s", "um"],
    }  # fmt: skip
    header = header_of(write(ramp), sidecar_header=payload)
    assert header.scale == {"y": None, "x": None}
    assert "shape [61, 7]" in header.warnings[0]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"voxels": "x", "voxels_units": 3},
        {"voxels": [1, 1], "voxels_units": ["px", "px"]},
        {"voxels": [0.001], "voxels_units": ["s"]},
        {"axes": [1, 2], "scale": {"t": "fast"}, "unit": {"t": None}},
        {"axes": ["t", "t"], "scale": [], "unit": 1, "acquired_local_epoch_ns": "noon"},
        {"acquired_local_epoch_ns": 10**30, "bits_per_pixel": 10**12},
    ],
)
def test_payloads_that_make_no_sense_are_ignored(
    write: Write, ramp: Ramp, payload: dict[str, JsonValue]
) -> None:
    header = header_of(write(ramp), sidecar_header=payload)
    assert header.axes == ("y", "x")
    assert header.scale == {"y": None, "x": None}
    assert header.acquired_local_epoch_ns is None


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"scale": {"t": 1.134}, "unit": {"t": "Hz"}}, "'1.134' 'Hz', cannot be interpreted"),
        ({"scale": {"t": "1,134"}, "unit": {"t": "ms"}}, "'1,134' 'ms', cannot be interpreted"),
        ({"scale": {"t": -1}, "unit": {"t": "s"}}, "'-1' 's', cannot be interpreted"),
        ({"scale": {"t": 1}, "unit": {"t": "um"}}, "cannot be interpreted as a time"),
        ({"scale": {"t": 0.001}}, "0.001, has no unit"),
        ({"scale": {"t": True}, "unit": {"t": "s"}}, "is not a number"),
        ({"scale": [0.001, 0.3], "unit": ["s", "um"]}, "are not objects"),
        ({"voxels": [0.3], "voxels_units": ["um"]}, "are not 2 numbers"),
        ({"voxels": [0.001, 0.3], "voxels_units": ["fps", "um"]}, "'0.001' 'fps'"),
        ({"voxels": [1, 1], "voxels_units": ["s", "s"]}, "several units of time"),
        ({"axes": "tx"}, "'axes' cannot be interpreted"),
        ({"axes": [0, 1]}, "'axes' cannot be interpreted"),
        ({"acquired_local_epoch_ns": "2025-07-22"}, "'acquired_local_epoch_ns' cannot be"),
        ({"bits_per_pixel": "12"}, "'bits_per_pixel' cannot be interpreted"),
        ({"bits_per_pixel": -1}, "'bits_per_pixel' cannot be interpreted"),
        (["t", "x"], "header is not an object"),
    ],
)
def test_what_a_payload_states_but_cannot_be_read_is_a_warning(
    header: JsonValue, says: str
) -> None:
    facts = read_payload_header(header, shape=(60, 7))
    assert not {"t", "y"}.intersection(facts.steps)
    assert (facts.acquired_local_epoch_ns, facts.bits_per_pixel) == (None, None)
    assert says in facts.warnings[0]


def test_a_payload_may_give_numbers_as_text() -> None:
    facts = read_payload_header(
        {"scale": {"t": "1.134", "x": "0,331"}, "unit": {"t": "ms", "x": "um"}}, shape=(60, 7)
    )
    assert {axis: step.value for axis, step in facts.steps.items()} == {"t": 0.001134, "x": 0.331}


@pytest.mark.parametrize("number", ["1e999999999", "-1e999999999", "1e-999999999", "1e400", "nan",
                                    "Infinity", "0", "-1", "1_0 0", ""])  # fmt: skip
def test_absurd_quantities_are_none(number: str) -> None:
    assert quantity(number, "m") is None


@given(
    st.floats(allow_nan=True) | st.text(max_size=10),
    st.sampled_from(["um", "µm", "s", "ms", "", "pixel", "nm", "m"]),
)
def test_quantities_are_positive_and_finite_or_none(value: str | float, unit: str) -> None:
    found = quantity(value, unit)
    if found is not None:
        assert 0 < found.value < float("inf")
        assert found.unit in {"s", "um"}
