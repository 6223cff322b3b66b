"""One table of artifact kinds, and a record's artifacts as a mapping."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kymflow_zarr import (
    ArtifactKindError,
    ArtifactNotFoundError,
    CorruptDataError,
    ExportError,
    ImageNotFoundError,
    IngestError,
    IngestOptions,
    InvalidNameError,
    ReadOnlyError,
    ZarrDataset,
    ZarrImageRecord,
)
from kymflow_zarr.artifacts import (
    ArtifactKind,
    BlobStore,
    LabeledArray,
    PutFile,
    StoredArtifact,
    artifact_kinds,
    register_kind,
    unregister_kind,
)
from kymflow_zarr.experimental_stores import Artifact
from kymflow_zarr.experimental_stores.stores import SidecarArtifactStore, ZarrArtifactStore


class NoteKind(ArtifactKind):
    """Plain text in Markdown."""

    name = "note"
    suffixes = (".md",)
    sidecar_suffixes = (".md",)

    def encode(self, value: str) -> bytes:
        return value.encode("utf-8")

    def decode(self, data: bytes, *, key: str) -> str:  # noqa: ARG002
        return data.decode("utf-8")


@pytest.fixture
def note_kind() -> Iterator[None]:
    """The kind, registered for one test."""
    register_kind(NoteKind())
    yield
    unregister_kind("note")


@pytest.fixture
def record(dataset: ZarrDataset) -> ZarrImageRecord:
    return dataset.add_image(np.ones((4, 3), np.uint8), axes=("t", "x"))


@pytest.fixture
def on_disk(disk: ZarrDataset) -> tuple[ZarrImageRecord, Path]:
    """A record and its folder."""
    record = disk.add_image(np.ones((4, 3), np.uint8), axes=("t", "x"))
    return record, Path(disk.location) / "images" / record.image_id


# --- your own kind


@pytest.mark.usefixtures("note_kind")
def test_a_new_kind_is_saved_loaded_listed_and_checked(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    key = record.artifacts.save("day/note", "# Vessel 3\nµ", kind="note")
    assert key == f"images/{record.image_id}/analysis/day/note.md"
    assert record.artifacts["day/note"] == "# Vessel 3\nµ"
    assert record.artifacts.kind("day/note") == "note"
    assert StoredArtifact(name="day/note", kind="note", key=key) in record.artifacts.entries()
    assert key in record.list_analysis_keys()
    assert dataset.check(deep=True) == []
    assert ZarrArtifactStore(dataset).list_artifacts(record.image_id) == (
        Artifact(name="day/note", kind="note"),
    )
    assert record.delete_analysis() == [key]
    assert dataset.check(deep=True) == []


@pytest.mark.usefixtures("note_kind")
def test_damage_to_an_artifact_of_a_new_kind_is_found(
    disk: ZarrDataset, on_disk: tuple[ZarrImageRecord, Path]
) -> None:
    record, folder = on_disk
    key = record.artifacts.save("note", "text", "note")
    (folder / "analysis" / "note.md").write_bytes(b"\xff")
    assert [(found.kind, found.location) for found in disk.check()] == [("unreadable", key)]
    with pytest.raises(CorruptDataError, match="cannot be decoded as note"):
        record.artifacts.load("note")
    (folder / "analysis" / "note.md").unlink()
    assert [(found.kind, found.location) for found in disk.check()] == [("gone", key)]


@pytest.mark.usefixtures("note_kind")
def test_a_file_of_a_new_kind_beside_an_image_is_ingested(disk: ZarrDataset, folder: Path) -> None:
    (folder / "a.observed.MD").write_text("shaky", encoding="utf-8")
    assert SidecarArtifactStore().list_artifacts(str(folder / "a.tif")) == (
        Artifact(name="observed", kind="note"),
    )
    assert SidecarArtifactStore().load(str(folder / "a.tif"), "observed", "note") == "shaky"
    record = disk.ingest_image(folder / "a.tif")
    assert record.artifacts["observed"] == "shaky"
    assert ZarrArtifactStore(disk).load(record.image_id, "observed", "note") == "shaky"
    SidecarArtifactStore().save(str(folder / "a.tif"), "later", "calm", "note")
    assert (folder / "a.later.md").read_bytes() == b"calm"
    with pytest.raises(ArtifactKindError, match="'csv' has no form beside an image"):
        SidecarArtifactStore().save(str(folder / "a.tif"), "later", b"", "csv")
    (folder / "b.observed.md").write_bytes(b"\xff")
    strict = IngestOptions(strict=True)
    with pytest.raises(IngestError, match=r"b\.observed\.md"):
        disk.refresh_from_folder(folder, options=strict)


class BagKind(ArtifactKind):
    """Texts, each in a separate file."""

    name = "bag"
    suffixes = ()
    sidecar_suffixes = (".bag",)
    root = "bags"

    def encode(self, value: list[str]) -> bytes:
        return "\n".join(value).encode("utf-8")

    def decode(self, data: bytes, *, key: str) -> list[str]:  # noqa: ARG002
        return data.decode("utf-8").split("\n")

    def write(self, value: list[str], *, key: str, put: PutFile) -> None:
        for number, text in enumerate(value):
            put(f"{key}/{number}", text.encode("utf-8"))

    def exists(self, blobs: BlobStore, key: str) -> bool:
        return blobs.stat(f"{key}/0") is not None

    def read(self, blobs: BlobStore, key: str) -> list[str]:
        files = blobs.list_folder(key).files
        return [(blobs.get(f"{key}/{file}") or b"").decode("utf-8") for file in files]


@pytest.mark.usefixtures("note_kind")
def test_artifacts_of_new_kinds_are_exported_and_come_back(
    disk: ZarrDataset, on_disk: tuple[ZarrImageRecord, Path], tmp_path: Path
) -> None:
    record, _ = on_disk
    register_kind(BagKind())
    try:
        record.artifacts.save("day/note", "# Vessel 3\nµ", kind="note")
        record.artifacts.save("words", ["a", "b"], kind="bag")
        disk.export_legacy_folder(tmp_path / "export")
        plain = tmp_path / "export/images" / record.image_id
        assert (plain / "day/note.md").read_text("utf-8") == "# Vessel 3\nµ"
        assert (plain / "bag_artifacts/words.bag").read_text("utf-8") == "a\nb"
        twin = ZarrDataset(tmp_path / "twin.zarr")
        twin.ingest_legacy_folder(tmp_path / "export")
        assert twin.record(record.image_id).artifacts["day/note"] == "# Vessel 3\nµ"
        assert twin.record(record.image_id).artifacts["words"] == ["a", "b"]
        assert twin.check(deep=True) == []
    finally:
        unregister_kind("bag")
    stranger = ZarrDataset(tmp_path / "stranger.zarr")
    with pytest.raises(IngestError, match=r"unknown artifact kind 'bag'.*register_kind"):
        stranger.ingest_legacy_folder(tmp_path / "export")


def test_a_file_of_an_unknown_kind_is_reported_and_kept(
    disk: ZarrDataset, on_disk: tuple[ZarrImageRecord, Path], tmp_path: Path
) -> None:
    record, folder = on_disk
    register_kind(NoteKind())
    key = record.artifacts.save("note", "text", "note")
    unregister_kind("note")
    assert "note" not in record.artifacts
    assert key not in record.list_analysis_keys()
    assert [(found.kind, found.location) for found in disk.check()] == [("unknown", key)]
    assert disk.repair(forget_gone=True) == []
    assert record.delete_analysis() == []
    assert (folder / "analysis" / "note.md").read_text("utf-8") == "text"
    assert record.artifacts.unregistered_keys() == [key]
    with pytest.raises(ExportError, match=r"note\.md.*not registered"):
        disk.export_legacy_folder(tmp_path / "export")
    assert [(found.kind, found.location) for found in disk.check()] == [("unknown", key)]


class Clash(NoteKind):
    """A kind whose name or suffixes differ from one test to the next."""

    def __init__(self, name: str, suffix: str, sidecar: str) -> None:
        self.name = name  # type: ignore[misc]  # a class variable elsewhere
        self.suffixes = (suffix,)  # type: ignore[misc]
        self.sidecar_suffixes = (sidecar,)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "suffix", "sidecar"),
    [
        ("json", ".md", ".md"),
        ("mine", ".json", ".md"),
        ("mine", ".gz", ".md"),
        ("mine", ".v2.json", ".md"),
        ("mine", ".md", ".csv"),
        ("mine", "md", ".md"),
        ("mine", ".MD", ".md"),
        ("mine", "/../x", ".md"),
    ],
)
def test_a_kind_that_clashes_is_refused(name: str, suffix: str, sidecar: str) -> None:
    before = artifact_kinds()
    with pytest.raises(ArtifactKindError):
        register_kind(Clash(name, suffix, sidecar))
    assert artifact_kinds() == before


PLUGIN = """
from kymflow_zarr.artifacts import ArtifactKind


class NoteKind(ArtifactKind):
    name = "note"
    suffixes = (".md",)

    def encode(self, value):
        return value.encode()

    def decode(self, data, *, key):
        return data.decode()


def broken():
    raise RuntimeError("out of order")
"""


def test_kinds_of_other_distributions_are_there_and_a_broken_one_is_left_out(
    tmp_path: Path,
) -> None:
    info = tmp_path / "lab_notes-1.4.dist-info"
    info.mkdir()
    (tmp_path / "lab_notes.py").write_text(PLUGIN, encoding="utf-8")
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: lab_notes\nVersion: 1.4\n", "utf-8"
    )
    (info / "entry_points.txt").write_text(
        "[kymflow_zarr.kinds]\nnote = lab_notes:NoteKind\nworse = lab_notes:broken\n", "utf-8"
    )
    code = "from kymflow_zarr.artifacts import artifact_kinds; print(artifact_kinds()[-1].name)"
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout == "note\n"
    assert "the artifact kind 'worse' of 'lab_notes' is not used: RuntimeError" in done.stderr


def test_kinds_that_do_not_exist(record: ZarrImageRecord) -> None:
    with pytest.raises(ArtifactKindError, match=r"unknown artifact kind 'x'.*'json', 'table'"):
        record.artifacts.save("a", 1, "x")
    with pytest.raises(ArtifactKindError, match="unknown artifact kind"):
        unregister_kind("x")


# --- a record's artifacts


def test_artifacts_are_a_mapping_by_name(record: ZarrImageRecord) -> None:
    frame = pd.DataFrame({"v": [1.5, 2.5]})
    record.artifacts.save("velocity/params", {"window": 16})
    record.artifacts.save("velocity/trace", frame)
    record.artifacts.save("scores", np.arange(6.0).reshape(2, 3))
    artifacts = record.artifacts
    assert list(artifacts) == ["provenance", "scores", "velocity/params", "velocity/trace"]
    assert len(artifacts) == 4
    assert artifacts["velocity/params"] == {"window": 16}
    pd.testing.assert_frame_equal(artifacts["velocity/trace"], frame)
    np.testing.assert_array_equal(artifacts["scores"], np.arange(6.0).reshape(2, 3))
    assert [artifacts.kind(name) for name in list(artifacts)[1:]] == ["array", "json", "table"]
    assert "scores" in artifacts
    assert not any(name in artifacts for name in ("score", "scores/", "../scores", "", 3))
    assert artifacts.get("score", "none") == "none"
    with pytest.raises(KeyError, match="no artifact 'score'"):
        artifacts["score"]
    with pytest.raises(ArtifactNotFoundError):
        artifacts.kind("score")


def test_the_fixed_names_and_the_mapping_are_two_views_of_the_same(
    record: ZarrImageRecord,
) -> None:
    record.save_json("fit", None)
    assert "fit" in record.artifacts
    assert record.artifacts["fit"] is None
    record.artifacts.save("fit", [1, 2])
    assert record.load_json("fit") == [1, 2]
    record.artifacts.save("map", LabeledArray(array=np.arange(3), axes=("angle",)))
    assert record.list_array_artifacts() == ["map"]
    record.artifacts.save("rows", pa.table({"v": [1, 2]}))
    assert record.load_df_parquet("rows")["v"].tolist() == [1, 2]
    record.artifacts.save("old", pd.DataFrame({"v": [3]}), kind="csv")
    assert record.load_df_csv_gz("old")["v"].tolist() == [3]


def test_a_value_of_no_kind_needs_one(record: ZarrImageRecord) -> None:
    with pytest.raises(ArtifactKindError, match=r"no artifact kind accepts a 'complex'.*kind="):
        record.artifacts.save("x", 1j)
    assert "x" not in record.artifacts


def test_of_two_kinds_with_one_name_the_caller_says_which(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    record.artifacts.save("velocity", {"window": 16})
    record.artifacts.save("velocity", pd.DataFrame({"v": [1]}))
    assert list(record.artifacts) == ["provenance", "velocity"]
    for ask in (record.artifacts.load, record.artifacts.kind, record.artifacts.delete):
        with pytest.raises(ArtifactKindError, match="kind='json'") as caught:
            ask("velocity")
        assert caught.value.kinds == ("json", "table")
    assert record.artifacts.load("velocity", kind="json") == {"window": 16}
    record.artifacts.delete("velocity", kind="json")
    assert record.artifacts["velocity"]["v"].tolist() == [1]
    assert dataset.check(deep=True) == []


def test_one_artifact_is_deleted_and_no_other(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    for name in ("a", "a.b", "a/b"):
        record.artifacts.save(name, name)
    record.artifacts.save("scores", np.arange(3))
    record.artifacts.delete("a")
    record.artifacts.delete("scores")
    assert list(record.artifacts) == ["a.b", "a/b", "provenance"]
    assert dataset.check(deep=True) == []
    for name in ("a", "scores"):
        with pytest.raises(ArtifactNotFoundError):
            record.artifacts.delete(name)
    with pytest.raises(ArtifactNotFoundError):
        record.artifacts.delete("a", kind="json")


def test_a_deleted_document_does_not_come_back_from_its_legacy_form(
    on_disk: tuple[ZarrImageRecord, Path],
) -> None:
    record, folder = on_disk
    (folder / "analysis").mkdir(exist_ok=True)
    (folder / "analysis" / "old.json.gz").write_bytes(gzip.compress(b'{"from": "gz"}'))
    record.artifacts.save("old", {"from": "json"})
    assert record.artifacts["old"] == {"from": "json"}
    assert [found.name for found in record.artifacts.entries()] == ["old", "old", "provenance"]
    record.artifacts.delete("old")
    assert "old" not in record.artifacts


def test_what_was_lost_can_be_deleted(
    disk: ZarrDataset, on_disk: tuple[ZarrImageRecord, Path]
) -> None:
    record, folder = on_disk
    record.artifacts.save("fit", {})
    (folder / "analysis" / "fit.json").unlink()
    assert [found.kind for found in disk.check()] == ["gone"]
    record.artifacts.delete("fit", kind="json")
    assert disk.check() == []


def test_the_records_own_facts_cannot_be_deleted(record: ZarrImageRecord) -> None:
    record.save_metadata_payload({"rois": []})
    for name in ("metadata", "provenance"):
        with pytest.raises(InvalidNameError, match="its own facts"):
            record.artifacts.delete(name)
    assert record.artifacts["metadata"] == {"rois": []}


def test_an_array_named_like_a_file_is_not_a_file(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    record.artifacts.save("x.json", np.arange(3))
    assert record.delete_analysis() == []
    assert record.artifacts.kind("x.json") == "array"
    assert dataset.check(deep=True) == []


@pytest.mark.usefixtures("note_kind")
def test_a_folder_and_a_file_do_not_get_in_each_others_way(record: ZarrImageRecord) -> None:
    record.artifacts.save("a", "text", "note")
    with pytest.raises(InvalidNameError, match="in the way"):
        record.artifacts.save("a.md/b", 1)
    record.artifacts.save("c.md/b", 1)
    with pytest.raises(InvalidNameError, match="in the way"):
        record.artifacts.save("c", "text", "note")


def test_nothing_is_written_or_deleted_read_only_or_for_a_deleted_image(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    record.artifacts.save("fit", {})
    closed = dataset.as_read_only().record(record.image_id)
    with pytest.raises(ReadOnlyError):
        closed.artifacts.save("fit", 1)
    with pytest.raises(ReadOnlyError):
        closed.artifacts.delete("fit")
    assert closed.artifacts["fit"] == {}
    dataset.delete_image(record.image_id)
    with pytest.raises(ImageNotFoundError):
        record.artifacts.save("fit", 1)


def test_an_array_without_its_document_is_none(disk: ZarrDataset) -> None:
    record = disk.add_image(np.ones((2, 3)))
    record.save_array_artifact("map", np.ones(3))
    place = Path(disk.location, "images", record.image_id, "analysis_arrays")
    (place / "map" / "zarr.json").unlink()
    (place / "notes.txt").write_text("mine", encoding="utf-8")
    assert [found.name for found in record.artifacts.entries()] == ["provenance"]
    locations = {problem.location for problem in disk.check()}
    assert f"images/{record.image_id}/analysis_arrays/notes.txt" in locations
