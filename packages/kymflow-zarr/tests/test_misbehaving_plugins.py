"""Readers, kinds and keys that break the rules: the fault is named, and nothing else ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import tifffile

from kymflow_zarr import CorruptDataError, IngestError, IngestOptions, ZarrDataset
from kymflow_zarr.artifacts import ArtifactKind, register_kind, unregister_kind
from kymflow_zarr.errors import ArtifactKindError, PluginWarning
from kymflow_zarr.readers import (
    ArrayImage,
    FolderListing,
    ReadLimits,
    SceneReader,
    register_reader,
    unregister,
)


class OddReader(SceneReader):
    """A reader whose parts are given."""

    name = "odd"
    suffixes = (".odd",)

    def __init__(
        self, *, claimed: Any = ("a.odd",), scenes: Any = ("",), fault: Any = None
    ) -> None:
        self._claimed, self._scenes, self._fault = claimed, scenes, fault

    def claims(self, listing: FolderListing) -> Any:  # noqa: ARG002
        return self._claimed

    def scenes(self, path: Path, *, limits: ReadLimits) -> Any:  # noqa: ARG002
        return self._scenes

    def open(self, path: Path, *, limits: ReadLimits) -> ArrayImage:  # noqa: ARG002
        if self._fault is not None:
            raise self._fault
        return ArrayImage(np.arange(12, dtype=np.uint16).reshape(3, 4))

    def open_scene(self, path: Path, scene: str, *, limits: ReadLimits) -> ArrayImage:  # noqa: ARG002
        return self.open(path, limits=limits)


class NoteKind(ArtifactKind):
    """A kind of text."""

    name = "note"
    suffixes: ClassVar[Any] = (".note",)

    def encode(self, value: Any) -> bytes:
        return str(value).encode()

    def decode(self, data: bytes, *, key: str) -> Any:  # noqa: ARG002
        return data.decode()


@pytest.fixture
def register() -> Iterator[Callable[[ArtifactKind], None]]:
    yield register_kind
    unregister_kind("note")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a TIFF, and a file for `OddReader`; beside it, a file that is none of its."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "a.odd").write_bytes(b"odd")
    (tmp_path / "outside.odd").write_bytes(b"odd")
    tifffile.imwrite(folder / "z.tif", np.zeros((4, 5), np.uint16))
    yield folder
    unregister("odd")


def test_a_reader_gets_no_file_outside_its_folder(tmp_path: Path, folder: Path) -> None:
    outside = str(tmp_path / "outside.odd")
    register_reader(OddReader(claimed=["../outside.odd", outside, 5, "a.odd", "gone.odd"]))
    assert len(ZarrDataset(tmp_path / "d.zarr").sources.refresh(folder)) == 2


def test_claims_of_another_type_take_no_file(tmp_path: Path, folder: Path) -> None:
    register_reader(OddReader(claimed=[["a.odd"]]))
    with pytest.warns(PluginWarning, match="the reader 'odd' takes no files here"):
        assert len(ZarrDataset(tmp_path / "d.zarr").sources.refresh(folder)) == 1


@pytest.mark.parametrize("scenes", [["a", "a"], ["a\ud800", "b"], [1, 2], None])
def test_names_of_scenes_that_cannot_be_stored_are_a_fault_of_the_file(
    tmp_path: Path, folder: Path, scenes: object
) -> None:
    register_reader(OddReader(scenes=scenes))
    dataset = ZarrDataset(tmp_path / "d.zarr")
    with pytest.raises(IngestError, match=r"'a\.odd': its contents do not decode"):
        dataset.sources.refresh(folder)
    assert len(dataset) == 1


def test_an_error_that_cannot_say_what_it_is_ends_no_run(tmp_path: Path, folder: Path) -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    register_reader(OddReader(fault=SilentError()))
    with pytest.raises(IngestError, match=r"do not decode \(SilentError\)"):
        ZarrDataset(tmp_path / "d.zarr").sources.refresh(folder, options=IngestOptions())


def test_whatever_a_kind_raises_on_decoding_is_damage_of_that_artifact(
    tmp_path: Path, register: Callable[[ArtifactKind], None]
) -> None:
    class Failing(NoteKind):
        def decode(self, data: bytes, *, key: str) -> Any:  # noqa: ARG002
            raise KeyError(key)

    register(Failing())
    dataset = ZarrDataset(tmp_path / "d.zarr")
    record = dataset.add_image(np.zeros((2, 2)))
    record.artifacts.save("n", "text", kind="note")
    with pytest.raises(CorruptDataError, match="cannot be decoded as note"):
        record.artifacts.load("n")
    (problem,) = dataset.check(deep=True)
    assert problem.location.endswith("/analysis/n.note")


@pytest.mark.parametrize("value", ["text", None, KeyError("k")])
def test_what_a_kind_cannot_encode_is_its_own_error(
    tmp_path: Path, register: Callable[[ArtifactKind], None], value: object
) -> None:
    class Failing(NoteKind):
        def encode(self, value: Any) -> Any:
            if isinstance(value, Exception):
                raise value
            return value

    register(Failing())
    record = ZarrDataset(tmp_path / "d.zarr").add_image(np.zeros((2, 2)))
    with pytest.raises(ArtifactKindError, match="report it to the authors"):
        record.artifacts.save("n", value, kind="note")
    assert list(record.artifacts) == ["provenance"]


def test_a_kind_that_cannot_say_what_it_accepts_keeps_no_json_from_a_save(
    tmp_path: Path, register: Callable[[ArtifactKind], None]
) -> None:
    class Failing(NoteKind):
        def accepts(self, value: object) -> bool:  # noqa: ARG002
            raise AttributeError("x")

    register(Failing())
    record = ZarrDataset(tmp_path / "d.zarr").add_image(np.zeros((2, 2)))
    with pytest.warns(PluginWarning, match="'note' cannot say"):
        record.artifacts.save("n", {"a": 1})
    assert record.artifacts["n"] == {"a": 1}


def test_a_kind_writes_its_own_artifact_and_nothing_else(
    tmp_path: Path, register: Callable[[ArtifactKind], None]
) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr")
    other = dataset.add_image(np.zeros((2, 2)))

    class Astray(NoteKind):
        def write(self, value: Any, *, key: str, put: Callable[[str, bytes], None]) -> None:  # noqa: ARG002
            put(f"images/{other.image_id}/zarr.json", b"x")

    register(Astray())
    with pytest.raises(ArtifactKindError, match="which is not its own"):
        dataset.add_image(np.zeros((2, 2))).artifacts.save("n", "text", kind="note")
    assert dataset.check(deep=True) == []


def test_a_path_of_a_kind_does_not_leave_the_dataset(
    tmp_path: Path, register: Callable[[ArtifactKind], None]
) -> None:
    class Outside(NoteKind):
        def paths(self, name: str) -> tuple[str, ...]:
            return (f"../../../{name}.note",)

    register(Outside())
    (tmp_path / "there.note").write_text("of someone else")
    record = ZarrDataset(tmp_path / "d.zarr").add_image(np.zeros((2, 2)))
    for name in ("new", "there"):
        with pytest.raises(CorruptDataError, match="leads out of its folder"):
            record.artifacts.save(name, "text", kind="note")
    with pytest.raises(CorruptDataError, match="leads out of its folder"):
        record.artifacts.load("there", kind="note")
    assert {path.name for path in tmp_path.iterdir()} == {"d.zarr", "there.note"}
    assert (tmp_path / "there.note").read_text() == "of someone else"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": None},
        {"name": ["note"]},
        {"name": "\x1b[2J"},
        {"suffixes": ".note"},
        {"suffixes": (1,)},
        {"root": "../../x"},
        {"root": ""},
        {"root": "data"},
        {"root": None},
    ],
)
def test_a_kind_that_is_none_is_refused_with_what_to_do(wrong: dict[str, object]) -> None:
    kind = type("Wrong", (NoteKind,), wrong)()
    with pytest.raises(ArtifactKindError, match=r"; (give|use) "):
        register_kind(kind)


@pytest.mark.parametrize("key", [5, None, b"x", (), "", "..", "../d.zarr", "\0"])
def test_what_is_no_name_is_no_key_of_a_mapping(tmp_path: Path, key: Any) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr")
    record = dataset.add_image(np.zeros((2, 2)))
    for mapping in (dataset, dataset.tables, record.artifacts):
        assert key not in mapping
        assert mapping.get(key) is None
        with pytest.raises(KeyError):
            mapping[key]


def test_tables_and_artifacts_compare_without_being_read(tmp_path: Path) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr")
    artifacts = dataset.add_image(np.zeros((2, 2))).artifacts
    artifacts.save("a", np.zeros(3))
    same = artifacts
    assert artifacts == same
    assert artifacts != dataset.tables
    assert len({artifacts, dataset.tables}) == 2
