"""Which files are one image, what describes it, and sheets that are turned."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from kymflow_zarr import IngestError, IngestOptions, ZarrDataset
from kymflow_zarr._readers.channels import channel_number, group_channels, shared_stem
from kymflow_zarr.options import ChannelFiles

Text = Callable[..., str]
Ramp = npt.NDArray[np.uint16]

PRAIRIE = "LineScan-07222025-1213-001_Cycle00001_Ch{}_000001.ome.tif"


@pytest.fixture
def dataset(tmp_path: Path) -> ZarrDataset:
    return ZarrDataset(tmp_path / "d.zarr")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scans"
    made.mkdir()
    return made


def tif(path: Path, pixels: npt.NDArray[Any], **options: Any) -> None:
    tifffile.imwrite(path, pixels, metadata=None, photometric="minisblack", **options)


def two_channels(text: str) -> str:
    """An Olympus header with a second channel."""
    second = '"[Channel 2]"\t""\n"Channel Name"\t"RNDD3"\n"Dye Name"\t"TexasRed"\n'
    return text.replace('"1 [Ch]"', '"2 [Ch]"') + second


def images(dataset: ZarrDataset, folder: Path, **options: Any) -> list[tuple[str, ...]]:
    """The names of the files of each image that a refresh would make."""
    found = dataset.plan_refresh(folder, options=IngestOptions(**options)).new
    return [tuple(path.name for path in file.files) for file in found]


@pytest.mark.parametrize(
    "pair",
    [
        ("cell 05_C001T001.tif", "cell 05_C002T001.tif"),
        ("cell 05_C001Z001T001.tif", "cell 05_C002Z001T001.tif"),
        ("cell 05.oib - C=0.tif", "cell 05.oib - C=1.tif"),
        ("scan_C001.tif", "scan_C002.tif"),
        ("scan_ch1.tif", "scan_ch2.tif"),
        ("scan_ch00.tif", "scan_ch01.tif"),
        ("scan-c1.tif", "scan-c3.tif"),
        ("scan_t1c1.tif", "scan_t1c2.tif"),
        ("C1-scan.tif", "C2-scan.tif"),
        ("ChanA_0001_0001_0001_0001.tif", "ChanB_0001_0001_0001_0001.tif"),
        (PRAIRIE.format(1), PRAIRIE.format(2)),
        ("scan-w1GFP.tif", "scan-w2RFP.tif"),
        ("scan_w1GFP_s1_t1.TIF", "scan_w2RFP_s1_t1.TIF"),
    ],
)
def test_names_that_microscopes_give_channels(pair: tuple[str, str]) -> None:
    assert group_channels(reversed(pair)) == (pair,)


@pytest.mark.parametrize(
    "pair",
    [
        ("scan_C001T001.tif", "scan_C002T002.tif"),
        ("scan_C001Z001T001.tif", "scan_C002Z002T001.tif"),
        ("c1-mouse.tif", "c2-mouse.tif"),
        ("Channel1.tif", "Channel2.tif"),
        ("mouse_w1.tif", "mouse_w2.tif"),
        ("scan_w1GFP_s1.TIF", "scan_w2RFP_s2.TIF"),
        ("C1-a.tif", "C2-b.tif"),
        (PRAIRIE.format(1), PRAIRIE.format(2).replace("Cycle00001", "Cycle00002")),
    ],
)
def test_names_that_differ_in_more_are_two_images(pair: tuple[str, str]) -> None:
    assert group_channels(pair) == tuple((name,) for name in sorted(pair))


def test_what_channels_have_in_common() -> None:
    assert shared_stem("cell 05_C002T001.tif") == "cell 05"
    assert shared_stem("C1-scan.tif") == "scan"
    assert shared_stem("scan.tif") is None
    assert channel_number("ChanB_0001_0001.tif") == 2
    assert channel_number("scan_ch00.tif") == 0


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_two_names_are_in_one_group_each(first: str, second: str) -> None:
    names = {f"{first}.tif", f"{second}.tif"}
    grouped = [name for group in group_channels(names) for name in group]
    assert sorted(grouped) == sorted(names)


@pytest.mark.parametrize(
    ("names", "header"),
    [
        (("cell_C001T001.tif", "cell_C002T001.tif"), "cell.txt"),
        (("cell_C001Z001T001.tif", "cell_C002Z001T001.tif"), "cell.txt"),
        (("cell - C=0.tif", "cell - C=1.tif"), "cell.txt"),
        (("cell_C001.tif", "cell_C002.tif"), "cell_C001.txt"),
        (("C1-cell.tif", "C2-cell.tif"), "cell.txt"),
    ],
)
def test_one_header_describes_all_channels(
    dataset: ZarrDataset,
    folder: Path,
    ramp: Ramp,
    olympus_text: Text,
    names: tuple[str, str],
    header: str,
) -> None:
    tif(folder / names[0], ramp)
    tif(folder / names[1], ramp + 1000)
    (folder / header).write_text(two_channels(olympus_text()))
    (image_id,) = dataset.refresh_from_folder(folder)
    record = dataset.record(image_id)
    np.testing.assert_array_equal(record.load_array(), np.stack([ramp, ramp + 1000]))
    read: Any = record.load_metadata_payload()["header"]
    assert read["axes"] == ["c", "t", "x"]
    assert read["scale"] == {"c": None, "t": 0.001134, "x": 0.45}
    assert [channel["name"] for channel in read["channels"]] == ["RNDD2", "RNDD3"]


def test_a_channel_alone_is_described_too(
    dataset: ZarrDataset, folder: Path, ramp: Ramp, olympus_text: Text
) -> None:
    tif(folder / "cell_C002.tif", ramp)
    (folder / "cell.txt").write_text(two_channels(olympus_text()))
    (image_id,) = dataset.refresh_from_folder(folder)
    read: Any = dataset.record(image_id).load_metadata_payload()["header"]
    assert (read["axes"], read["scale"]["t"]) == (["t", "x"], 0.001134)
    assert [channel["dye"] for channel in read["channels"]] == ["TexasRed"]


def test_a_header_of_another_image_does_not_count(
    dataset: ZarrDataset, folder: Path, ramp: Ramp, olympus_text: Text
) -> None:
    tif(folder / "mouse.tif", ramp)
    tif(folder / "mouse_c1.tif", ramp)
    (folder / "mouse.txt").write_text(olympus_text())
    dataset.refresh_from_folder(folder)
    assert dataset.find("mouse.tif").get_axes() == ("t", "x")
    assert dataset.find("mouse_c1.tif").get_axes() == ("y", "x")


def test_an_accent_may_be_a_separate_character(
    dataset: ZarrDataset, folder: Path, ramp: Ramp, olympus_text: Text
) -> None:
    tif(folder / unicodedata.normalize("NFD", "Gefäß.tif"), ramp)
    (folder / unicodedata.normalize("NFC", "Gefäß.txt")).write_text(olympus_text())
    (image_id,) = dataset.refresh_from_folder(folder)
    assert dataset.record(image_id).get_axes() == ("t", "x")


@pytest.mark.parametrize("suffix", [".txt", ".json", ".metadata.json"])
def test_two_headers_are_two_recordings(
    dataset: ZarrDataset, folder: Path, ramp: Ramp, suffix: str
) -> None:
    for number in (1, 2):
        tif(folder / f"mouse_c{number}.tif", ramp)
        (folder / f"mouse_c{number}{suffix}").write_text("{}")
    assert images(dataset, folder) == [("mouse_c1.tif",), ("mouse_c2.tif",)]
    pattern = re.compile(r"_c(\d)")
    assert images(dataset, folder, channels=pattern) == [("mouse_c1.tif", "mouse_c2.tif")]


def test_different_shapes_are_two_recordings(
    dataset: ZarrDataset, folder: Path, ramp: Ramp
) -> None:
    tif(folder / "mouse_c1.tif", ramp)
    tif(folder / "mouse_c2.tif", ramp[:, :5])
    assert len(dataset.refresh_from_folder(folder)) == 2
    assert dataset.refresh_from_folder(folder, mode="reingest_if_changed") == []
    options = IngestOptions(channels=re.compile(r"_c(\d)"))
    with pytest.raises(IngestError, match="channels='off'"):
        ZarrDataset(folder.parent / "e.zarr").refresh_from_folder(folder, options=options)


def test_files_of_other_sizes_may_be_channels(
    dataset: ZarrDataset, folder: Path, ramp: Ramp
) -> None:
    tif(folder / "scan_c1.tif", ramp)
    tif(folder / "scan_c2.tif", ramp, description="a longer header")
    assert images(dataset, folder) == [("scan_c1.tif", "scan_c2.tif")]
    (folder / "scan_c2.tif").write_bytes(b"II*")
    assert images(dataset, folder) == [("scan_c1.tif", "scan_c2.tif")], "ingest says what is wrong"
    with pytest.raises(IngestError, match=r"scan_c2\.tif"):
        dataset.refresh_from_folder(folder)


@pytest.mark.parametrize("channels", ["off", re.compile(r"w(\d)")])
def test_a_person_says_what_channels_are(
    dataset: ZarrDataset, folder: Path, ramp: Ramp, channels: ChannelFiles
) -> None:
    for name in ["a_c1.tif", "a_c2.tif", "b-w1.tif", "b-w2.tif"]:
        tif(folder / name, ramp)
    grouped = [("b-w1.tif", "b-w2.tif")] if channels != "off" else [("b-w1.tif",), ("b-w2.tif",)]
    assert images(dataset, folder, channels=channels) == [("a_c1.tif",), ("a_c2.tif",), *grouped]


def test_results_of_further_channels_are_named(
    dataset: ZarrDataset, folder: Path, ramp: Ramp
) -> None:
    for number in (1, 2):
        tif(folder / f"scan_c{number}.tif", ramp)
        (folder / f"scan_c{number}.velocity.csv").write_text("v\n1\n")
    (image_id,) = dataset.refresh_from_folder(folder)
    read: Any = dataset.record(image_id).load_metadata_payload()["header"]
    (warning,) = read["warnings"]
    assert "'scan_c2.velocity.csv'" in warning


# --- time across


AXES = {"axes": ["x", "t"], "scale": {"t": 0.001134, "x": 0.45}, "unit": {"t": "s", "x": "um"}}


@pytest.mark.parametrize("said_by", ["sidecar", "user"])
def test_a_sheet_with_time_across_is_turned(
    dataset: ZarrDataset, folder: Path, ramp: Ramp, said_by: str
) -> None:
    tif(folder / "across.tif", np.ascontiguousarray(ramp.T))
    if said_by == "sidecar":
        (folder / "across.json").write_text(json.dumps({"header": AXES}))
    options = IngestOptions(axes=("x", "t") if said_by == "user" else None)
    (image_id,) = dataset.refresh_from_folder(folder, options=options)
    record = dataset.record(image_id)
    assert record.get_axes() == ("t", "x")
    np.testing.assert_array_equal(record.load_array(), ramp)
    read: Any = record.load_metadata_payload()["header"]
    assert (read["shape"], read["sources"]["axes"]) == ([60, 7], said_by)
    if said_by == "sidecar":
        assert read["scale"] == {"t": 0.001134, "x": 0.45}


@pytest.mark.parametrize("pages", [False, True])
def test_channels_with_time_across_are_turned(
    dataset: ZarrDataset, folder: Path, ramp: Ramp, pages: bool
) -> None:
    both = np.stack([ramp.T, ramp.T + 1000])
    if pages:
        tif(folder / "across.tif", both)
    else:
        tif(folder / "across_c1.tif", both[0])
        tif(folder / "across_c2.tif", both[1])
    options = IngestOptions(axes=("c", "x", "t") if pages else ("x", "t"))
    (image_id,) = dataset.refresh_from_folder(folder, options=options)
    record = dataset.record(image_id)
    assert record.get_axes() == ("c", "t", "x")
    np.testing.assert_array_equal(record.load_array(), np.stack([ramp, ramp + 1000]))


def test_axes_that_do_not_fit_are_an_error(dataset: ZarrDataset, folder: Path, ramp: Ramp) -> None:
    tif(folder / "a.tif", ramp)
    with pytest.raises(IngestError, match="do not name the 2 dimensions"):
        dataset.refresh_from_folder(folder, options=IngestOptions(axes=("c", "x", "t")))
