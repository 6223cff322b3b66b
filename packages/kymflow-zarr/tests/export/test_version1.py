"""Exports of version 1, where CSV was the only form of a table, come back exactly."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kymflow_zarr import ExportError, IngestError, ZarrDataset

CheckEqual = Callable[[ZarrDataset, ZarrDataset], None]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A dataset with a table of every type, and its export, both written by 0.1.0."""
    with zipfile.ZipFile(Path(__file__).parents[1] / "data" / "export-1.zip") as archive:
        archive.extractall(tmp_path)
    return tmp_path


def test_everything_comes_back(place: Path, check_equal: CheckEqual) -> None:
    twin = ZarrDataset(place / "twin.zarr")
    twin.ingest_legacy_folder(place / "export")
    check_equal(ZarrDataset(place / "dataset.zarr", "r"), twin)
    assert twin.check(deep=True) == []


def test_an_altered_csv_costs_its_table_there(place: Path) -> None:
    path = place / "export/tables/types.csv"
    path.write_bytes(path.read_bytes() + b"\n")
    twin = ZarrDataset(place / "twin.zarr")
    with pytest.raises(IngestError, match="not the file that was exported"):
        twin.ingest_legacy_folder(place / "export")
    assert twin.list_table_names() == ["lists"]


def test_exporting_again_makes_it_one_of_this_version(place: Path, check_equal: CheckEqual) -> None:
    dataset = ZarrDataset(place / "dataset.zarr", "r")
    report = dataset.export_legacy_folder(place / "export")
    assert report.files_kept == ()
    manifest = json.loads((place / "export/kymflow_export.json").read_text("utf-8"))
    assert manifest["version"] == 2
    assert dataset.export_legacy_folder(place / "export").files_written == 0
    twin = ZarrDataset(place / "twin.zarr")
    twin.ingest_legacy_folder(place / "export")
    check_equal(dataset, twin)


def test_a_good_copy_of_version_1_outlives_the_damage(place: Path, check_equal: CheckEqual) -> None:
    whole = ZarrDataset(place / "whole.zarr")
    whole.ingest_legacy_folder(place / "export")
    (root,) = (place / "dataset.zarr/images").iterdir()
    for path in (
        root / "analysis/flow/trace.parquet",
        root / "analysis/old.csv.gz",
        place / "dataset.zarr/tables/types.parquet",
    ):
        path.write_bytes(b"PAR1")
    with pytest.raises(ExportError) as caught:
        ZarrDataset(place / "dataset.zarr", "r").export_legacy_folder(place / "export")
    assert len(caught.value.failures) == 3
    rescued = ZarrDataset(place / "rescued.zarr")
    rescued.ingest_legacy_folder(place / "export")
    check_equal(whole, rescued)
