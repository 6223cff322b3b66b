"""A dataset in an object store does what one in a folder does."""

from __future__ import annotations

import pickle
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from kymflow_zarr import ReadOnlyError, ZarrDataset

if TYPE_CHECKING:
    from kymflow_zarr import ZarrImageRecord


@pytest.fixture(
    params=[
        "memory",
        pytest.param("moto", marks=pytest.mark.slow),
        pytest.param("ceph", marks=pytest.mark.slow),
        pytest.param("azurite", marks=pytest.mark.slow),
    ]
)
def place(request: pytest.FixtureRequest) -> Any:
    """An empty place in a store: in memory, in S3, in Azure."""
    if request.param != "memory":
        return request.getfixturevalue("url_in")(request.param)
    obstore = pytest.importorskip("obstore.store")
    from zarr.storage import ObjectStore

    return ObjectStore(obstore.MemoryStore())


@pytest.fixture
def in_memory() -> Any:
    """An object store in memory, for several datasets to be opened from."""
    obstore = pytest.importorskip("obstore.store")
    from zarr.storage import ObjectStore

    return ObjectStore(obstore.MemoryStore())


def save_results(record: ZarrImageRecord) -> None:
    record.save_json("velocity/params", {"window": 16})
    record.save_array_artifact("scores", np.zeros((40, 3)))
    record.save_array_artifact("scores", np.arange(5.0))
    record.save_df_parquet("velocity/rows", pd.DataFrame({"v": [1.0, 2.0]}))
    record.artifacts.delete("velocity/rows")


def test_all_work_ends_as_on_a_disk(place: Any, folder: Path, tmp_path: Path) -> None:
    exports = []
    for number, where in enumerate((place, tmp_path / "disk.zarr")):
        dataset = ZarrDataset(where)
        ids = dataset.refresh_from_folder(folder, workers=2)
        assert dataset.refresh_from_folder(folder) == []
        save_results(dataset.record(ids[0]))
        for image_id in ids:
            rows = pd.DataFrame({"image_id": [image_id], "v": [1.5]})
            dataset.replace_rows_for_image_id("velocity", image_id, rows)
        dataset.update_manifest()
        dataset.delete_image(ids[2])
        again = ZarrDataset(where, "r+")
        assert again.list_image_ids() == sorted(ids[:2])
        assert again.load_table("velocity")["image_id"].tolist() == sorted(ids[:2])
        assert again.record(ids[0]).artifacts["scores"].tolist() == [0, 1, 2, 3, 4]
        assert again.load_sources_index()["image_id"].tolist() == sorted(ids[:2])
        assert again.check(deep=True) == []
        assert again.repair() == []
        report = again.export_legacy_folder(tmp_path / f"export {number}")
        exports.append((report.files_written, len(again.record(ids[1]).load_array())))
    assert exports[0] == exports[1]


def test_only_what_was_edited_is_read_again(in_memory: Any, folder: Path) -> None:
    dataset = ZarrDataset(in_memory)
    edited, *_ = dataset.refresh_from_folder(folder)
    record = dataset.record(edited)
    header = {"acquired_local_epoch_ns": 1}
    record.save_metadata_payload({"header": header})
    dataset.update_manifest()
    assert dataset.load_manifest().reread == 0
    record.save_metadata_payload({"header": {"acquired_local_epoch_ns": 2}})
    manifest = dataset.load_manifest()
    assert (manifest.reread, manifest.entries[edited].acquired_local_epoch_ns) == (1, 2)


def test_more_images_than_one_answer_lists(in_memory: Any) -> None:
    dataset = ZarrDataset(in_memory)
    made = [dataset.add_image(np.full((2, 2), n, np.uint8), chunks=(1, 1)) for n in range(150)]
    assert dataset.list_image_ids() == sorted(record.image_id for record in made)
    dataset.delete_image(made[0].image_id)
    assert len(dataset) == 149


def test_an_image_is_visible_only_once_it_is_whole(url: str, s3: Any) -> None:
    dataset = ZarrDataset(url)
    s3.log.clear()
    image_id = dataset.add_image(np.zeros((4, 4)), chunks=(1, 4)).image_id
    written = [path.partition(f"{image_id}/")[2] for verb, path in s3.log if verb == "PUT"]
    claim, *written = written
    assert (claim, len(written), written[-1]) == ("", 4 + 3, "zarr.json")


def test_chunks_travel_side_by_side_before_anything_is_published(url: str, s3: Any) -> None:
    dataset = ZarrDataset(url)
    meeting = threading.Barrier(6)

    def meet(number: int) -> None:
        if "/data/c." in s3.log[number - 1][1]:
            meeting.wait(300)

    s3.before = meet
    record = dataset.add_image(np.arange(24.0).reshape(6, 4), chunks=(1, 4))
    s3.before = lambda _: None
    assert record.load_array().tolist() == np.arange(24.0).reshape(6, 4).tolist()


def test_records_are_opened_side_by_side(url: str, s3: Any) -> None:
    dataset = ZarrDataset(url)
    made = sorted(dataset.add_image(np.full((2, 2), n)).image_id for n in range(4))
    meeting = threading.Barrier(len(made))

    def meet(number: int) -> None:
        verb, path = s3.log[number - 1]
        if verb == "GET" and "/images/" in path and path.endswith("/zarr.json"):
            meeting.wait(300)

    s3.log.clear()
    s3.before = meet
    assert [record.image_id for record in dataset.iter_records()] == made
    assert not meeting.broken


def test_a_dataset_goes_to_workers_by_its_url(url: str) -> None:
    record = ZarrDataset(url).add_image(np.ones((2, 3)))
    twin = pickle.loads(pickle.dumps(record))
    assert twin.load_array().tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("ignored", ["create", "replace"])
def test_a_store_without_conditional_writes_is_for_reading(
    serve_s3: Callable[[str], Any], ignored: str
) -> None:
    s3 = serve_s3("moto")  # it does not mind that what was signed is taken away
    url = f"s3://lab/{uuid.uuid4().hex}/d.zarr"
    made = ZarrDataset(url).add_image(np.ones((2, 3)))
    probes: list[str] = []

    def drop(number: int, verb: str, path: str) -> str:
        if verb == "PUT" and "/index/probe-" in path:
            probes.append(path)
            return "unconditional" if ignored == "create" or len(probes) > 2 else ""
        return ""

    s3.fault = drop
    with pytest.raises(
        ReadOnlyError, match=r"does not support conditional writes .*two writers could both"
    ):
        ZarrDataset(url, "a")
    probes.clear()
    dataset = ZarrDataset(url)
    assert (dataset.mode, list(dataset)) == ("r", [made.image_id])
