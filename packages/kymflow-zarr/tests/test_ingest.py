"""Taking files in: what is new, once, whatever happened to the index in between."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from kymflow_zarr import (
    IngestError,
    IngestOptions,
    SchemaValidationError,
    UnreadableImageError,
    ZarrDataset,
)

SOURCE_COLUMNS = [
    "source_primary_path",
    "image_id",
    "source_mtime_ns",
    "source_size_bytes",
    "ingested_epoch_ns",
]


def test_a_folder_is_ingested_once(dataset: ZarrDataset, folder: Path, kymograph: object) -> None:
    first = dataset.refresh_from_folder(folder)
    assert len(first) == 3
    assert sorted(first) == dataset.list_image_ids()
    sources = dataset.load_sources_index()
    assert list(sources.columns) == SOURCE_COLUMNS
    text = str(pd.Series(["a"]).dtype)  # "str", or "object" with pandas 2
    assert [str(kind) for kind in sources.dtypes] == [text, text, "int64", "int64", "int64"]
    assert sorted(sources["source_primary_path"]) == [
        str(folder.resolve() / f"{name}.tif") for name in "abc"
    ]
    assert dataset.refresh_from_folder(folder) == []

    tifffile.imwrite(folder / "d.tif", np.ones((5, 4), np.uint8))
    (added,) = dataset.refresh_from_folder(folder)
    assert len(dataset.load_sources_index()) == 4
    assert dataset.record(added).shape == (5, 4)
    assert dataset.refresh_from_folder(folder) == []
    assert dataset.check(deep=True) == []


def test_pixels_and_facts_of_an_ingested_file(dataset: ZarrDataset, folder: Path) -> None:
    record = dataset.ingest_image(folder / "b.tif")
    pixels = tifffile.imread(folder / "b.tif")
    np.testing.assert_array_equal(record.load_array(), pixels)
    header = record.load_metadata_payload()["header"]
    assert isinstance(header, dict)
    assert (header["shape"], header["dtype"]) == (list(pixels.shape), "uint16")
    provenance = record.load_json("provenance")
    assert isinstance(provenance, dict)
    source = provenance["source"]
    assert isinstance(source, dict)
    facts = (folder / "b.tif").stat()
    assert source["primary_path"] == str(folder.resolve() / "b.tif")
    assert (source["mtime_ns"], source["size_bytes"]) == (facts.st_mtime_ns, facts.st_size)
    assert provenance["pixels_digest"] == record.pixels_digest


def test_the_index_comes_back_when_it_was_deleted(disk: ZarrDataset, folder: Path) -> None:
    disk.refresh_from_folder(folder)
    before = disk.load_sources_index()
    (Path(disk.location) / "tables" / "sources.parquet").unlink()
    assert disk.refresh_from_folder(folder) == []
    pd.testing.assert_frame_equal(disk.load_sources_index(), before)


def test_an_older_copy_of_the_index_makes_no_second_copies(
    disk: ZarrDataset, folder: Path, tmp_path: Path
) -> None:
    index = Path(disk.location) / "tables" / "sources.parquet"
    disk.refresh_from_folder(folder)
    shutil.copy(index, tmp_path / "old.parquet")
    tifffile.imwrite(folder / "d.tif", np.ones((5, 4), np.uint8))
    disk.refresh_from_folder(folder)
    shutil.copy(tmp_path / "old.parquet", index)
    assert disk.refresh_from_folder(folder) == []
    assert len(disk.load_sources_index()) == 4
    shutil.rmtree(Path(disk.location) / "index")
    assert disk.refresh_from_folder(folder) == []


def test_a_damaged_index_is_read_from_the_records(disk: ZarrDataset, folder: Path) -> None:
    disk.refresh_from_folder(folder)
    before = disk.load_sources_index()
    (Path(disk.location) / "tables" / "sources.parquet").write_bytes(b"PAR1 nonsense PAR1")
    pd.testing.assert_frame_equal(disk.load_sources_index(), before)
    assert disk.refresh_from_folder(folder) == []


def test_a_changed_file_becomes_a_new_image_beside_the_old(
    dataset: ZarrDataset, folder: Path, rewrite: Callable[[Path], None]
) -> None:
    dataset.refresh_from_folder(folder)
    sources = dataset.load_sources_index().set_index("source_primary_path")
    old = sources["image_id"].to_dict()[str(folder.resolve() / "b.tif")]
    dataset.record(old).save_json("result", {"v": 1})
    rewrite(folder / "b.tif")

    assert dataset.refresh_from_folder(folder) == []
    (new,) = dataset.refresh_from_folder(folder, mode="reingest_if_changed")
    assert dataset.refresh_from_folder(folder, mode="reingest_if_changed") == []
    provenance = dataset.record(new).load_json("provenance")
    assert isinstance(provenance, dict)
    assert isinstance(provenance["source"], dict)
    assert provenance["source"]["supersedes"] == old
    assert dataset.record(old).load_json("result") == {"v": 1}
    assert len(dataset.load_sources_index()) == 4


def test_the_plan_says_what_the_run_does(
    dataset: ZarrDataset, folder: Path, rewrite: Callable[[Path], None]
) -> None:
    dataset.refresh_from_folder(folder)
    rewrite(folder / "a.tif")
    (folder / "b.tif").unlink()
    tifffile.imwrite(folder / "new.tif", np.ones((5, 4), np.uint8))
    plan = dataset.as_read_only().plan_refresh(folder)
    assert [file.primary.name for file in plan.new] == ["new.tif"]
    assert [file.primary.name for file, _ in plan.changed] == ["a.tif"]
    assert [file.primary.name for file in plan.unchanged] == ["c.tif"]
    assert [Path(path).name for path in plan.gone] == ["b.tif"]
    done = list(dataset.iter_refresh(folder, mode="reingest_if_changed"))
    assert [outcome.path.name for outcome in done] == ["new.tif", "a.tif"]
    assert len(dataset.list_image_ids()) == 5


def test_a_file_that_changed_back_counts_as_unchanged(
    dataset: ZarrDataset,
    folder: Path,
    rewrite: Callable[[Path], None],
    touch: Callable[[Path], None],
) -> None:
    before = (folder / "a.tif").stat()
    dataset.refresh_from_folder(folder)
    rewrite(folder / "a.tif")
    dataset.refresh_from_folder(folder, mode="reingest_if_changed")
    assert len(dataset.plan_refresh(folder).unchanged) == 3, "as it was last"
    os.utime(folder / "a.tif", ns=(before.st_atime_ns, before.st_mtime_ns))
    touch(folder / "b.tif")
    plan = dataset.plan_refresh(folder)
    assert [file.primary.name for file in plan.unchanged] == ["a.tif", "c.tif"], "as it was first"
    assert [file.primary.name for file, _ in plan.changed] == ["b.tif"]


def test_files_of_a_folder_that_was_not_looked_at_are_not_gone(
    dataset: ZarrDataset, folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    dataset.refresh_from_folder(folder)
    dataset.refresh_from_folder(other)
    (folder / "b.tif").unlink()
    (other / "c.tif").unlink()
    plan = dataset.plan_refresh(folder, "a*")
    assert [file.primary.name for file in plan.unchanged] == ["a.tif"]
    assert plan.gone == (str(folder.resolve() / "b.tif"),)
    assert (plan.new, plan.changed) == ((), ())


def test_a_refresh_does_not_make_up_for_damage_with_a_second_image(
    disk: ZarrDataset, folder: Path
) -> None:
    first = disk.refresh_from_folder(folder)
    lost = first[1]
    place = Path(disk.location) / "images" / lost
    document = place / "zarr.json"
    kept = document.read_bytes()
    document.unlink()
    assert lost not in disk.list_image_ids()
    assert disk.refresh_from_folder(folder) == []
    tifffile.imwrite(folder / "d.tif", np.ones((5, 4), np.uint8))
    (new,) = disk.refresh_from_folder(folder)
    assert disk.refresh_from_folder(folder) == []
    assert f"images/{lost}/zarr.json" in [problem.location for problem in disk.check()]

    document.write_bytes(kept)
    assert disk.check(deep=True) == []
    assert disk.list_image_ids() == sorted([*first, new])

    shutil.rmtree(place)
    (again,) = disk.refresh_from_folder(folder)
    assert disk.list_image_ids() == sorted({*first, new, again} - {lost})
    assert disk.check(deep=True) == []


@pytest.mark.parametrize("can_look_from_a_folder", [True, False])
def test_systems_that_name_files_by_paths_alone_find_the_same(
    disk: ZarrDataset,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    touch: Callable[[Path], None],
    can_look_from_a_folder: bool,
) -> None:
    (folder / "day2").mkdir()
    pixels = np.ones((5, 4), np.uint8)
    for name in ("s_c1.tif", "s_c2.tif", "day2/deep.tif"):
        tifffile.imwrite(folder / name, pixels)
    disk.refresh_from_folder(folder, "**/*.tif")
    tifffile.imwrite(folder / "day2" / "new.tif", pixels)
    touch(folder / "s_c2.tif")
    (folder / "a.tif").unlink()
    (folder / "c.tif").unlink()
    try:
        (folder / "a.tif").symlink_to(folder / "b.tif")
    except OSError:
        pytest.skip("no right to make links here")
    if can_look_from_a_folder and not os.supports_dir_fd:
        pytest.skip("this system names files by paths alone")
    if not can_look_from_a_folder:
        monkeypatch.setattr(os, "supports_dir_fd", set())
    top = folder.resolve()
    plan = disk.plan_refresh(folder, "**/*.tif")
    assert [file.files for file in plan.new] == [(top / "day2" / "new.tif",)]
    assert [file.files for file, _ in plan.changed] == [(top / "s_c1.tif", top / "s_c2.tif")]
    assert [file.primary for file in plan.unchanged] == [top / "b.tif", top / "day2" / "deep.tif"]
    assert plan.gone == (str(top / "c.tif"),)
    assert {path: error.path for path, error in plan.refused.items()} == {
        top / "a.tif": top / "a.tif"
    }
    first, *others = disk.list_image_ids()
    (Path(disk.location) / "images" / first / "zarr.json").unlink()
    assert disk.list_image_ids() == others


def test_bad_files_stop_only_themselves_and_are_tried_again(
    dataset: ZarrDataset, folder: Path
) -> None:
    (folder / "text.tif").write_text("not an image", encoding="utf-8")
    (folder / "empty.tif").write_bytes(b"")
    with pytest.raises(IngestError) as caught:
        dataset.refresh_from_folder(folder)
    assert [path.name for path in caught.value.failures] == ["text.tif"], "the empty one waits"
    assert sorted(caught.value.image_ids) == dataset.list_image_ids()
    assert len(caught.value.image_ids) == 3

    tifffile.imwrite(folder / "text.tif", np.ones((5, 4), np.uint8))
    with pytest.raises(IngestError) as again:
        dataset.refresh_from_folder(folder)
    assert [path.name for path in again.value.failures] == ["empty.tif"]
    assert len(again.value.image_ids) == 1
    assert dataset.check(deep=True) == []


@pytest.mark.parametrize(
    ("name", "text", "kind", "reason"),
    [
        ("a.json", "[1]", "header_left_out", "not a JSON object"),
        ("a.json", "{", "header_left_out", "not strict JSON"),
        ("a.json", '{"gain": NaN}', "header_left_out", "not strict JSON"),
        ("a.velocity.json", "{", "sidecar_left_out", "not strict JSON"),
        ("a.x.csv", "", "sidecar_left_out", ""),
        ("a.Plot Values.csv", "x,y\n1,2\n", "sidecar_left_out", "not a valid artifact name"),
        ("a.x.npy", "no array", "sidecar_left_out", ""),
        ("a.provenance.json", "{}", "sidecar_left_out", "keeps its own facts"),
        ("a.vendor_header.json", "{}", "sidecar_left_out", "keeps its own facts"),
    ],
)
def test_a_bad_file_beside_an_image_never_stops_it(
    dataset: ZarrDataset, folder: Path, name: str, text: str, kind: str, reason: str
) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    outcomes = {item.path.name: item for item in dataset.iter_refresh(folder)}
    assert [item.status for item in outcomes.values()] == ["ingested"] * 3
    image_id = outcomes["a.tif"].image_id
    (issue,) = outcomes["a.tif"].issues
    assert (issue.file, issue.kind) == (name, kind)
    assert reason in issue.message
    assert dataset.sources.issues() == {image_id: (issue,)}, "and again whenever someone asks"
    provenance = dataset.record(image_id).load_json("provenance")
    assert isinstance(provenance, dict)
    assert isinstance(provenance["source"], dict)
    assert provenance["source"]["issues"] == [
        {"file": name, "kind": kind, "message": issue.message}
    ]
    assert dataset.refresh_from_folder(folder) == []
    assert dataset.check(deep=True) == []


def test_a_strict_ingest_refuses_an_image_with_a_bad_sidecar(
    dataset: ZarrDataset, folder: Path
) -> None:
    (folder / "a.velocity.json").write_text("{", encoding="utf-8")
    strict = IngestOptions(strict=True)
    with pytest.raises(IngestError, match=r"'a\.tif': in 'a\.velocity\.json': ") as caught:
        dataset.refresh_from_folder(folder, options=strict)
    assert [path.name for path in caught.value.failures] == ["a.tif"]
    assert dataset.sources.failures() == (), "the image itself is not at fault"
    (folder / "a.velocity.json").write_text('{"w": 16}', encoding="utf-8")
    (added,) = dataset.refresh_from_folder(folder, options=strict)
    assert dataset.record(added).load_json("velocity") == {"w": 16}


def test_issues_are_read_from_the_records_where_their_index_was_lost(
    disk: ZarrDataset, folder: Path
) -> None:
    (folder / "a.velocity.json").write_text("{", encoding="utf-8")
    disk.refresh_from_folder(folder)
    before = disk.sources.issues()
    shutil.rmtree(Path(disk.location) / "index")
    assert disk.sources.issues() == before
    assert len(before) == 1
    ((image_id, _),) = before.items()
    path = Path(disk.location, "images", image_id, "analysis", "provenance.json")
    provenance = json.loads(path.read_text(encoding="utf-8"))
    (issue,) = provenance["source"]["issues"]
    others = [3, {}, {**issue, "file": 1}, {**issue, "message": None}, {**issue, "kind": "later"}]
    provenance["source"]["issues"] = [*others, issue]
    path.write_text(json.dumps(provenance), encoding="utf-8")
    assert ZarrDataset(disk.location).sources.issues() == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.json", "a.traces.json"])
def test_a_document_that_grows_too_large_is_left_out(
    disk: ZarrDataset, folder: Path, name: str
) -> None:
    """Stored JSON is indented: at this depth each number takes sixty times its length."""
    deep = '{"x":' + "[" * 60 + "1" + ",1" * 600_000 + "]" * 60 + "}"
    (folder / name).write_text(deep, encoding="utf-8")
    record = disk.ingest_image(folder / "a.tif")
    (issue,) = disk.sources.issues()[record.image_id]
    assert issue.file == name
    assert "the limit is 67108864" in issue.message


@pytest.mark.skipif(os.name == "nt", reason="folders are made from an open one")
def test_a_subfolder_that_cannot_be_listed_stops_nothing_else(
    dataset: ZarrDataset, folder: Path
) -> None:
    """Its path is too long; what must not be read is met in the same way."""
    opened = os.open(folder, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=opened)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=opened)
        os.close(opened)
        opened = inner
    os.close(opened)
    plan = dataset.plan_refresh(folder, "**/*.tif")
    assert len(plan.new) == 3
    (refused,) = plan.refused
    with pytest.raises(IngestError, match=r"'d{200}': the system says") as caught:
        dataset.refresh_from_folder(folder, "**/*.tif")
    assert set(caught.value.failures) == {refused}
    assert len(dataset.list_image_ids()) == 3


def test_sidecars_come_along(dataset: ZarrDataset, folder: Path) -> None:
    frame = pd.DataFrame({"time": [0.0, 0.1], "velocity": [1.5, np.nan]})
    frame.to_csv(folder / "a.radon.csv", index=False)
    frame.to_parquet(folder / "a.trace.parquet")
    np.save(folder / "a.scores.npy", np.arange(6.0).reshape(2, 3))
    payload = {"version": "1.0", "rois": [{"id": 1}], "mine": True, "header": {"odd": 1}}
    (folder / "a.json").write_text(json.dumps(payload), encoding="utf-8")
    (folder / "a.txt").write_text("just a note", encoding="utf-8")
    record = dataset.ingest_image(folder / "a.tif")
    pd.testing.assert_frame_equal(record.load_df_parquet("radon"), frame)
    pd.testing.assert_frame_equal(record.load_df_parquet("trace"), frame)
    np.testing.assert_array_equal(record.load_array_artifact("scores"), [[0, 1, 2], [3, 4, 5]])
    metadata = record.load_metadata_payload()
    assert (metadata["rois"], metadata["mine"]) == ([{"id": 1}], True)
    assert metadata["header_sidecar"] == {"odd": 1}
    assert record.load_json("vendor_header") == {"text": "just a note"}
    assert dataset.check(deep=True) == []


def test_sidecars_can_be_left_out(dataset: ZarrDataset, folder: Path) -> None:
    (folder / "a.velocity.json").write_text("{}", encoding="utf-8")
    ids = dataset.ingest_legacy_folder(folder, include_sidecars=False)
    assert len(ids) == 3
    assert all(len(dataset.record(one).list_analysis_keys()) == 2 for one in ids)


def test_files_of_further_channels_become_one_image(dataset: ZarrDataset, tmp_path: Path) -> None:
    folder = tmp_path / "channels"
    folder.mkdir()
    for channel in (1, 2):
        tifffile.imwrite(folder / f"scan_c{channel}.tif", np.full((6, 4), channel, np.uint8))
    (file,) = dataset.plan_refresh(folder).new
    assert [path.name for path in (file.primary, *file.files)] == [
        *("scan_c1.tif", "scan_c1.tif", "scan_c2.tif")
    ]
    (image_id,) = dataset.refresh_from_folder(folder)
    record = dataset.record(image_id)
    assert (record.shape, record.get_axes()[0]) == ((2, 6, 4), "c")
    np.testing.assert_array_equal(record.load_array()[1], np.full((6, 4), 2))
    header = record.load_metadata_payload()["header"]
    assert isinstance(header, dict)
    assert (header["shape"], header["axes"]) == ([2, 6, 4], ["c", "y", "x"])
    assert header["scale"] == {"c": None, "y": None, "x": None}
    assert dataset.refresh_from_folder(folder) == []


def test_patterns_subfolders_and_endings(dataset: ZarrDataset, folder: Path) -> None:
    inner = folder / "day2"
    inner.mkdir()
    tifffile.imwrite(inner / "deep.tif", np.ones((5, 4), np.uint8))
    tifffile.imwrite(folder / "CAPITALS.TIFF", np.ones((5, 4), np.uint8))
    assert len(dataset.plan_refresh(folder).new) == 4
    assert len(dataset.plan_refresh(folder, "*.tif").new) == 3
    assert len(dataset.plan_refresh(folder, ["*.tif", "*.tiff"]).new) == 4
    assert len(dataset.plan_refresh(folder, "**/*.tif").new) == 4
    assert [f.primary.name for f in dataset.plan_refresh(folder, "a*").new] == ["a.tif"]


def test_a_link_is_refused_and_reported(dataset: ZarrDataset, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "outside.tif"
    tifffile.imwrite(target, np.ones((5, 4), np.uint8))
    try:
        (folder / "link.tif").symlink_to(target)
    except OSError:
        pytest.skip("no right to make links here")
    plan = dataset.plan_refresh(folder)
    assert [path.name for path in plan.refused] == ["link.tif"]
    with pytest.raises(IngestError, match="symbolic link") as caught:
        dataset.refresh_from_folder(folder)
    assert len(caught.value.image_ids) == 3


def test_a_link_whose_file_was_not_fetched_is_recognised(
    dataset: ZarrDataset, folder: Path
) -> None:
    try:
        (folder / "link.tif").symlink_to("annex/object.tif")
    except OSError:
        pytest.skip("no right to make links here")
    with pytest.raises(IngestError, match="fetch that") as caught:
        dataset.refresh_from_folder(folder, options=IngestOptions(follow_links=True))
    assert [path.name for path in caught.value.failures] == ["link.tif"]
    (folder / "annex").mkdir()
    tifffile.imwrite(folder / "annex" / "object.tif", np.ones((5, 4), np.uint8))
    assert len(dataset.refresh_from_folder(folder, options=IngestOptions(follow_links=True))) == 1
    assert dataset.find("link").shape == (5, 4)


def test_a_folder_that_is_not_there(dataset: ZarrDataset, tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError, match="check the path"):
        dataset.refresh_from_folder(tmp_path / "none")
    with pytest.raises(UnreadableImageError):
        dataset.ingest_image(tmp_path / "none.tif")


def test_workers_and_durability_change_nothing_in_the_result(tmp_path: Path, folder: Path) -> None:
    digests = []
    for number, (durability, workers) in enumerate(
        [("batch", 1), ("record", 1), ("none", 1), ("batch", 3)]
    ):
        made = ZarrDataset(tmp_path / f"{number}.zarr", durability=durability)  # type: ignore[arg-type]  # literals
        ids = made.refresh_from_folder(folder, workers=workers)
        digests.append([made.record(one).pixels_digest for one in ids])
        assert made.check(deep=True) == []
    assert all(found == digests[0] for found in digests)


def test_arguments_are_checked(dataset: ZarrDataset, folder: Path) -> None:
    with pytest.raises(ValueError, match="choose one of 'skip', 'reingest_if_changed'"):
        dataset.refresh_from_folder(folder, mode="always")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ValueError, match="workers must be at least 1"):
        dataset.refresh_from_folder(folder, workers=0)


def test_stopping_early_keeps_what_was_reported(disk: ZarrDataset, folder: Path) -> None:
    one_by_one = ZarrDataset(disk.location, durability="record")
    outcomes = one_by_one.iter_refresh(folder)
    first = next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]  # it is a generator
    assert disk.list_image_ids() == [first.image_id]
    assert disk.load_sources_index()["image_id"].tolist() == [first.image_id]
    assert len(disk.refresh_from_folder(folder)) == 2


def test_saving_the_index_checks_it(dataset: ZarrDataset, folder: Path) -> None:
    dataset.refresh_from_folder(folder)
    index = dataset.load_sources_index()
    dataset.save_sources_index(index)
    pd.testing.assert_frame_equal(dataset.load_sources_index(), index)
    with pytest.raises(SchemaValidationError, match="lacks image_id"):
        dataset.save_sources_index(index.drop(columns="image_id"))
    with pytest.raises(SchemaValidationError, match="'source_mtime_ns' of the sources index holds"):
        dataset.save_sources_index(index.astype({"source_mtime_ns": "float64"}))


def test_images_in_order_of_acquisition(dataset: ZarrDataset, folder: Path) -> None:
    a, b, c = dataset.refresh_from_folder(folder)
    # Of c it is unknown: no column holds such a number.
    for image_id, time_ns in ((a, 2**63 - 1), (b, -(2**63)), (c, 2**63)):
        record = dataset.record(image_id)
        payload = record.load_metadata_payload()
        assert isinstance(payload["header"], dict)
        payload["header"]["acquired_local_epoch_ns"] = time_ns
        record.save_metadata_payload(payload)
    dataset.update_manifest()

    def order(missing: str) -> list[str]:
        records = dataset.iter_records("acquired_local_epoch_ns", missing=missing)  # type: ignore[arg-type]  # literals
        return [record.image_id for record in records]

    assert order("last") == [b, a, c]
    assert order("first") == [c, b, a]
    created = [record.image_id for record in dataset.iter_records("created_utc")]
    assert created == [a, b, c]
    record = dataset.record(c)
    payload = record.load_metadata_payload()
    assert isinstance(payload["header"], dict)
    payload["header"]["acquired_local_epoch_ns"] = 1
    record.save_metadata_payload(payload)
    assert order("last") == [b, c, a], "an edit counts although the manifest is older"


@pytest.mark.parametrize(
    ("stem", "line_period_s", "um_per_pixel"),
    [
        ("20250722_A89_0002", 1.134e-3, 0.45),
        ("20250722_A89_0003", 1.114e-3, 0.45),
        ("20250722_A89_0004", 1.122e-3, 0.45),
        ("Capillary2", 1.146e-3, 0.331),
    ],
)
def test_real_recordings_have_the_calibration_of_their_vendor(
    disk: ZarrDataset, shared: Path, stem: str, line_period_s: float, um_per_pixel: float
) -> None:
    record = disk.ingest_image(shared / f"{stem}.tif")
    header = record.load_metadata_payload()["header"]
    assert isinstance(header, dict)
    assert header["axes"] == ["t", "x"]
    scale, unit = header["scale"], header["unit"]
    assert isinstance(scale, dict)
    assert scale["t"] == pytest.approx(line_period_s, rel=1e-9)
    assert scale["x"] == pytest.approx(um_per_pixel, rel=1e-9)
    assert unit == {"t": "s", "x": "um"}
    np.testing.assert_array_equal(record.load_array(), tifffile.imread(shared / f"{stem}.tif"))


def test_an_export_is_ingested_as_what_it_is(
    dataset: ZarrDataset, folder: Path, tmp_path: Path
) -> None:
    for image_id in dataset.refresh_from_folder(folder):
        dataset.record(image_id).save_json("result", {"v": 1.5})
        row = pd.DataFrame({"image_id": [image_id], "v": [1]})
        dataset.replace_rows_for_image_id("kym_x", image_id, row)
    report = dataset.export_legacy_folder(tmp_path / "export")
    assert report.image_ids == tuple(dataset.list_image_ids())
    assert dataset.export_legacy_folder(tmp_path / "export").files_written == 0

    again = ZarrDataset(tmp_path / "again.zarr")
    assert sorted(again.ingest_legacy_folder(tmp_path / "export")) == dataset.list_image_ids()
    assert again.refresh_from_folder(tmp_path / "export") == []
    for one in dataset.iter_records():
        twin = again.record(one.image_id)
        assert twin.pixels_digest == one.pixels_digest
        assert twin.load_json("result") == {"v": 1.5}
    pd.testing.assert_frame_equal(again.load_table("kym_x"), dataset.load_table("kym_x"))
    pd.testing.assert_frame_equal(again.load_sources_index(), dataset.load_sources_index())
    assert again.refresh_from_folder(folder) == []
    assert again.check(deep=True) == []
