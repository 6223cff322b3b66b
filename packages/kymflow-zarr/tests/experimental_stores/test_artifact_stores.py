"""Both artifact stores keep the same promises; sidecars keep some more."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kymflow_zarr import (
    ArtifactNotFoundError,
    CorruptDataError,
    InvalidNameError,
    ZarrDataset,
)
from kymflow_zarr.experimental_stores import Artifact, ArtifactStore
from kymflow_zarr.experimental_stores.stores.sidecar import SidecarArtifactStore, TableForm
from kymflow_zarr.experimental_stores.stores.zarr_store import ZarrArtifactStore


@pytest.fixture(params=["parquet sidecars", "csv sidecars", "zarr"])
def place(
    request: pytest.FixtureRequest, lab: Path, dataset: ZarrDataset
) -> tuple[ArtifactStore, str]:
    """A store, and the key of an image in it that has no results."""
    if request.param == "zarr":
        record = dataset.add_image(np.zeros((2, 2), np.uint8), axes=("t", "x"))
        return ZarrArtifactStore(dataset), record.image_id
    form: TableForm = "csv" if request.param.startswith("csv") else "parquet"
    return SidecarArtifactStore(table_form=form), str(lab / "early.tif")


def test_results_come_back(place: tuple[ArtifactStore, str]) -> None:
    store, key = place
    frame = pd.DataFrame({"time": [0.1, 0.2], "label": ["a", "b"]})
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    store.save_json(key, "fit", {"r2": 0.1, "text": "µ"})
    store.save_df(key, "trace", frame)
    store.save_array(key, "map", array)
    assert store.load_json(key, "fit") == {"r2": 0.1, "text": "µ"}
    pd.testing.assert_frame_equal(store.load_df(key, "trace"), frame)
    found = store.load_array(key, "map")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert store.list_artifacts(key) == (
        Artifact(name="fit", kind="json"),
        Artifact(name="map", kind="array"),
        Artifact(name="trace", kind="table"),
    )


def test_results_are_replaced(place: tuple[ArtifactStore, str]) -> None:
    store, key = place
    for value in (1, 2):
        store.save_json(key, "fit", value)
        store.save_df(key, "trace", pd.DataFrame({"v": [value]}))
        store.save_array(key, "map", np.array([value]))
    assert store.load_json(key, "fit") == 2
    assert store.load_df(key, "trace")["v"].tolist() == [2]
    assert store.load_array(key, "map").tolist() == [2]


def test_what_is_not_there_is_a_key_error(place: tuple[ArtifactStore, str]) -> None:
    store, key = place
    for load in (store.load_json, store.load_df, store.load_array):
        with pytest.raises(ArtifactNotFoundError):
            load(key, "nothing")


@pytest.mark.parametrize("name", ["a b", "../x", "CON", "", "x" * 300, "nul\0", "dot.", "metadata"])
def test_names_are_checked(lab: Path, name: str) -> None:
    store = SidecarArtifactStore()
    before = sorted(lab.iterdir())
    key = str(lab / "late.tif")
    with pytest.raises(InvalidNameError):
        store.save_json(key, name, 1)
    with pytest.raises(InvalidNameError):
        store.save_df(key, name, pd.DataFrame({"v": [1]}))
    with pytest.raises(InvalidNameError):
        store.save_array(key, name, np.zeros(3))
    assert sorted(lab.iterdir()) == before


def test_a_file_that_would_be_another_images_is_refused(lab: Path) -> None:
    store = SidecarArtifactStore()
    (lab / "late.fine.tif").write_bytes((lab / "late.tif").read_bytes())
    with pytest.raises(InvalidNameError, match="another image"):
        store.save_json(str(lab / "late.tif"), "fine.fit", 1)
    store.save_json(str(lab / "late.fine.tif"), "fit", 2)
    assert store.load_json(str(lab / "late.fine.tif"), "fit") == 2
    with pytest.raises(InvalidNameError, match="only in case"):
        store.save_json(str(lab / "late.tif"), "FIT", 1)


def test_a_table_has_one_form(lab: Path) -> None:
    key = str(lab / "late.tif")
    SidecarArtifactStore(table_form="parquet").save_df(key, "trace", pd.DataFrame({"v": [1]}))
    assert not (lab / "late.trace.csv").exists()
    SidecarArtifactStore(table_form="csv").save_df(key, "trace", pd.DataFrame({"v": [2]}))
    assert not (lab / "late.trace.parquet").exists()
    assert (lab / "late.trace.csv").read_text("utf-8") == "v\n2\n"
    assert SidecarArtifactStore().load_df(key, "trace")["v"].tolist() == [2]


@pytest.mark.skipif(sys.platform == "darwin", reason="files are flushed by another call there")
def test_a_failed_write_leaves_the_old_file(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SidecarArtifactStore()
    before = {path: path.read_bytes() for path in lab.iterdir()}

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        store.save_metadata_payload(str(lab / "late.tif"), {"rois": []})
    assert {path: path.read_bytes() for path in lab.iterdir()} == before


def test_damage_is_reported_by_file(lab: Path) -> None:
    store = SidecarArtifactStore()
    key = str(lab / "late.tif")
    (lab / "late.json").write_text("[1", encoding="utf-8")
    with pytest.raises(CorruptDataError, match=r"late\.json"):
        store.load_metadata_payload(key)
    (lab / "late.json").write_text("[]", encoding="utf-8")
    with pytest.raises(CorruptDataError, match="not a JSON object"):
        store.load_metadata_payload(key)
    (lab / "late.fit.json").write_text("NaN", encoding="utf-8")
    with pytest.raises(CorruptDataError, match=r"late\.fit\.json"):
        store.load_json(key, "fit")
    (lab / "late.map.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(CorruptDataError, match=r"late\.map\.npy"):
        store.load_array(key, "map")


def test_an_ingest_reads_what_was_written(lab: Path, dataset: ZarrDataset) -> None:
    store = SidecarArtifactStore()
    key = str(lab / "early.tif")
    frame = pd.DataFrame({"time": [0.1, 0.2], "n": pd.array([1, None], dtype="Int64")})
    store.save_df(key, "trace", frame)
    store.save_array(key, "map", np.eye(3))
    store.save_json(key, "fit.v2", [1, 2])
    record = dataset.ingest_image(key)
    pd.testing.assert_frame_equal(record.load_df_parquet("trace"), frame)
    np.testing.assert_array_equal(record.load_array_artifact("map"), np.eye(3))
    assert record.load_json("fit.v2") == [1, 2]
