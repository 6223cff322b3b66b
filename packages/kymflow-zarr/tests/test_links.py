"""Nothing outside: a link inside a dataset or an export leads no call to files outside of it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kymflow_zarr import CorruptDataError, KymflowZarrError, ZarrDataset, ZarrImageRecord
from kymflow_zarr._storage import openat2

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify tells of every read")
_ALL_EVENTS = 0xFFF

Call = Callable[[ZarrDataset, str, Path], object]


def refresh(dataset: ZarrDataset, image_id: str, recordings: Path) -> object:
    return dataset.refresh_from_folder(recordings, mode="reingest_if_changed")


def open_anew(dataset: ZarrDataset, image_id: str, recordings: Path) -> object:
    return ZarrDataset(dataset.location)


def read_all(dataset: ZarrDataset, image_id: str, recordings: Path) -> object:
    record = dataset.record(image_id)
    return [record.load_array(), *(record.artifacts.load(*pair) for pair in names_of(record))]


def names_of(record: ZarrImageRecord) -> list[tuple[str, str]]:
    return [(found.name, found.kind) for found in record.artifacts.entries()]


def save_files(dataset: ZarrDataset, image_id: str, recordings: Path) -> None:
    record = dataset.record(image_id)
    with record.exclusive():
        record.save_metadata_payload({"notes": "edited"})
    record.save_df_csv_gz("velocity/other", pd.DataFrame({"v": [1]}))
    record.artifacts.delete("velocity/params")


def look_up(dataset: ZarrDataset, image_id: str, recordings: Path) -> object:
    return [
        *(dataset.sources.failures(), dataset.sources.issues(), dataset.sources.duplicates()),
        *(dataset.load_derived("kym_x"), dataset.find(image_id[:8]).open_array()),
        *(list(dataset.iter_table("kym_x")), dataset.tables.head_arrow("kym_x", 1)),
    ]


CALLS: dict[str, Call] = {
    "open": open_anew,
    "read": read_all,
    "manifest": lambda ds, _, __: ds.update_manifest(include_analysis_keys=True),
    "tables": lambda ds, _, __: [ds.load_table(name) for name in ds.list_table_names()],
    "sources": lambda ds, _, __: ds.load_sources_index(),
    "check": lambda ds, _, __: ds.check(deep=True),
    "validate_image": lambda ds, image_id, _: ds.validate_image(image_id),
    "stamps": lambda ds, image_id, _: ds.artifact_stamps([image_id]),
    "refresh": refresh,
    "add_image": lambda ds, _, __: ds.add_image(np.zeros((3, 2)), axes=("t", "x")),
    "save_json": lambda ds, image_id, _: ds.record(image_id).save_json("velocity/params", {"w": 8}),
    "save_array": lambda ds, image_id, _: ds.record(image_id).save_array_artifact(
        "scores", np.zeros(3)
    ),
    "delete_results": lambda ds, image_id, _: ds.record(image_id).artifacts.delete_results(),
    "replace_rows": lambda ds, image_id, _: ds.replace_rows_for_image_id(
        "kym_x", image_id, pd.DataFrame({"image_id": [image_id], "v": [2]})
    ),
    "save_files": save_files,
    "look_up": look_up,
    "relocate": lambda ds, _, recordings: ds.sources.relocate("/elsewhere", recordings),
    "save_sources": lambda ds, _, __: ds.save_sources_index(ds.load_sources_index().iloc[:0]),
    "ingest_file": lambda ds, _, recordings: ds.ingest_image(recordings / "recordings" / "a.tif"),
    "rebuild_manifest": lambda ds, _, __: ds.rebuild_manifest(),
    "unlock": lambda ds, _, __: ds.unlock(),
    "upgrade": lambda ds, _, __: ds.upgrade(),
    "delete_table": lambda ds, _, __: ds.tables.delete("kym_x"),
    "save_derived": lambda ds, image_id, _: ds.save_derived("kym_x", {image_id: "text"}),
    "export": lambda ds, _, recordings: ds.export_legacy_folder(recordings.parent / "export"),
    "repair": lambda ds, _, __: ds.repair(forget_gone=True),
    "delete_image": lambda ds, image_id, _: ds.delete_image(image_id),
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with recordings, a dataset with something of everything, and its export."""
    import tifffile

    top = tmp_path_factory.mktemp("links")
    recordings = top / "recordings"
    recordings.mkdir()
    tifffile.imwrite(recordings / "a.tif", np.arange(12, dtype=np.uint16).reshape(4, 3))
    with ZarrDataset(top / "dataset.zarr") as dataset:
        (image_id,) = dataset.refresh_from_folder(recordings)
        record = dataset.record(image_id)
        record.save_json("velocity/params", {"window": 16})
        record.save_df_parquet("velocity/trace", pd.DataFrame({"v": [1.0, 2.0]}))
        record.save_array_artifact("scores", np.arange(6.0))
        rows = pd.DataFrame({"image_id": [image_id], "v": [1]})
        dataset.replace_rows_for_image_id("kym_x", image_id, rows)
        dataset.update_manifest()
        dataset.save_derived("kym_x", {image_id: "text"})
    # What a killed writer leaves behind.
    scratch = top / "dataset.zarr" / "index" / "staging" / ("0f" * 16)
    (scratch / ("1e" * 16)).mkdir(parents=True)
    (scratch / "writer.lock").touch()
    return top


def places(top: Path) -> list[str]:
    """Every file and folder of the dataset, relative to it."""
    inside = top / "dataset.zarr"
    return sorted(path.relative_to(inside).as_posix() for path in inside.rglob("*"))


def some_places(top: Path, name: str) -> list[str]:
    """The folders that lead to most, and a fifth of all that is in them, changing with the call."""
    return ["images", "tables", "index", "index/staging", *places(top)[len(name) % 5 :: 5]]


def state(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Names, contents and times of all that is in a folder; of a folder, only that it is there."""
    return {
        path.relative_to(folder).as_posix(): (
            (path.read_bytes(), path.stat().st_mtime_ns) if path.is_file() else (b"", 0)
        )
        for path in [folder, *folder.rglob("*")]
    }


@pytest.fixture(params=["openat2", "steps"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Systems with the call that refuses links on a whole path, and those without it."""
    if request.param == "steps":
        monkeypatch.setattr(openat2, "_OPENAT2", 9999)
    openat2.has_openat2.cache_clear()
    assert openat2.has_openat2() == (request.param == "openat2")
    yield
    openat2.has_openat2.cache_clear()


class Watched:
    """A folder, and whether anybody reads, lists or changes something in it: the kernel says so."""

    def __init__(self, folder: Path) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(os.O_NONBLOCK)
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir():
                assert self.libc.inotify_add_watch(self.fd, os.fsencode(path), _ALL_EVENTS) >= 0

    def was_touched(self) -> bool:
        try:
            return bool(os.read(self.fd, 4096))
        except BlockingIOError:
            return False
        finally:
            os.close(self.fd)


def replaced_by_link(top: Path, place: str) -> Path:
    """Move a file or folder outside, and leave a link to it; returns the folder outside."""
    outside = top / "outside"
    outside.mkdir()
    path = top / place
    path.rename(outside / "it")
    path.symlink_to(outside / "it")
    return outside


def touches_nothing(top: Path, place: str, call: Callable[[], object]) -> None:
    outside = replaced_by_link(top, place)
    before = state(outside)
    watched = Watched(outside)
    with contextlib.suppress(KymflowZarrError):
        call()
    assert not watched.was_touched(), place
    assert state(outside) == before, place


def on_dataset(original: Path, tmp_path: Path, name: str, chosen: Iterable[str]) -> None:
    for number, place in enumerate(chosen):
        top = tmp_path / str(number)
        shutil.copytree(original, top, copy_function=shutil.copy)

        def call(top: Path = top) -> None:
            with ZarrDataset(top / "dataset.zarr", durability="none") as dataset:
                CALLS[name](dataset, next(iter(original.glob("dataset.zarr/images/*-*"))).name, top)

        touches_nothing(top, f"dataset.zarr/{place}", call)


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("name", CALLS)
def test_no_call_leaves_a_dataset_through_a_link(original: Path, tmp_path: Path, name: str) -> None:
    on_dataset(original, tmp_path, name, some_places(original, name))


@pytest.mark.slow
@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("name", CALLS)
def test_no_call_leaves_a_dataset_through_any_link(
    original: Path, tmp_path: Path, name: str
) -> None:
    others = set(places(original)) - set(some_places(original, name))
    on_dataset(original, tmp_path, name, sorted(others))


def test_repair_touches_nothing_that_a_linked_staging_leads_to(
    original: Path, tmp_path: Path
) -> None:
    """Links whose target looks like a home folder, and like what a killed writer left."""
    home = tmp_path / "home"
    for name in ("Documents", "ab" * 16):
        (home / name).mkdir(parents=True)
        (home / name / "thesis.txt").write_text("years of work", encoding="utf-8")
    (home / ("ab" * 16) / "writer.lock").touch()
    before = state(home)
    for number, place in enumerate(["index", "index/staging", f"index/staging/{'0f' * 16}"]):
        dataset = tmp_path / str(number)
        shutil.copytree(original / "dataset.zarr", dataset)
        shutil.rmtree(dataset / place)
        (dataset / place).symlink_to(home)
        with contextlib.suppress(CorruptDataError):
            ZarrDataset(dataset).repair()
        problems = {found.location: found.kind for found in ZarrDataset(dataset, "r").check()}
        assert problems[place] == "link"
        assert state(home) == before


def test_repair_leaves_what_no_writer_of_a_dataset_made(original: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset.zarr"
    shutil.copytree(original / "dataset.zarr", dataset)
    staging = dataset / "index" / "staging"
    (staging / "notes").mkdir()
    (staging / "notes" / "today.txt").write_text("keep", encoding="utf-8")
    (staging / ("0f" * 16) / "today.txt").write_text("keep", encoding="utf-8")
    ZarrDataset(dataset).repair()
    assert (staging / "notes" / "today.txt").exists()
    assert (staging / ("0f" * 16) / "today.txt").exists()
    (staging / ("0f" * 16) / "today.txt").unlink()
    assert [done.location for done in ZarrDataset(dataset).repair()] == [
        f"index/staging/{'0f' * 16}"
    ]


@pytest.mark.usefixtures("system")
def test_check_names_every_link(original: Path, tmp_path: Path) -> None:
    for number, place in enumerate(places(original)):
        if place == "zarr.json":
            continue
        top = tmp_path / str(number)
        shutil.copytree(original, top)
        replaced_by_link(top, f"dataset.zarr/{place}")
        with ZarrDataset(top / "dataset.zarr", "r") as dataset:
            links = [found.location for found in dataset.check() if found.kind == "link"]
        assert links == [place]


@pytest.mark.usefixtures("system")
def test_what_is_linked_into_a_dataset_is_not_in_it(original: Path, tmp_path: Path) -> None:
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    place, outside = tmp_path / "dataset.zarr", tmp_path / "outside"
    shutil.copytree(place, outside)
    dataset = ZarrDataset(place)
    (record,) = dataset.values()
    tables, artifacts, ids = list(dataset.tables), names_of(record), list(dataset)
    image, analysis = (f"images/{record.image_id}{end}" for end in ("", "/analysis"))
    targets = {
        "tables/linked": "tables",
        "tables/linked.parquet": "tables/kym_x.parquet",
        "images/linked": image,
        f"{image}/analysis_arrays/linked": f"{image}/analysis_arrays/scores",
        f"{analysis}/linked": analysis,
        f"{analysis}/linked.json": f"{analysis}/metadata.json",
    }
    for link, target in targets.items():
        (place / link).symlink_to(outside / target)
    assert (list(dataset.tables), names_of(record), list(dataset)) == (tables, artifacts, ids)
    for path in ("linked/velocity/params", "linked"):
        with pytest.raises(CorruptDataError) as caught:
            record.load_json(path)
        assert caught.value.key == f"{analysis}/linked{'.json' * (path == 'linked')}"


def test_a_dataset_may_itself_be_a_link(original: Path, tmp_path: Path) -> None:
    shutil.copytree(original / "dataset.zarr", tmp_path / "elsewhere")
    (tmp_path / "dataset.zarr").symlink_to(tmp_path / "elsewhere")
    with ZarrDataset(tmp_path / "dataset.zarr") as dataset:
        dataset.repair()
        dataset.add_image(np.zeros((3, 2)), axes=("t", "x"))
        assert dataset.check(deep=True) == []


@pytest.mark.parametrize("again", ["export", "ingest"])
def test_no_call_leaves_an_export_through_a_link(
    original: Path, tmp_path: Path, again: str
) -> None:
    ZarrDataset(original / "dataset.zarr", "r").export_legacy_folder(tmp_path / "whole")
    inside = sorted(
        path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*")
    )
    for number, place in enumerate(inside):
        top = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", top / "export")

        def call(top: Path = top) -> None:
            if again == "export":
                ZarrDataset(original / "dataset.zarr", "r").export_legacy_folder(top / "export")
            else:
                with ZarrDataset(top / "new.zarr", durability="none") as dataset:
                    dataset.plan_refresh(top / "export")
                    dataset.refresh_from_folder(top / "export")

        touches_nothing(top, f"export/{place.as_posix()}", call)
