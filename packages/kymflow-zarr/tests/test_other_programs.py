"""Zarr, xarray and viewers at work on a dataset: what they add, and what they find."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr

from kymflow_zarr import CorruptDataError, SchemaValidationError, ZarrDataset, ZarrImageRecord

RELEASE = Path(__file__).parent / "data" / "release-0.1.0.zip"


@pytest.fixture
def record(disk: ZarrDataset) -> ZarrImageRecord:
    """A calibrated kymograph with results, in a dataset with a table."""
    made = disk.add_image(
        np.arange(24, dtype=np.uint8).reshape(6, 4), axes=("t", "x"), scale={"t": 0.001, "x": 0.3}
    )
    made.save_json("fit", {"r2": 0.9})
    made.save_array_artifact("map", np.ones(3))
    disk.save_table("t", pd.DataFrame({"image_id": [made.image_id]}))
    return made


def reopened(dataset: ZarrDataset) -> ZarrDataset:
    return ZarrDataset(dataset.location, "r")


def document(dataset: ZarrDataset, key: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(Path(dataset.location, key).read_bytes())
    return said


def rewritten(dataset: ZarrDataset) -> dict[str, str]:
    return {
        problem.location: problem.message
        for problem in dataset.check(deep=True)
        if problem.kind == "rewritten"
    }


# --- what they add --------------------------------------------------------------------------------


def test_consolidated_metadata_harms_nothing(disk: ZarrDataset, record: ZarrImageRecord) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zarr's, about consolidation and about our other files
        zarr.consolidate_metadata(disk.location)
    dataset = reopened(disk)
    assert dataset.schema == disk.schema
    np.testing.assert_array_equal(dataset[record.image_id].load_array(), record.load_array())
    dataset.validate()
    ((location, message),) = rewritten(dataset).items()
    assert location == "zarr.json"
    assert "'consolidated_metadata'" in message
    (repair,) = disk.repair()
    assert repair.location == "zarr.json"
    assert "consolidated_metadata" not in document(disk, "zarr.json")
    assert (disk.check(deep=True), disk.repair()) == ([], [])


@pytest.mark.slow
def test_metadata_of_very_many_images_may_be_consolidated(
    disk: ZarrDataset, record: ZarrImageRecord
) -> None:
    """As zarr does for 40,000 images; here some, which say much."""
    path = Path(disk.location, "zarr.json")
    node = {"node_type": "group", "attributes": {"note": '}"]\\{', "text": "x" * 70_000}}
    metadata = {f"images/{at}": node for at in range(1_000)}
    consolidated = {"kind": "inline", "must_understand": False, "metadata": metadata}
    root = {"consolidated_metadata": consolidated, **document(disk, "zarr.json")}
    path.write_text(json.dumps(root, indent=2), encoding="utf-8")
    assert path.stat().st_size > 64 * 2**20
    dataset = reopened(disk)
    np.testing.assert_array_equal(dataset[record.image_id].load_array(), record.load_array())
    dataset.validate()
    assert list(rewritten(dataset)) == ["zarr.json"]
    disk.repair()
    assert "consolidated_metadata" not in document(disk, "zarr.json")
    assert dataset.check(deep=True) == []


@pytest.mark.parametrize(
    "place", ["", "images/{}", "images/{}/data", "images/{}/analysis_arrays/map"]
)
def test_an_attribute_that_someone_sets_harms_nothing_and_stays(
    disk: ZarrDataset, record: ZarrImageRecord, place: str
) -> None:
    key = place.format(record.image_id)
    node = zarr.open(disk.location, path=key, mode="r+")
    node.attrs["note"] = {"by": "me"}
    dataset = reopened(disk)
    again = dataset[record.image_id]
    np.testing.assert_array_equal(again.load_array(), record.load_array())
    np.testing.assert_array_equal(np.asarray(again.open_array()[...]), record.load_array())
    np.testing.assert_array_equal(again.load_array_artifact("map"), np.ones(3))
    dataset.validate()
    dataset.validate_image(record.image_id)
    found = rewritten(dataset)
    assert list(found) == [f"{key}/zarr.json".lstrip("/")]
    assert all("'note'" in message for message in found.values())
    assert len(disk.repair()) == 1
    assert (disk.check(deep=True), disk.repair()) == ([], [])
    assert zarr.open(disk.location, path=key, mode="r").attrs["note"] == {"by": "me"}
    # Once more: what is added to a document that was sealed again is judged by its first seal.
    zarr.open(disk.location, path=key, mode="r+").attrs["note"] = "other"
    assert list(rewritten(disk)) == list(found)
    disk.repair()
    assert zarr.open(disk.location, path=key, mode="r").attrs["note"] == "other"
    assert disk.check(deep=True) == []


@pytest.mark.parametrize("place", ["", "images", "images/{}", "images/{}/data"])
@pytest.mark.parametrize("value", [np.nan, [-np.inf, {"deep": [[[]]] * 80}]], ids=["nan", "many"])
def test_an_attribute_that_is_no_strict_json_harms_nothing_either(
    disk: ZarrDataset, record: ZarrImageRecord, place: str, value: Any
) -> None:
    key = place.format(record.image_id)
    zarr.open(disk.location, path=key, mode="r+").attrs["min"] = value
    dataset = reopened(disk)
    np.testing.assert_array_equal(dataset[record.image_id].load_array(), record.load_array())
    dataset.validate()
    for _ in range(2):
        disk.repair()
        assert disk.check(deep=True) == []
        assert repr(zarr.open(disk.location, path=key, mode="r").attrs["min"]) == repr(value)


def test_what_another_program_puts_beside_the_pixels_is_not_called_damage(
    disk: ZarrDataset, record: ZarrImageRecord
) -> None:
    group = zarr.open_group(disk.location, path=f"images/{record.image_id}", mode="r+")
    group.create_array("labels", shape=(6, 4), dtype="u1")
    with pytest.raises(SchemaValidationError, match="labels: the format has no place for it; move"):
        disk.validate()


def test_what_a_viewer_adds_to_the_ome_attribute_stays(
    disk: ZarrDataset, record: ZarrImageRecord
) -> None:
    group = zarr.open_group(disk.location, path=f"images/{record.image_id}", mode="r+")
    ome: Any = group.attrs["ome"]
    ome["omero"] = {"channels": []}
    ome["multiscales"][0]["name"] = "mine"
    group.attrs["ome"] = ome
    reopened(disk).validate()
    disk.repair()
    assert disk.check(deep=True) == []
    kept = document(disk, f"images/{record.image_id}/zarr.json")["attributes"]["ome"]
    assert (kept["omero"], kept["multiscales"][0]["name"]) == ({"channels": []}, "mine")


@pytest.mark.parametrize(
    "change",
    [
        lambda own: own["kymflow_zarr"].update(created_utc="2020-01-01T00:00:00Z"),
        lambda own: own["kymflow_zarr"].update(axes=["x", "t"]),
        lambda own: own["kymflow_zarr"].update(artifacts=[]),
        lambda own: own["kymflow_zarr"].update(seal=f"sha256:{'0' * 64}"),
        lambda own: own["kymflow_zarr"].pop("seal"),
        lambda own: own.pop("kymflow_zarr"),
        lambda own: own["ome"]["multiscales"][0]["datasets"][0].update(path="other"),
        lambda own: own["ome"]["multiscales"][0]["axes"][0].update(unit="millisecond"),
    ],
    ids=["time", "axes", "artifacts", "seal", "no seal", "nothing", "ome path", "ome unit"],
)
def test_a_change_of_what_this_package_wrote_is_damage(
    disk: ZarrDataset, record: ZarrImageRecord, change: Callable[[Any], object]
) -> None:
    path = Path(disk.location, "images", record.image_id, "zarr.json")
    said = json.loads(path.read_bytes())
    change(said["attributes"])
    path.write_text(json.dumps(said, indent=2), encoding="utf-8")
    with pytest.raises(CorruptDataError, match="its seal does not hold"):
        disk.record(record.image_id)
    assert [problem.kind for problem in disk.check()] == ["unreadable"]
    disk.repair()
    assert [problem.kind for problem in disk.check()] == ["unreadable"]


def test_sealed_numbers_are_written_as_every_version_writes_them(disk: ZarrDataset) -> None:
    """What another program added something to is written anew to see whether its seal holds."""
    record = disk.add_image(np.zeros((4, 4), np.uint8), scale={"y": 1e-05, "x": 2.5e16})
    place = Path(disk.location, "images", record.image_id, "zarr.json")
    assert '"scale": [1e-05, 2.5e+16]' in place.read_text(encoding="utf-8")
    zarr.open_group(place.parent, mode="r+").attrs["note"] = "seen"
    assert disk.record(record.image_id).load_array().shape == (4, 4)


# --- what they find -------------------------------------------------------------------------------


def test_zarr_finds_the_images_from_the_root_without_a_warning(
    disk: ZarrDataset, record: ZarrImageRecord
) -> None:
    disk.update_manifest()
    root = zarr.open_group(disk.location, mode="r")
    assert sorted(name for name, _ in root.members()) == ["images", "index", "tables"]
    images = root["images"]
    assert isinstance(images, zarr.Group)
    ((name, group),) = images.members()
    assert name == record.image_id
    assert isinstance(group, zarr.Group)
    np.testing.assert_array_equal(np.asarray(group["data"][...]), record.load_array())  # type: ignore[index]  # an array


@pytest.mark.parametrize(
    "damage",
    [
        None,
        b"",
        b"{}",
        b'{"zarr_format": 3, "node_type": "array"}',
        b'{"zarr_format": 3, "node_type": "group", "attributes": {"kymflow_zarr": {}}}',
    ],
)
@pytest.mark.parametrize("key", ["images/zarr.json", "tables/zarr.json", "index/zarr.json"])
def test_repair_writes_the_documents_of_groups(
    disk: ZarrDataset, record: ZarrImageRecord, key: str, damage: bytes | None
) -> None:
    path = Path(disk.location, key)
    whole = path.read_bytes()
    path.unlink() if damage is None else path.write_bytes(damage)
    # The index may be deleted as a whole.
    expected = [] if damage is None and key.startswith("index/") else [(key, "stale_cache")]
    assert [(problem.location, problem.kind) for problem in disk.check()] == expected
    disk.validate()
    assert list(reopened(disk)) == [record.image_id]
    assert [repair.location for repair in disk.repair()] == [key]
    assert path.read_bytes() == whole
    assert (disk.check(), disk.repair()) == ([], [])


def test_a_dataset_of_the_first_release_gets_them_by_repair(tmp_path: Path) -> None:
    with zipfile.ZipFile(RELEASE) as archive:
        archive.extractall(tmp_path)
    dataset = ZarrDataset(tmp_path / "dataset.zarr")
    assert dataset.check(deep=True) == []
    repaired = {repair.location for repair in dataset.repair()}
    assert repaired == {"images/zarr.json", "tables/zarr.json", "index/zarr.json"}
    images = zarr.open_group(dataset.location, mode="r")["images"]
    assert isinstance(images, zarr.Group)
    assert sorted(name for name, _ in images.members()) == list(dataset)
    zarr.open_group(dataset.location, path=f"images/{next(iter(dataset))}", mode="r+").attrs[
        "note"
    ] = 1
    dataset.validate()
    dataset.repair()
    assert dataset.check(deep=True) == []


def test_viewers_show_the_lines_of_a_kymograph_in_seconds(
    disk: ZarrDataset, record: ZarrImageRecord
) -> None:
    key = f"images/{record.image_id}/zarr.json"
    (multiscale,) = document(disk, key)["attributes"]["ome"]["multiscales"]
    assert multiscale["axes"] == [
        {"name": "y", "type": "space", "unit": "second"},
        {"name": "x", "type": "space", "unit": "micrometer"},
    ]
    (dataset,) = multiscale["datasets"]
    assert dataset["coordinateTransformations"] == [{"type": "scale", "scale": [0.001, 0.3]}]


def test_the_validators_of_ome_zarr_accept_it(disk: ZarrDataset, record: ZarrImageRecord) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pydantic's, about that library
        models = pytest.importorskip("ome_zarr_models.v05.image")
    group = zarr.open_group(disk.location, path=f"images/{record.image_id}", mode="r")
    (multiscale,) = models.Image.from_zarr(group).ome_attributes.multiscales
    assert [axis.unit for axis in multiscale.axes] == ["second", "micrometer"]
    io, reader = pytest.importorskip("ome_zarr.io"), pytest.importorskip("ome_zarr.reader")
    (node,) = reader.Reader(io.parse_url(str(Path(disk.location, "images", record.image_id))))()
    assert [axis["unit"] for axis in node.metadata["axes"]] == ["second", "micrometer"]
