"""Export → ingest gives equal pixels, JSON, arrays and tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import tifffile
from zarr.storage import MemoryStore

from kymflow_zarr import ZarrDataset

CheckEqual = Callable[[ZarrDataset, ZarrDataset], None]
ReadFiles = Callable[[Path], dict[str, bytes]]


@pytest.mark.parametrize("table_format", ["csv", "parquet"])
def test_everything_comes_back(
    full: ZarrDataset,
    tmp_path: Path,
    check_equal: CheckEqual,
    table_format: Literal["csv", "parquet"],
) -> None:
    report = full.export_legacy_folder(tmp_path / "export", table_format=table_format)
    assert report.image_ids == tuple(full.list_image_ids())
    assert report.table_names == ("kym_length", "notes")
    other = ZarrDataset(MemoryStore())
    assert sorted(other.ingest_legacy_folder(tmp_path / "export")) == full.list_image_ids()
    check_equal(full, other)
    assert other.check(deep=True) == []


def test_images_of_every_shape_come_back(
    shapes: ZarrDataset, tmp_path: Path, check_equal: CheckEqual
) -> None:
    shapes.export_legacy_folder(tmp_path / "export")
    other = ZarrDataset(MemoryStore())
    other.ingest_legacy_folder(tmp_path / "export")
    check_equal(shapes, other)
    assert other.check(deep=True) == []


def test_the_layout_is_the_one_that_the_page_describes(
    full: ZarrDataset, tmp_path: Path, files: ReadFiles
) -> None:
    full.export_legacy_folder(tmp_path / "export")
    image_id = full.list_image_ids()[0]
    found = files(tmp_path / "export")
    assert {path for path in found if image_id in path} == {
        f"images/{image_id}/{name}"
        for name in (
            "_files.json",
            "array_artifacts/mask.npy",
            "array_artifacts/scores.npy",
            "image.tif",
            "metadata.json",
            "old.csv",
            "old.csv.gz",
            "provenance.json",
            "velocity/params.json",
            "velocity/trace.csv",
            "velocity/trace.csv.gz",
            "velocity/trace.parquet",
        )
    }
    assert {path for path in found if "images/" not in path} == {
        "kymflow_export.json",
        "tables/kym_length.csv",
        "tables/kym_length.parquet",
        "tables/notes.csv",
        "tables/notes.parquet",
    }
    full.export_legacy_folder(tmp_path / "export", table_format="parquet")
    assert set(files(tmp_path / "export")) == {path for path in found if not path.endswith(".csv")}


def test_what_the_files_hold_is_plain(full: ZarrDataset, tmp_path: Path) -> None:
    full.export_legacy_folder(tmp_path / "export")
    image_id = full.list_image_ids()[0]
    folder = tmp_path / "export" / "images" / image_id
    params = json.loads((folder / "velocity/params.json").read_text("utf-8"))
    assert params == full.record(image_id).load_json("velocity/params")
    trace = (folder / "velocity/trace.csv").read_text("utf-8")
    assert trace == (
        '"time","label","kind","count"\n0,"\'=cmd()","b",1\n0.1,"","a",\n,,,1152921504606846976\n'
    )
    assert (folder / "old.csv").read_text("utf-8") == ('"v","w"\n"-1.5","\'@x"\n"2.0","\'\'y"\n')
    for name in ("velocity/trace.parquet", "old.csv.gz"):
        key = f"images/{image_id}/analysis/{name}"
        if not full.location.startswith("memory"):
            assert (folder / name).read_bytes() == Path(full.location, key).read_bytes()


def test_what_it_came_from_comes_along(
    disk: ZarrDataset, folder: Path, tmp_path: Path, check_equal: CheckEqual
) -> None:
    disk.refresh_from_folder(folder)
    disk.export_legacy_folder(tmp_path / "export")
    assert (tmp_path / "export/tables/sources.csv").read_text("utf-8").count("\n") == 4
    other = ZarrDataset(tmp_path / "other.zarr")
    other.ingest_legacy_folder(tmp_path / "export")
    check_equal(disk, other)
    # The folder of recordings has nothing new for it, either.
    assert other.refresh_from_folder(folder) == []
    assert other.check(deep=True) == []


def test_an_export_of_an_export_is_the_same(
    full: ZarrDataset, tmp_path: Path, files: ReadFiles
) -> None:
    full.export_legacy_folder(tmp_path / "one")
    other = ZarrDataset(MemoryStore())
    other.ingest_legacy_folder(tmp_path / "one")
    other.export_legacy_folder(tmp_path / "two")
    one, two = files(tmp_path / "one"), files(tmp_path / "two")
    assert one.keys() == two.keys()
    differing = {
        Path(path).name for path in one if one[path] != two[path] and not path.endswith(".parquet")
    }
    assert differing <= {"_files.json", "kymflow_export.json"}  # they name the dataset


def test_a_table_of_any_type_has_a_csv_for_people(disk: ZarrDataset, tmp_path: Path) -> None:
    disk.save_table("lists", pd.DataFrame({"v": [[1, 2], [3]]}))
    disk.save_table("empty", pd.DataFrame({}))
    report = disk.export_legacy_folder(tmp_path / "export")
    assert report.table_names == ("empty", "lists")
    assert (tmp_path / "export/tables/lists.csv").read_text("utf-8") == '"v"\n"[1, 2]"\n"[3]"\n'
    assert (tmp_path / "export/tables/empty.csv").read_text("utf-8") == ""
    other = ZarrDataset(MemoryStore())
    other.ingest_legacy_folder(tmp_path / "export")
    assert other.load_arrow_table("lists").equals(disk.load_arrow_table("lists"))


def test_a_csv_that_cannot_be_made_is_left_out(
    disk: ZarrDataset, tmp_path: Path, check_equal: CheckEqual
) -> None:
    import pyarrow as pa

    record = disk.add_image(np.zeros((2, 2), np.uint8), axes=("t", "x"))
    record.save_df_csv_gz("broken", pd.DataFrame({"v": ["x" * 200_000]}))
    disk.save_table("ages", pa.table({"v": pa.array([[-(2**52)]], pa.list_(pa.timestamp("s")))}))
    disk.export_legacy_folder(tmp_path / "export")
    folder = tmp_path / "export/images" / record.image_id
    assert not (folder / "broken.csv").exists()
    assert [path.name for path in (tmp_path / "export/tables").iterdir()] == ["ages.parquet"]
    other = ZarrDataset(MemoryStore())
    other.ingest_legacy_folder(tmp_path / "export")
    assert other.load_arrow_table("ages").equals(disk.load_arrow_table("ages"))
    twin = other.record(record.image_id).load_df_csv_gz("broken")
    pd.testing.assert_frame_equal(twin, record.load_df_csv_gz("broken"))


def test_some_images_only(full: ZarrDataset, tmp_path: Path) -> None:
    wanted = full.list_image_ids()[:2]
    report = full.export_legacy_folder(tmp_path / "export", image_ids=wanted, include_tables=False)
    assert report.image_ids == tuple(wanted)
    other = ZarrDataset(MemoryStore())
    assert sorted(other.ingest_legacy_folder(tmp_path / "export")) == wanted
    assert other.list_table_names() == []
    with pytest.raises(KeyError, match="no image 'nobody'"):
        full.export_legacy_folder(tmp_path / "third", image_ids=["nobody"])


def test_a_read_only_dataset_can_be_exported(pair: ZarrDataset, tmp_path: Path) -> None:
    report = pair.as_read_only().export_legacy_folder(tmp_path / "export")
    assert len(report.image_ids) == 2


def test_the_real_kymographs(shared: Path, tmp_path: Path, check_equal: CheckEqual) -> None:
    dataset = ZarrDataset(tmp_path / "a.zarr")
    dataset.ingest_legacy_folder(shared)
    dataset.export_legacy_folder(tmp_path / "export")
    for record in dataset.iter_records():
        path = tmp_path / "export/images" / record.image_id / "image.tif"
        assert (tifffile.imread(path) == record.load_array()).all()
    other = ZarrDataset(tmp_path / "b.zarr")
    other.ingest_legacy_folder(tmp_path / "export")
    check_equal(dataset, other)
