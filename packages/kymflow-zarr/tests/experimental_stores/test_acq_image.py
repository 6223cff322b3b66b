"""`AcqImageV01` and `AcqImageListV01`, over a folder and over a dataset."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from kymflow_zarr import (
    ImageNotFoundError,
    IngestError,
    MetadataNotFoundError,
    NotADatasetError,
    NotFoundError,
    UnreadableImageError,
    ZarrDataset,
)
from kymflow_zarr.experimental_stores import AcqImageListV01, AcqImageV01
from kymflow_zarr.experimental_stores.stores.factory import open_stores

Pixels = dict[str, NDArray[np.uint16]]


@pytest.fixture
def taken(lab: Path, dataset: ZarrDataset) -> ZarrDataset:
    """The folder's readable files in a dataset, on disk and in memory."""
    with pytest.raises(IngestError):
        dataset.refresh_from_folder(lab)
    return dataset


def image(lab: Path, name: str) -> AcqImageV01:
    return AcqImageListV01(lab).find(str(lab.resolve() / name))


# --- identity -------------------------------------------------------------------------------------


def test_in_a_folder_the_source_key_is_the_path_of_channel_1(lab: Path) -> None:
    keys = [found.source_key for found in AcqImageListV01(lab)]
    names = ["broken.tif", "early.tif", "late.tif", "pair_c1.tif"]
    assert keys == [str(lab.resolve() / name) for name in names]
    assert [found.display_name for found in AcqImageListV01(lab)] == names
    assert AcqImageV01.from_path(lab / "late.tif").source_key == keys[2]


def test_in_a_dataset_the_source_key_is_the_image_id(taken: ZarrDataset) -> None:
    images = AcqImageListV01(taken)
    assert [found.source_key for found in images] == taken.list_image_ids()
    assert [found.display_name for found in images] == taken.list_image_ids()
    assert {found.path for found in images} == {None}


def test_it_is_made_of_its_parts(lab: Path) -> None:
    stores = open_stores(lab)
    key = str(lab / "late.tif")
    by_hand = AcqImageV01(key, stores.pixels, stores.artifacts, path=lab / "late.tif")
    assert (by_hand.source_key, by_hand.path, by_hand.display_name) == (
        key,
        lab / "late.tif",
        "late.tif",
    )
    assert AcqImageV01(key, stores.pixels, stores.artifacts).display_name == key


def test_the_docstring_says_what_the_key_is() -> None:
    said = " ".join((AcqImageV01.__doc__ or "").split())
    assert "absolute path of the channel-1 TIFF" in said
    assert "image_id" in said


def test_a_payload_for_lists_says_source_key(lab: Path) -> None:
    payload = image(lab, "late.tif").to_payload()
    assert payload == {
        "source_key": str(lab.resolve() / "late.tif"),
        "display_name": "late.tif",
        "path": str(lab.resolve() / "late.tif"),
    }


def test_it_is_a_value_of_four_fields(lab: Path) -> None:
    names = ["source_key", "pixel_store", "artifact_store", "path"]
    assert [field.name for field in fields(AcqImageV01)] == names
    late = image(lab, "late.tif")
    assert late == AcqImageV01(late.source_key, late.pixel_store, late.artifact_store, late.path)
    with pytest.raises(FrozenInstanceError):
        late.source_key = "other"  # type: ignore[misc]  # wrong on purpose


def test_an_image_of_a_dataset_by_its_path(disk: ZarrDataset, lab: Path) -> None:
    record = disk.ingest_image(lab / "late.tif")
    for named in (disk, disk.location, Path(disk.location)):
        found = AcqImageV01.from_zarr(named, record.image_id)
        assert (found.source_key, found.path) == (record.image_id, None)
        np.testing.assert_array_equal(found.get_channel(1), record.load_array())
        found.artifact_store.save_json(found.source_key, "new", str(named))
        assert record.load_json("new") == str(named)
    with pytest.raises(NotADatasetError):
        AcqImageV01.from_zarr(lab / "none.zarr", record.image_id)
    assert not (lab / "none.zarr").exists()


# --- pixels ---------------------------------------------------------------------------------------


def test_one_file_has_one_channel(lab: Path, pixels: Pixels) -> None:
    late = image(lab, "late.tif")
    assert late.channels_available() == (1,)
    np.testing.assert_array_equal(late.get_channel(), pixels["late.tif"])
    assert late.get_image_bounds() == {"width": 16, "height": 40, "num_slices": 1}


def test_the_names_of_the_prototype(lab: Path, dataset: ZarrDataset, pixels: Pixels) -> None:
    both = image(lab, "pair_c1.tif")
    np.testing.assert_array_equal(both.getChannelData(1), pixels["pair_c1.tif"])
    np.testing.assert_array_equal(both.getChannelData(2), both.get_channel(2))
    record = dataset.ingest_image(both)
    expected = np.stack([pixels["pair_c1.tif"], pixels["pair_c2.tif"]])
    np.testing.assert_array_equal(record.load_array(), expected)
    assert dataset.plan_refresh(lab, "pair*").new == ()


def test_channel_files_are_one_image(lab: Path, pixels: Pixels) -> None:
    both = image(lab, "pair_c1.tif")
    assert both.channels_available() == (1, 2)
    np.testing.assert_array_equal(both.get_channel(1), pixels["pair_c1.tif"])
    np.testing.assert_array_equal(both.get_channel(2), pixels["pair_c2.tif"])
    assert both.get_image_bounds() == {"width": 16, "height": 40, "num_slices": 1}


@pytest.mark.parametrize("channel", [0, 3, -1])
def test_a_channel_that_is_not_there(lab: Path, taken: ZarrDataset, channel: int) -> None:
    record = next(item for item in taken.iter_records() if "c" in item.get_axes())
    for found in (image(lab, "pair_c1.tif"), AcqImageV01.from_zarr(taken, record.image_id)):
        with pytest.raises(NotFoundError, match="channels 1 to 2"):
            found.get_channel(channel)


@pytest.mark.parametrize("axes", [("c", "z", "y", "x"), ("z", "y", "x", "c"), ("t", "c", "y", "x")])
def test_a_channel_axis_anywhere(
    dataset: ZarrDataset, tmp_path: Path, axes: tuple[str, ...]
) -> None:
    """The same answers from a dataset and from the TIFF that it exports."""
    shape = tuple({"c": 2, "z": 3, "t": 4, "y": 5, "x": 6}[axis] for axis in axes)
    array = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    record = dataset.add_image(array, axes=axes)
    dataset.export_legacy_folder(tmp_path / "export")
    tiff = tmp_path / "export/images" / record.image_id / "image.tif"
    for found in (AcqImageV01.from_zarr(dataset, record.image_id), AcqImageV01.from_path(tiff)):
        assert found.channels_available() == (1, 2)
        for channel in (1, 2):
            np.testing.assert_array_equal(
                found.get_channel(channel), array.take(channel - 1, axis=axes.index("c"))
            )
        assert found.get_image_bounds() == record.get_image_bounds()


def test_a_folder_and_its_dataset_say_the_same(lab: Path, taken: ZarrDataset) -> None:
    index = taken.load_sources_index()
    by_path = dict(zip(index["source_primary_path"], index["image_id"], strict=True))
    assert len(by_path) == 3
    for path, image_id in by_path.items():
        one, other = AcqImageV01.from_path(path), AcqImageV01.from_zarr(taken, image_id)
        assert one.load_facts() == other.load_facts()
        assert one.channels_available() == other.channels_available()
        assert one.get_image_bounds() == other.get_image_bounds()
        for channel in one.channels_available():
            np.testing.assert_array_equal(one.get_channel(channel), other.get_channel(channel))


def test_the_vendor_header_is_read_without_pixels(lab: Path) -> None:
    facts = image(lab, "late.tif").load_facts()
    assert facts.axes == ("t", "x")
    assert facts.scale["x"] == 0.284
    assert facts.acquired_local_epoch_ns == 1_667_392_215_461_000_000


# --- lists ----------------------------------------------------------------------------------------


def test_a_listing_opens_no_file(lab: Path) -> None:
    opened: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open" and str(arguments[0]).endswith((".tif", ".txt", ".json")):
            opened.append(str(arguments[0]))

    watching = True
    sys.addaudithook(watch)
    try:
        images = AcqImageListV01(lab)
        assert len(images) == 4
        assert [found.display_name for found in images[1:3]] == ["early.tif", "late.tif"]
        assert opened == []
        images.sorted_by_acquisition_time()
        assert opened != []
    finally:
        watching = False


def test_sorting_by_acquisition_time(lab: Path, taken: ZarrDataset) -> None:
    ordered = AcqImageListV01(lab).sorted_by_acquisition_time()
    names = [found.display_name for found in ordered]
    assert names == ["early.tif", "late.tif", "broken.tif", "pair_c1.tif"]
    first = AcqImageListV01(lab).sorted_by_acquisition_time(missing="first")
    assert [found.display_name for found in first] == [*names[2:], *names[:2]]
    in_dataset = [item.source_key for item in AcqImageListV01(taken).sorted_by_acquisition_time()]
    assert in_dataset == [
        record.image_id for record in taken.iter_records("acquired_local_epoch_ns")
    ]


def test_a_damaged_record_sorts_as_one_of_unknown_time(
    disk: ZarrDataset, kymograph: Callable[..., NDArray[np.uint16]]
) -> None:
    first, second = sorted(disk.add_image(kymograph(s), axes=("t", "x")).image_id for s in range(2))
    disk.record(second).save_metadata_payload({"header": {"acquired_local_epoch_ns": 5}})
    (Path(disk.location) / "images" / first / "zarr.json").write_text("{}", encoding="utf-8")
    ordered = AcqImageListV01(disk).sorted_by_acquisition_time()
    assert [found.source_key for found in ordered] == [second, first]


def test_files_of_subfolders_and_other_names(lab: Path) -> None:
    (lab / "deep").mkdir()
    shutil.copy(lab / "late.tif", lab / "deep/x.tif")
    assert len(AcqImageListV01(lab, "**/*.tif")) == 5
    assert len(AcqImageListV01(lab, ["early*", "late*.tif"])) >= 2


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_what_is_not_a_regular_file_is_left_out_and_reported(lab: Path) -> None:
    (lab / "link.tif").symlink_to(lab / "late.tif")
    images = AcqImageListV01(lab)
    assert len(images) == 4
    assert [path.name for path in images.refused] == ["link.tif"]


def test_a_list_of_a_dataset_by_its_path(disk: ZarrDataset, lab: Path) -> None:
    record = disk.ingest_image(lab / "late.tif")
    (found,) = AcqImageListV01(disk.location)
    assert found.source_key == record.image_id
    assert AcqImageListV01(ZarrDataset(lab / "empty.zarr").location)[:] == ()


def test_lists_of_nothing(tmp_path: Path) -> None:
    assert len(AcqImageListV01(tmp_path)) == 0
    assert len(AcqImageListV01(ZarrDataset(MemoryStore()))) == 0
    with pytest.raises(NotADirectoryError):
        AcqImageListV01(tmp_path / "not there")
    with pytest.raises(ImageNotFoundError):
        AcqImageListV01(tmp_path).find("nobody")


def test_one_broken_file_stops_only_itself(lab: Path) -> None:
    readable = 0
    for found in AcqImageListV01(lab):
        try:
            found.get_channel()
            readable += 1
        except UnreadableImageError:
            assert found.display_name == "broken.tif"
    assert readable == 3


# --- metadata and ingest --------------------------------------------------------------------------


def test_editing_metadata_and_taking_the_image_in(lab: Path, dataset: ZarrDataset) -> None:
    late = image(lab, "late.tif")
    payload = late.load_metadata_payload()
    rois = payload["rois"]
    assert isinstance(rois, list)
    rois.append({"id": 3, "name": "new", "anything": None})
    late.save_metadata_payload(payload)
    assert late.load_metadata_payload() == payload
    record = late.ingest_into_dataset(dataset)
    taken = AcqImageV01.from_zarr(dataset, record.image_id)
    said = taken.load_metadata_payload()
    assert said["rois"] == rois
    assert said["lab"] == "kept as it is"
    assert taken.artifact_store.load_json(taken.source_key, "fit") == {"r2": 0.99}
    said["experiment_metadata"] = {"note": "edited"}
    taken.save_metadata_payload(said)
    assert dataset.record(record.image_id).load_metadata_payload() == said


def test_an_image_without_metadata(lab: Path, dataset: ZarrDataset) -> None:
    record = dataset.add_image(np.zeros((2, 2), np.uint8), axes=("t", "x"))
    for found in (image(lab, "early.tif"), AcqImageV01.from_zarr(dataset, record.image_id)):
        with pytest.raises(MetadataNotFoundError):
            found.load_metadata_payload()
        found.save_metadata_payload({"rois": []})
        assert found.load_metadata_payload() == {"rois": []}


def test_all_channels_are_ingested(lab: Path, dataset: ZarrDataset, pixels: Pixels) -> None:
    record = image(lab, "pair_c1.tif").ingest_into_dataset(dataset)
    expected = np.stack([pixels["pair_c1.tif"], pixels["pair_c2.tif"]])
    np.testing.assert_array_equal(record.load_array(), expected)


def test_a_broken_file_is_not_ingested(lab: Path, dataset: ZarrDataset) -> None:
    with pytest.raises(UnreadableImageError):
        image(lab, "broken.tif").ingest_into_dataset(dataset)
    assert dataset.list_image_ids() == []


def test_an_image_of_one_dataset_goes_into_another(
    taken: ZarrDataset, kymograph: Callable[..., NDArray[np.uint16]]
) -> None:
    other = ZarrDataset(MemoryStore())
    own = other.add_image(kymograph(9), axes=("t", "x"))
    wanted = AcqImageListV01(taken)[0]
    record = wanted.ingest_into_dataset(other)
    assert wanted.ingest_into_dataset(other).image_id == record.image_id  # it is there already
    assert record.image_id == wanted.source_key
    np.testing.assert_array_equal(record.load_array(), taken.record(wanted.source_key).load_array())
    assert record.list_analysis_keys() == taken.record(wanted.source_key).list_analysis_keys()
    assert set(other.list_image_ids()) == {own.image_id, wanted.source_key}
    assert other.list_table_names() in ([], ["sources"])


def test_a_damaged_image_of_a_dataset_is_not_ingested(lab: Path, disk: ZarrDataset) -> None:
    record = disk.ingest_image(lab / "late.tif")
    for chunk in (Path(disk.location) / "images" / record.image_id / "data").glob("c.*"):
        chunk.write_bytes(bytes(chunk.stat().st_size))
    other = ZarrDataset(MemoryStore())
    with pytest.raises(UnreadableImageError, match="the chunk"):
        other.ingest_image(AcqImageV01.from_zarr(disk, record.image_id))
    assert other.list_image_ids() == []
