"""Files that were copied by hand: over another one, or beside themselves."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kymflow_zarr import CorruptDataError, ZarrDataset


@pytest.fixture
def two(disk: ZarrDataset) -> ZarrDataset:
    """Two images with a result each, and two tables."""
    for number in range(2):
        record = disk.add_image(np.full((4, 3), number), axes=("t", "x"))
        record.save_df_parquet("velocity/trace", pd.DataFrame({"v": [number]}))
        record.save_df_csv_gz("trace", pd.DataFrame({"v": [number]}))
        disk.save_table(f"t{number}", pd.DataFrame({"v": [number]}))
    assert disk.check(deep=True) == []
    return disk


def artifact(dataset: ZarrDataset, number: int, name: str) -> Path:
    image_id = dataset.list_image_ids()[number]
    return Path(dataset.location) / "images" / image_id / "analysis" / name


def test_a_table_of_another_image_is_not_taken_for_ones_own(two: ZarrDataset) -> None:
    name = "velocity/trace.parquet"
    shutil.copy(artifact(two, 0, name), artifact(two, 1, name))
    first, second = two.iter_records()
    first.load_df_parquet("velocity/trace")
    with pytest.raises(CorruptDataError, match=f"it is a copy of 'images/{first.image_id}/"):
        second.load_df_parquet("velocity/trace")
    (problem,) = two.check()
    assert problem.location.endswith(f"{second.image_id}/analysis/{name}")


def test_a_dataset_table_in_the_place_of_another(two: ZarrDataset) -> None:
    tables = Path(two.location) / "tables"
    shutil.copy(tables / "t0.parquet", tables / "t1.parquet")
    with pytest.raises(CorruptDataError, match=r"it is a copy of 'tables/t0\.parquet'"):
        two.load_table("t1")
    two.save_table("t1", two.load_table("t0"))
    assert not two.load_arrow_table("t1").schema.metadata
    assert two.check(deep=True) == []


def test_a_table_of_another_program_says_no_key_and_is_read(two: ZarrDataset) -> None:
    path = Path(two.location) / "tables" / "foreign.parquet"
    pd.DataFrame({"v": [1]}).to_parquet(path)
    assert two.load_table("foreign")["v"].tolist() == [1]
    assert [problem.kind for problem in two.check(deep=True)] == ["inventory"]
    two.repair()
    assert two.check(deep=True) == []


@pytest.mark.parametrize(
    "marker", [b"kymflow_zarr.crc32c", b"kymflow-crc32c:", rb"crc32c:[0-9a-f]"], ids=str
)
def test_damage_to_the_checksum_itself_is_found(two: ZarrDataset, marker: bytes) -> None:
    path = Path(two.location) / "tables" / "t0.parquet"
    good = path.read_bytes()
    for found in re.finditer(marker, good):
        for at in (found.start(), found.end() - 1):
            damaged = bytearray(good)
            damaged[at] ^= 0x40
            path.write_bytes(damaged)
            assert two.check(deep=True) != []
            with pytest.raises(CorruptDataError):
                two.load_table("t0")


@pytest.mark.parametrize(
    "place",
    [
        "zarr (copy).json",
        "images/zarr (copy).json",
        "images/{0}/zarr (copy).json",
        "images/{0}/data/chunk",
        "images/{0}/analysis/trace (copy).csv.gz",
        "images/{0}/analysis/velocity/trace (copy).parquet",
        "tables/t0 (copy).parquet",
        "tables/t0.txt",
        "tables/sub/nul.parquet",
    ],
)
def test_a_file_that_the_format_has_no_place_for_is_reported_and_harms_nothing(
    two: ZarrDataset, place: str
) -> None:
    key = place.format(two.list_image_ids()[0])
    path = Path(two.location) / key
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"{}")
    assert [(problem.location, problem.kind) for problem in two.check(deep=True)] == [
        (key, "unknown")
    ]
    assert two.list_table_names() == ["t0", "t1"]
    for record in two.iter_records():
        for artifact_key in record.list_analysis_keys():
            assert " " not in artifact_key


def test_an_image_folder_that_was_copied(two: ZarrDataset) -> None:
    images = Path(two.location) / "images"
    shutil.copytree(images / two.list_image_ids()[0], images / "of another")
    assert len(two.list_image_ids()) == 2
    assert [problem.kind for problem in two.check()] == ["unreadable"]


def test_legacy_csv_that_is_empty_or_there_twice(two: ZarrDataset) -> None:
    path = artifact(two, 0, "trace.csv.gz")
    record = two.record(two.list_image_ids()[0])
    good = path.read_bytes()
    for damaged in (b"", good + good, gzip.decompress(good)):
        path.write_bytes(damaged)
        assert [problem.kind for problem in two.check()] == ["unreadable"]
        with pytest.raises(CorruptDataError):
            record.load_df_csv_gz("trace")


@pytest.mark.parametrize("name", ["scores (copy)", "scores \u2013 Kopie"])
def test_a_copy_of_an_array_is_reported_and_is_not_an_artifact(
    disk: ZarrDataset, name: str
) -> None:
    record = disk.add_image(np.ones((4, 3), np.uint8), axes=("t", "x"))
    arrays = Path(disk.location, record.save_array_artifact("scores", np.arange(3.0))).parent
    shutil.copytree(arrays / "scores", arrays / name)
    assert record.list_array_artifacts() == ["scores"]
    key = f"images/{record.image_id}/analysis_arrays/{name}"
    found = [(problem.location, problem.kind) for problem in disk.check(deep=True)]
    assert found == [(key, "unknown")]
    assert disk.repair() == []
    shutil.rmtree(arrays / name)
    assert disk.check(deep=True) == []
