"""What Prairie View, ThorImage and Micro-Manager write beside their images."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from kymflow_zarr import ZarrDataset
from kymflow_zarr._readers.facts import Facts
from kymflow_zarr._readers.headers.micro_manager import MicroManagerHeader, read_micro_manager
from kymflow_zarr._readers.headers.prairie import PrairieHeader, read_prairie
from kymflow_zarr._readers.headers.thor import ThorHeader, read_thor
from kymflow_zarr._readers.units import Quantity
from kymflow_zarr.testing import check_header_reader

Ramp = npt.NDArray[np.uint16]

STEM = "LineScan-07222025-1213-001"
PRAIRIE_IMAGE = STEM + "_Cycle00001_Ch{}_000001.ome.tif"


def prairie(
    *,
    date: str = "7/22/2025 12:13:14 PM",
    kind: str = "Linescan",
    period: str = "0.001134",
    time: str = "",
) -> str:
    files = "".join(
        f'<File channel="{number}" channelName="Ch{number}" filename="{PRAIRIE_IMAGE}"/>'.format(
            number
        )
        for number in (2, 1)
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><PVScan version="5.5.64.500" date="{date}">'
        '<PVStateShard><PVStateValue key="micronsPerPixel"><IndexedValue index="XAxis" '
        'value="0.331"/><IndexedValue index="YAxis" value="0.5"/></PVStateValue>'
        '<PVStateValue key="scanLinePeriod" value="0.5"/><PVStateValue key="bitDepth" value="13"/>'
        f'</PVStateShard><Sequence type="{kind}" cycle="1"{time}><Frame index="1">{files}'
        f'<PVStateShard><PVStateValue key="scanLinePeriod" value="{period}"/>'
        '<PVStateValue key="framePeriod" value="0.45"/><PVStateValue key="dwellTime" value="4.0"/>'
        "</PVStateShard></Frame></Sequence></PVScan>"
    )


PRAIRIE_4 = (
    '<PVScan version="4.3.2.24" date="7/22/2025 12:13:14 PM"><Sequence type="Linescan"><Frame>'
    f'<File channel="1" channelName="Red" filename="{PRAIRIE_IMAGE.format(1)}"/><PVStateShard>'
    '<Key key="micronsPerPixel_XAxis" value="0.331"/><Key key="scanlinePeriod" value="0.001134"/>'
    '<Key key="objectiveLens" value="Olympus 20X"/></PVStateShard></Frame></Sequence></PVScan>'
)


def thor(*, mode: str = "2", rate: str = "14.7", size: str = "0.523") -> str:
    return (
        '<?xml version="1.0"?><ThorImageExperiment><Date date="07/30/2020 14:00:43"/>'
        '<Software version="4.0.2020.2171"/><Magnification mag="16" name="N16XLWD-PF"/>'
        f'<LSM name="GalvoGalvo" areaMode="{mode}" channel="5" pixelX="7" pixelY="60" '
        f'pixelSizeUM="{size}" dwellTime="2.0" frameRate="{rate}"/></ThorImageExperiment>'
    )


def micro_manager(*, times: tuple[float, ...] = (0.0, 10.0, 20.0)) -> dict[str, Any]:
    frames = {
        f"FrameKey-{number}-0-0": {
            "PixelSizeUm": 0.331,
            "ElapsedTime-ms": time,
            "ChannelIndex": 0,
            "SliceIndex": 0,
            "Core-Camera": "Andor",
        }
        for number, time in enumerate(times)
    }
    summary = {
        "PixelSize_um": 0.331,
        "Interval_ms": 0,
        "ChNames": ["GFP"],
        "BitDepth": 14,
        "StartTime": "2020-01-10 12:13:14.620 -0800",
        "MicroManagerVersion": "2.0.0",
    }
    return {"Summary": summary, **frames}


def stated(facts: Facts | None) -> dict[str, float]:
    """The steps; the facts must be there."""
    assert facts is not None
    return {axis: step.value for axis, step in facts.steps.items()}


# --- whole folders


@pytest.fixture
def ingest(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """``ingest(images, header, text)``: the header of the one image that comes of it."""

    def ingest(images: dict[str, npt.NDArray[Any]], header: str, text: str) -> dict[str, Any]:
        folder = tmp_path / "recording"
        folder.mkdir()
        for name, pixels in images.items():
            tifffile.imwrite(folder / name, pixels, metadata=None, photometric="minisblack")
        (folder / header).write_text(text)
        dataset = ZarrDataset(tmp_path / "d.zarr")
        (image_id,) = dataset.refresh_from_folder(folder)
        read: Any = dataset.record(image_id).load_metadata_payload()["header"]
        return dict(read)

    return ingest


@pytest.mark.parametrize("name", [f"{STEM}.xml", f"{STEM}.XML"])
def test_a_prairie_line_scan(ingest: Callable[..., dict[str, Any]], ramp: Ramp, name: str) -> None:
    images = {PRAIRIE_IMAGE.format(1): ramp, PRAIRIE_IMAGE.format(2): ramp}
    header = ingest(images, name, prairie())
    assert (header["axes"], header["shape"]) == (["c", "t", "x"], [2, 60, 7])
    assert header["scale"] == {"c": None, "t": 0.001134, "x": 0.331}
    assert [channel["name"] for channel in header["channels"]] == ["Ch1", "Ch2"]
    assert np.datetime64(header["acquired_local_epoch_ns"], "ns") == np.datetime64(
        "2025-07-22T12:13:14"
    )
    assert (header["bits_per_pixel"], header["vendor"]["dwell_time_us"]) == (13, 4.0)
    assert header["warnings"] == []


def test_a_thor_line_scan(ingest: Callable[..., dict[str, Any]], ramp: Ramp) -> None:
    name = "Chan{}_0001_0001_0001_0001.tif"
    images = {name.format("A"): ramp, name.format("C"): ramp}
    header = ingest(images, "Experiment.xml", thor())
    assert header["axes"] == ["c", "t", "x"]
    assert header["scale"]["x"] == 0.523
    assert header["scale"]["t"] == pytest.approx(1 / 14.7 / 60)
    assert [channel["name"] for channel in header["channels"]] == ["ChanA", "ChanC"]
    (warning,) = header["warnings"]
    assert "line period" in warning


def test_a_document_that_comes_later_is_a_change(tmp_path: Path, ramp: Ramp) -> None:
    folder = tmp_path / "recording"
    folder.mkdir()
    path = folder / PRAIRIE_IMAGE.format(1)
    tifffile.imwrite(path, ramp, metadata=None, photometric="minisblack")
    dataset = ZarrDataset(tmp_path / "d.zarr")
    dataset.refresh_from_folder(folder)
    assert dataset.plan_refresh(folder).changed == ()
    (folder / f"{STEM}.xml").write_text(prairie())
    assert len(dataset.plan_refresh(folder).changed) == 1


def test_a_micro_manager_stack(ingest: Callable[..., dict[str, Any]]) -> None:
    stack = np.zeros((3, 6, 5), np.uint16)
    text = json.dumps(micro_manager())
    header = ingest({"cell_MMStack.ome.tif": stack}, "cell_MMStack_metadata.txt", text)
    assert (header["scale"]["x"], header["scale"]["y"]) == (0.331, 0.331)
    assert [channel["name"] for channel in header["channels"]] == ["GFP"]
    assert (header["bits_per_pixel"], header["vendor"]["scan_device"]) == (14, "Andor")


@pytest.mark.parametrize(
    ("reader", "image", "header", "text"),
    [
        (PrairieHeader(), PRAIRIE_IMAGE.format(1), f"{STEM}.xml", prairie()),
        (ThorHeader(), "ChanA_0001_0001_0001_0001.tif", "Experiment.xml", thor()),
        (MicroManagerHeader(), "img_000000000.tif", "metadata.txt", json.dumps(micro_manager())),
    ],
)
def test_they_keep_the_rules_of_readers(
    tmp_path: Path, reader: object, image: str, header: str, text: str
) -> None:
    (tmp_path / image).write_bytes(b"")
    (tmp_path / header).write_text(text)
    assert check_header_reader(reader, tmp_path / image, shape=(60, 7)) == []


# --- Prairie View


def test_prairie_before_version_5() -> None:
    facts = read_prairie(PRAIRIE_4, PRAIRIE_IMAGE.format(1))
    assert stated(facts) == {"t": 0.001134, "x": 0.331}
    assert facts is not None
    assert facts.vendor["objective"] == "Olympus 20X"


def test_a_prairie_sequence_has_its_own_time() -> None:
    text = prairie(time=' time="12:20:01.1250000"')
    facts = read_prairie(text, PRAIRIE_IMAGE.format(1))
    assert facts is not None
    assert facts.acquired_local_epoch_ns is not None
    assert np.datetime64(facts.acquired_local_epoch_ns, "ns") == np.datetime64(
        "2025-07-22T12:20:01.125"
    )


def test_prairie_frames_are_not_lines() -> None:
    text = prairie(kind="TSeries Timed Element")
    facts = read_prairie(text, PRAIRIE_IMAGE.format(1), pages=True)
    assert stated(facts) == {"t": 0.45, "x": 0.331, "y": 0.5}
    assert facts is not None
    assert not facts.line_scan
    assert "t" not in stated(read_prairie(text, PRAIRIE_IMAGE.format(1))), "one frame has no step"


def test_the_time_between_prairie_frames_is_as_measured() -> None:
    file = f'<File filename="{PRAIRIE_IMAGE.format(1)}"/>'
    frames = "".join(f'<Frame relativeTime="{0.9 * number}">{file}</Frame>' for number in range(4))
    shard = '<PVStateShard><PVStateValue key="framePeriod" value="0.45"/></PVStateShard>'
    text = f'<PVScan date="">{shard}<Sequence type="TSeries">{frames}</Sequence></PVScan>'
    facts = read_prairie(text, PRAIRIE_IMAGE.format(1), pages=True)
    assert stated(facts)["t"] == pytest.approx(0.9)


def test_numbers_of_pixels_that_are_not_those_of_the_image_are_warnings(
    ingest: Callable[..., dict[str, Any]], ramp: Ramp
) -> None:
    state = '<PVStateValue key="linesPerFrame" value="512"/><PVStateValue key="bitDepth"'
    text = prairie().replace('<PVStateValue key="bitDepth"', state)
    header = ingest({PRAIRIE_IMAGE.format(1): ramp}, f"{STEM}.xml", text)
    assert "prairie_xml describes 512 pixels along 't', the image has 60" in header["warnings"]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (prairie(period="-0.001134"), "Prairie View's scanlineperiod, '-0.001134'"),
        (prairie(date="yesterday"), "Prairie View's date"),
        (prairie().replace(PRAIRIE_IMAGE.format(1), "other.tif"), "does not name"),
        (prairie()[:-20], "is not XML"),
        (
            prairie().replace(
                '"0.45"/>', '"0.9072"/><PVStateValue key="linesPerFrame" value="400"/>'
            ),
            "400 lines of 0.001134 s take 0.4536 s, but a frame takes 0.9072 s",
        ),
    ],
)
def test_what_prairie_does_not_say_for_sure_is_a_warning(text: str, warning: str) -> None:
    facts = read_prairie(text, PRAIRIE_IMAGE.format(1))
    assert facts is not None
    assert any(warning in one for one in facts.warnings), facts.warnings


# --- ThorImage and Micro-Manager


def test_thor_frames_are_not_lines() -> None:
    facts = read_thor(thor(mode="0"))
    assert stated(facts) == {"x": 0.523, "y": 0.523}
    assert facts is not None
    assert not facts.line_scan


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('frameRate="14.7"', 'frameRate="1,722"', "frame rate '1,722' cannot be interpreted"),
        ('areaMode="2"', 'areaMode="2" averageMode="1" averageNum="4"', "averaged 4 frames"),
        ("pixelSizeUM", 'widthUM="36.61" pixelSizeUM', "its pixels are 3.661 um together, but"),
    ],
)
def test_what_thor_does_not_say_for_sure_is_a_warning(old: str, new: str, says: str) -> None:
    facts = read_thor(thor().replace(old, new))
    assert facts is not None
    assert facts.steps["x"] == facts.steps["y"] == Quantity(value=0.523, unit="um")
    assert any(says in warning for warning in facts.warnings), facts.warnings


def test_a_document_with_decimal_commas_proves_them() -> None:
    text = re.sub(r'value="(\d+)\.', r'value="\1,', prairie().replace("0.331", "1.331"))
    facts = read_prairie(text, PRAIRIE_IMAGE.format(1))
    assert stated(facts)["t"] == 0.001134
    assert stated(facts)["x"] == 1.331


def test_a_preview_of_thor_is_not_described(tmp_path: Path) -> None:
    (tmp_path / "ChanA_Preview.tif").write_bytes(b"")
    (tmp_path / "Experiment.xml").write_text(thor())
    found = check_header_reader(ThorHeader(), tmp_path / "ChanA_Preview.tif", shape=(60, 7))
    assert found == ["it finds no header beside 'ChanA_Preview.tif'"]


@pytest.mark.parametrize(
    ("times", "step"), [((0.0, 10.0, 20.0), 0.01), ((0.0, 10.0, 40.0), None), ((0.0,), None)]
)
def test_micro_manager_frames_are_steady_or_have_no_step(
    times: tuple[float, ...], step: float | None
) -> None:
    facts = read_micro_manager(json.dumps(micro_manager(times=times)))
    assert stated(facts).get("t") == step
    assert facts is not None
    assert np.datetime64(facts.acquired_local_epoch_ns, "ns") == np.datetime64(
        "2020-01-10T12:13:14.620"
    )
    assert bool(facts.warnings) == (times == (0.0, 10.0, 40.0))


def test_micro_manager_that_gives_two_pixel_sizes_is_a_warning() -> None:
    document = micro_manager()
    document["Summary"]["PixelSize_um"] = 0.5
    facts = read_micro_manager(json.dumps(document))
    assert stated(facts)["x"] == 0.5
    assert facts is not None
    assert "a pixel is 0.5 um according to the summary, 0.331 um" in facts.warnings[0]


def test_micro_manager_that_was_cut_off_is_a_warning() -> None:
    facts = read_micro_manager(json.dumps(micro_manager())[:-30])
    assert facts is not None
    assert "cannot be read" in facts.warnings[0]


# --- hostile documents

READERS = [
    lambda text: read_prairie(text, PRAIRIE_IMAGE.format(1)),
    read_thor,
    read_micro_manager,
]
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "xxxxxxxx">'
    + "".join(f'<!ENTITY x{n} "{f"&x{n - 1};" * 9}">' for n in range(1, 12))
    + "]><PVScan>&x11;</PVScan>"
)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "text", [BOMB, "<a>" * 400_000, "<a/>" * 1_000_001, "", "\0", '{"Summary": ' * 90, "\ud800"]
)
def test_hostile_documents_are_warnings(read: Callable[[str], Facts | None], text: str) -> None:
    facts = read(text)
    assert facts is None or (facts.warnings and not facts.steps)


@given(st.data())
def test_damaged_documents_are_never_errors(data: st.DataObject) -> None:
    documents = [prairie(), PRAIRIE_4, thor(), json.dumps(micro_manager())]
    text = data.draw(st.sampled_from(documents))
    at = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 12))
    new = data.draw(
        st.one_of(st.text(max_size=6), st.sampled_from(["-1", "nan", "1e999", "9" * 5000]))
    )
    damaged = text[:at] + new + text[at + length :]
    for read in READERS:
        facts = read(damaged)
        for step in facts.steps.values() if facts else ():
            assert step.value > 0
