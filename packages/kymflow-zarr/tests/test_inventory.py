"""What someone removed is missed: a record knows its artifacts, a dataset its tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest

from kymflow_zarr import ZarrDataset, ZarrImageRecord

ROWS = pd.DataFrame({"v": [1.0, 2.0]})


@pytest.fixture
def record(disk: ZarrDataset, folder: Path) -> ZarrImageRecord:
    """An image that came from a file, with results of each kind."""
    record = disk.record(disk.refresh_from_folder(folder)[0])
    record.save_json("velocity/params", {"window": 16})
    record.save_df_parquet("velocity/trace", ROWS)
    record.save_df_csv_gz("velocity/old", ROWS)
    record.save_array_artifact("scores", np.arange(6.0))
    disk.save_table("kym_x", ROWS)
    disk.save_table("more/kym_y", ROWS)
    assert disk.check(deep=True) == []
    return record


def found(dataset: ZarrDataset) -> list[tuple[str, str]]:
    return [(problem.kind, problem.location) for problem in dataset.check()]


def test_each_file_that_is_removed_is_missed(disk: ZarrDataset, record: ZarrImageRecord) -> None:
    place = Path(disk.location)
    image = place / "images" / record.image_id
    derived = {place / "tables" / "zarr.json", place / "images" / "zarr.json"}
    files = [
        path
        for path in place.rglob("*")
        if path.is_file() and "index" not in path.parts and path not in derived
    ]
    assert image / "analysis" / "velocity" / "trace.parquet" in files
    assert image / "inventory.txt" in files
    for path in files:
        if path == place / "zarr.json":  # without it there is no dataset
            continue
        good = path.read_bytes()
        path.unlink()
        assert disk.check(), f"check does not miss {path.relative_to(place)}"
        path.write_bytes(good)
    assert disk.check(deep=True) == []


@pytest.mark.parametrize(("mebibytes", "believed"), [(63, True), (65, False)])
def test_an_inventory_of_more_than_64_mebibytes_is_not_read(
    disk: ZarrDataset, record: ZarrImageRecord, mebibytes: int, believed: bool
) -> None:
    path = Path(disk.location, "images", record.image_id, "inventory.txt")
    path.write_bytes(path.read_bytes() + b"x" * mebibytes * 2**20)
    said = " ".join(problem.message for problem in disk.check() if problem.kind == "inventory")
    assert "some of its lines are damaged" in said
    assert ("does not list" not in said) == believed


def test_what_an_image_was_born_with_is_missed(disk: ZarrDataset, record: ZarrImageRecord) -> None:
    place = Path(disk.location)
    key = f"images/{record.image_id}/analysis/metadata.json"
    (place / key).unlink()
    assert found(disk) == [("gone", key)]


def test_what_an_image_was_born_with_stays_forgotten(
    disk: ZarrDataset, record: ZarrImageRecord
) -> None:
    image = Path(disk.location, "images", record.image_id)
    (image / "analysis" / "metadata.json").unlink()
    disk.repair(forget_gone=True)
    assert disk.check() == []
    inventory = image / "inventory.txt"
    inventory.write_bytes(inventory.read_bytes() + b"nonsense\n")
    disk.repair()
    assert b"nonsense" not in inventory.read_bytes()
    assert disk.check() == []


def test_deleted_results_are_not_missed(dataset: ZarrDataset) -> None:
    record = dataset.add_image(np.zeros((4, 3), np.uint8), axes=("t", "x"))
    record.save_json("velocity/params", {"window": 16})
    record.save_df_parquet("velocity/trace", ROWS)
    dataset.save_table("kym_x", ROWS)
    assert len(record.delete_analysis()) == 2
    assert dataset.delete_table("kym_x")
    assert dataset.check() == []
    assert not dataset.delete_table("kym_x")
    assert record.delete_analysis() == []
    record.save_json("velocity/params", {"window": 16})
    dataset.save_table("kym_x", ROWS)
    assert dataset.check() == []


def forget_by_repair(dataset: ZarrDataset, record: ZarrImageRecord) -> None:
    assert not any(done.location.endswith("trace.parquet") for done in dataset.repair())
    assert len(dataset.check()) == 3
    assert {done.action for done in dataset.repair(forget_gone=True)} == {
        "forgot that it was written"
    }
    assert record.list_array_artifacts() == []


def write_again(dataset: ZarrDataset, record: ZarrImageRecord) -> None:
    record.save_df_parquet("velocity/trace", ROWS)
    record.save_array_artifact("scores", np.arange(6.0))
    dataset.save_table("kym_x", ROWS)


def delete(dataset: ZarrDataset, record: ZarrImageRecord) -> None:
    assert not dataset.delete_table("kym_x")
    assert not any("trace" in key for key in record.delete_analysis(suffixes=[".parquet"]))
    record.save_array_artifact("scores", np.arange(6.0))


@pytest.mark.parametrize("end", [forget_by_repair, write_again, delete])
def test_there_are_three_ways_to_end_it(
    disk: ZarrDataset,
    record: ZarrImageRecord,
    end: Callable[[ZarrDataset, ZarrImageRecord], None],
) -> None:
    place = Path(disk.location)
    image = place / "images" / record.image_id
    for path in [
        image / "analysis" / "velocity" / "trace.parquet",
        *(image / "analysis_arrays" / "scores").iterdir(),
        place / "tables" / "kym_x.parquet",
    ]:
        path.unlink()
    (image / "analysis_arrays" / "scores").rmdir()
    assert [kind for kind, _ in found(disk)] == ["gone"] * 3
    assert not any(problem.repairable for problem in disk.check())
    end(disk, record)
    assert disk.check(deep=True) == []


def test_what_someone_added_is_reported_and_entered_by_a_repair(
    disk: ZarrDataset, record: ZarrImageRecord
) -> None:
    place = Path(disk.location)
    image = place / "images" / record.image_id
    (image / "analysis" / "note.json").write_text("{}", encoding="utf-8")
    ROWS.to_parquet(place / "tables" / "foreign.parquet")
    assert found(disk) == [
        ("inventory", f"images/{record.image_id}/inventory.txt"),
        ("inventory", "tables/inventory.txt"),
    ]
    disk.repair()
    assert disk.check() == []
    (image / "analysis" / "note.json").unlink()
    assert [kind for kind, _ in found(disk)] == ["gone"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:-3],
        lambda text: text.replace(b"velocity/trace", b"velocity/tracy"),
        lambda text: text + b"\xff\xfe nonsense\n",
        lambda text: text + b"+ analysis/other.json 00000000\n",
        lambda text: text.replace(b"+", b"-", 1),
        lambda text: b"\0" * len(text),
        lambda _: b"",
    ],
    ids=["cut", "another key", "not text", "another checksum", "another sign", "zeros", "empty"],
)
def test_damage_to_an_inventory_is_found_and_repaired(
    disk: ZarrDataset, record: ZarrImageRecord, damage: Callable[[bytes], bytes]
) -> None:
    place = Path(disk.location)
    for path in [
        place / "images" / record.image_id / "inventory.txt",
        place / "tables" / "inventory.txt",
    ]:
        path.write_bytes(damage(path.read_bytes()))
    assert {kind for kind, _ in found(disk)} == {"inventory"}
    assert all(problem.repairable for problem in disk.check())
    disk.repair()
    assert disk.check() == []
    (place / "tables" / "kym_x.parquet").unlink()
    assert found(disk) == [("gone", "tables/kym_x.parquet")]


def test_no_character_of_an_inventory_can_change_unnoticed(disk: ZarrDataset) -> None:
    record = disk.add_image(np.zeros((4, 3), np.uint8), axes=("t", "x"))
    record.save_json("a", {})
    path = Path(disk.location, "images", record.image_id, "inventory.txt")
    good = path.read_bytes()
    for at in range(len(good)):
        for other in (b"0", b"f", b"z"):
            path.write_bytes(good[:at] + other + good[at + 1 :])
            changed = path.read_bytes() != good
            assert {kind for kind, _ in found(disk)} == ({"inventory"} if changed else set())


def test_a_line_that_was_cut_takes_no_other_with_it(disk: ZarrDataset) -> None:
    record = disk.add_image(np.zeros((4, 3), np.uint8), axes=("t", "x"))
    path = Path(disk.location) / "images" / record.image_id / "inventory.txt"
    record.save_json("a", {})
    path.write_bytes(path.read_bytes()[:-4])
    record.delete_analysis()
    record.save_json("b", {})
    path.write_bytes(path.read_bytes()[:-4])
    record.save_json("c", {})
    assert {kind for kind, _ in found(disk)} == {"inventory"}
    key = f"images/{record.image_id}/analysis/c.json"
    Path(disk.location, key).unlink()
    assert ("gone", key) in found(disk)
    record.save_json("c", {})
    disk.repair()
    assert disk.check() == []


def test_writing_a_result_again_adds_no_line(disk: ZarrDataset, record: ZarrImageRecord) -> None:
    path = Path(disk.location) / "images" / record.image_id / "inventory.txt"
    before = path.read_text(encoding="ascii")
    for number in range(3):
        record.save_json("velocity/params", {"window": number})
        record.save_array_artifact("scores", np.arange(6.0))
    assert path.read_text(encoding="ascii") == before


def test_a_check_beside_a_writer_misses_nothing(disk: ZarrDataset) -> None:
    record = disk.add_image(np.zeros((4, 3), np.uint8), axes=("t", "x"))

    def write() -> None:
        for _ in range(150):
            record.save_json("velocity/params", {"window": 16})
            record.delete_analysis()

    writer = Thread(target=write)
    writer.start()
    seen = set(found(disk))
    while writer.is_alive():
        seen.update(found(disk))
    writer.join()
    assert {kind for kind, _ in seen} <= {"inventory", "leftover"}
    assert disk.check() == []


def test_a_repair_of_a_half_upgraded_dataset_enters_what_its_images_have(
    disk: ZarrDataset, record: ZarrImageRecord
) -> None:
    path = Path(disk.location) / "images" / record.image_id / "inventory.txt"
    path.write_bytes(b"")
    (Path(disk.location) / "zarr.json").unlink()
    (Path(disk.location) / ".zgroup").write_text('{"zarr_format": 2}', encoding="utf-8")
    (Path(disk.location) / ".zattrs").write_text(
        '{"format": "kymflow_zarr_v1", "schema_version": 1}', encoding="utf-8"
    )
    old = ZarrDataset(disk.location)
    assert {kind for kind, _ in found(old)} >= {"inventory"}
    old.repair()
    assert "inventory" not in {kind for kind, _ in found(old)}
