"""A dataset of format 1 is exported as it is, and its export becomes one of the current format."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import zarr

from kymflow_zarr import ExportError, ZarrDataset

IMAGE = "0a7f3c1e-1111-4222-8333-444455556666"
PIXELS = np.arange(700 * 19, dtype=np.uint16).reshape(700, 19)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Writes a dataset the way that prototypes did."""
    place = tmp_path / "old.zarr"
    root = zarr.create_group(place, zarr_format=2)
    root.attrs.update({"format": "kymflow_zarr_v1", "schema_version": 1})
    group = root.create_group(f"images/{IMAGE}")
    group.attrs.update({"axes": ["t", "x"], "created_utc": "2025-01-01T00:00:00+00:00"})
    group.create_array("data", shape=(700, 19), chunks=(512, 7), dtype="u2")[...] = PIXELS
    scores = group.create_array("analysis_arrays/scores", shape=(3,), chunks=(3,), dtype="f8")
    scores[...] = np.array([1.0, 2.0, 3.0])
    analysis = place / "images" / IMAGE / "analysis"
    (analysis / "velocity").mkdir(parents=True)
    payload = {"version": "1.0", "rois": [{"id": 1}], "header": {"voxels": [0.001, 0.3]}}
    (analysis / "metadata.json.gz").write_bytes(gzip.compress(json.dumps(payload).encode()))
    (analysis / "velocity/fit.json.gz").write_bytes(gzip.compress(b'{"from": "gz"}'))
    (analysis / "velocity/fit.json").write_text('{"from": "plain"}', encoding="utf-8")
    pd.DataFrame({"v": [1.5]}).to_csv(analysis / "trace.csv.gz", index=False)
    tables = place / "tables"
    tables.mkdir()
    pd.DataFrame({"image_id": [IMAGE], "v": [1]}).to_parquet(tables / "kym_x.parquet")
    pd.DataFrame(
        {
            "source_primary_path": [str(tmp_path / "a.tif")],
            "image_id": [IMAGE],
            "source_mtime_ns": [1],
            "source_size_bytes": [10],
            "ingested_epoch_ns": [5],
        }
    ).to_parquet(tables / "sources.parquet")
    return place


def test_it_becomes_a_dataset_of_the_current_format(old: Path, tmp_path: Path) -> None:
    dataset = ZarrDataset(old, mode="r")
    dataset.export_legacy_folder(tmp_path / "export")
    folder = tmp_path / "export/images" / IMAGE
    assert json.loads((folder / "velocity/fit.json").read_text("utf-8")) == {"from": "plain"}
    assert (folder / "trace.csv").read_text("utf-8") == '"v"\n"1.5"\n'
    new = ZarrDataset(tmp_path / "new.zarr")
    assert new.ingest_legacy_folder(tmp_path / "export") == [IMAGE]
    record, was = new.record(IMAGE), dataset.record(IMAGE)
    np.testing.assert_array_equal(record.load_array(), PIXELS)
    assert record.get_axes() == ("t", "x")
    assert record.load_metadata_payload() == was.load_metadata_payload()
    assert record.load_json("velocity/fit") == {"from": "plain"}
    np.testing.assert_array_equal(record.load_array_artifact("scores"), [1.0, 2.0, 3.0])
    pd.testing.assert_frame_equal(record.load_df_csv_gz("trace"), was.load_df_csv_gz("trace"))
    pd.testing.assert_frame_equal(new.load_table("kym_x"), dataset.load_table("kym_x"))
    pd.testing.assert_frame_equal(new.load_sources_index(), dataset.load_sources_index())
    assert new.check(deep=True) == []


def test_again_there_is_nothing_to_do(
    old: Path, tmp_path: Path, files: Callable[[Path], dict[str, bytes]]
) -> None:
    dataset = ZarrDataset(old, mode="r")
    dataset.export_legacy_folder(tmp_path / "export")
    before = files(tmp_path / "export")
    assert dataset.export_legacy_folder(tmp_path / "export").files_written == 0
    assert files(tmp_path / "export") == before


def test_a_chunk_that_does_not_decode_costs_the_pixels(old: Path, tmp_path: Path) -> None:
    (old / f"images/{IMAGE}/data/0.0").write_bytes(b"\x02\x01!\x02broken")
    with pytest.raises(ExportError) as caught:
        ZarrDataset(old, mode="r").export_legacy_folder(tmp_path / "export")
    assert set(caught.value.failures) == {f"images/{IMAGE}/data/0.0"}
    assert (tmp_path / f"export/images/{IMAGE}/trace.csv").exists()
