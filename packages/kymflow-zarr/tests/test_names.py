"""Names are checked, not mended."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from kymflow_zarr import InvalidNameError, ZarrDataset, ZarrImageRecord

REFUSED = [
    ("a b", "letters, digits"),
    ("../x", "could leave its folder"),
    ("x/../y", "could leave its folder"),
    ("/etc/passwd", "empty part"),
    ("C:\\x", "letters, digits"),
    ("CON", "reserved device name"),
    ("lpt1.json", "reserved device name"),
    ("sub/aux", "reserved device name"),
    ("", "empty part"),
    ("a//b", "empty part"),
    ("x" * 300, "longer than"),
    ("/".join(["x" * 99, "y" * 99, "z"]), "longer than 200"),
    ("x" * 121, "longer than 120"),
    ("a\0b", "letters, digits"),
    ("dot.", "ends with a dot"),
    (".hidden", "letters, digits"),
    ("naïve", "letters, digits"),
    ("a.json/b", "ends like an artifact's file"),
]


@pytest.fixture
def record(dataset: ZarrDataset) -> ZarrImageRecord:
    return dataset.add_image(np.ones((2, 3), np.uint8), axes=("t", "x"))


@pytest.mark.parametrize("name", ["x" * 120, "/".join(["x" * 99, "y" * 98, "z"])])
def test_the_longest_names_are_taken(record: ZarrImageRecord, name: str) -> None:
    assert record.save_json(name, {}).endswith(f"{name}.json")


@pytest.mark.parametrize(("name", "reason"), REFUSED)
def test_refused_with_its_reason(
    dataset: ZarrDataset, record: ZarrImageRecord, name: str, reason: str
) -> None:
    frame = pd.DataFrame({"a": [1]})
    for refuse in (
        lambda: record.save_json(name, {}),
        lambda: record.save_df_parquet(name, frame),
        lambda: record.load_json(name),
        lambda: dataset.save_table(name, frame),
        lambda: dataset.load_table(name),
    ):
        with pytest.raises(InvalidNameError) as caught:
            refuse()
        assert reason in caught.value.reason
        assert caught.value.name == name
    assert record.list_analysis_keys() == [
        f"images/{record.image_id}/analysis/provenance.json",
    ]
    assert dataset.list_table_names() == []


def test_what_windows_reserves_is_refused_and_what_only_looks_like_it_is_not() -> None:
    digits = [f"{device}{digit}" for device in ("com", "LPT") for digit in range(10)]
    dataset = ZarrDataset(MemoryStore())
    for name in ["con", "PRN", "Aux", "nul", *digits, "nul.txt", "com1.a.b", "a/con"]:
        with pytest.raises(InvalidNameError, match="reserved device name"):
            dataset.tables.delete(name)
    for name in ["con1", "com", "com10", "lpt_1", "a.con", "xcom1"]:
        assert not dataset.tables.delete(name)


@pytest.mark.parametrize("image_id", ["../x", "a/b", "", "..", "x" * 121])
def test_image_ids_are_names_too(dataset: ZarrDataset, image_id: str) -> None:
    with pytest.raises(InvalidNameError):
        dataset.record(image_id)


def test_a_copy_of_an_image_under_a_name_that_is_none_is_no_image(disk: ZarrDataset) -> None:
    image_id = disk.add_image(np.ones((2, 3), np.uint8)).image_id
    images = Path(disk.location, "images")
    for name in (f"{image_id} (copy)", "con", "é"):
        shutil.copytree(images / image_id, images / name)
    assert list(disk) == list(ZarrDataset(disk.location)) == [image_id]


def test_names_that_differ_only_in_case_are_refused(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    frame = pd.DataFrame({"a": [1]})
    record.save_json("Velocity/params", {})
    record.save_array_artifact("Scores", np.ones(3))
    dataset.save_table("Table", frame)
    for refuse in (
        lambda: record.save_json("velocity/params", {}),
        lambda: record.save_json("Velocity/PARAMS", {}),
        lambda: record.save_df_parquet("velocity/trace", frame),
        lambda: record.save_array_artifact("scores", np.ones(3)),
        lambda: dataset.save_table("table", frame),
    ):
        with pytest.raises(InvalidNameError, match="only in case"):
            refuse()
    record.save_json("Velocity/params", {"again": True})
    assert record.load_json("Velocity/params") == {"again": True}


@given(st.text(max_size=130))
def test_a_name_passes_exactly_if_it_fits_the_rule(name: str) -> None:
    segments = name.split("/")
    fits = (
        name != "sources"  # the one table that is not written by name
        and all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}", part) for part in segments)
        and not any(part.endswith(".") for part in segments)
        and not any(
            re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", part, re.IGNORECASE)
            for part in segments
        )
        and not any(
            folder.lower().endswith((".json", ".gz", ".parquet", ".csv", ".npy", ".tif"))
            for folder in segments[:-1]
        )
    )
    table = pd.DataFrame({"a": [1]})
    dataset = ZarrDataset(MemoryStore())
    if fits:
        dataset.save_table(name, table)
        assert dataset.list_table_names() == [name]
    else:
        with pytest.raises(InvalidNameError):
            dataset.save_table(name, table)
