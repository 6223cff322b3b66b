"""An incremental update makes the table of a replacing one, and asks only for what changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from numpy.typing import NDArray
from zarr.storage import MemoryStore

from kymflow.core import BaseIndexer, KymDataset, params_hash, run_order
from kymflow.core.analysis import (
    Analysis,
    Calibration,
    Column,
    Param,
    Region,
    Result,
    ResultTable,
    regions_of,
)
from kymflow.core.decisions import calibrate, exclude, include, mark_interval, set_fields, undo
from kymflow.core.errors import (
    DecisionError,
    IndexerCycleError,
    IndexUpdateError,
    NothingToUndoError,
)
from kymflow.core.indexers import ImageTable, RoiTable, analysis_tables
from kymflow.core.metadata import (
    RoiChange,
    create_roi,
    delete_roi,
    edit_roi,
    image_extent,
    load_metadata,
    save_metadata,
)
from kymflow_zarr import ZarrDataset, ZarrImageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelParams:
    """What a person chooses."""

    add: Annotated[int, Param("added to each level", minimum=0)] = 0


def measure(
    pixels: NDArray[Any], _calibration: Calibration, params: LevelParams, _region: Region
) -> Result:
    """Level of each line."""
    if pixels.max() == 255:
        raise ValueError("saturated")
    lines = pixels.mean(axis=1) + params.add
    return Result(summary={"level": lines.mean()}, tables={"lines": {"level": lines[:2]}})


LEVEL = Analysis(
    name="level",
    version="1",
    params=LevelParams,
    run=measure,
    summary=(Column("level", float, "mean level"),),
    tables=(
        ResultTable(name="lines", columns=(Column("level", float, "of the line"),), marks=True),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Notes:
    """What a JSON artifact says, of no declared type; fails where it says "bad"."""

    scale: int = 1
    name: str = "notes"

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        if "note" not in str(rec.list_analysis_keys()):
            return pd.DataFrame()
        value = rec.load_json("note")
        if value == "bad":
            raise ValueError("a bad note")
        return pd.DataFrame({"value": [value], "scale": [self.scale]})

    def params_hash(self, rec: ZarrImageRecord) -> str:
        return params_hash({"scale": self.scale, "note": rec.load_json("note")})

    def analysis_version(self) -> str:
        return "1"


@dataclass(frozen=True, kw_only=True)
class LevelCount:
    """How many rows another table has for an image."""

    dataset: ZarrDataset
    name: str = "level_count"
    depends_on: tuple[str, ...] = ("level",)

    def _rows(self, image_id: str) -> pd.DataFrame:
        return self.dataset.load_table("kym_level", image_ids=[image_id])

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        rows = self._rows(rec.image_id)
        return pd.DataFrame({"sum": [rows["level"].sum()]} if len(rows) else {})

    def params_hash(self, rec: ZarrImageRecord) -> str:
        return params_hash({"of": sorted(self._rows(rec.image_id)["params_hash"])})

    def analysis_version(self) -> str:
        return "1"


@dataclass
class Counting:
    """An indexer, and the images that it was asked for."""

    inner: BaseIndexer
    asked: list[str] = field(default_factory=list)

    def __reduce__(self) -> tuple[Any, ...]:
        return Counting, (self.inner,)  # what it was asked for is no parameter

    @property
    def name(self) -> str:
        return self.inner.name

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        self.asked.append(rec.image_id)
        return self.inner.extract_rows(rec)

    def params_hash(self, rec: ZarrImageRecord) -> str:
        return self.inner.params_hash(rec)

    def analysis_version(self) -> str:
        return self.inner.analysis_version()


def table_bytes(dataset: ZarrDataset) -> dict[str, bytes]:
    """All tables of indexers."""
    files = (Path(dataset.location) / "tables").glob("kym_*.parquet")
    return {path.name: path.read_bytes() for path in files}


@pytest.fixture
def on_disk(tmp_path: Path) -> ZarrDataset:
    dataset = ZarrDataset(tmp_path / "d.zarr", durability="none")
    for value in range(3):
        record = dataset.add_image(np.full((8, 6), value, np.uint8), axes=("t", "x"))
        record.save_json("note", value)
    return dataset


# --- what is asked for ------------------------------------------------------------------------


def test_nothing_is_asked_for_twice(on_disk: ZarrDataset) -> None:
    kym = KymDataset(on_disk)
    notes = Counting(Notes())
    first = kym.update_index(notes, mode="incremental")
    assert (first.recomputed, first.images, first.rows) == (3, 3, 3)
    before = table_bytes(on_disk)
    again = kym.update_index(notes, mode="incremental")
    assert (again.recomputed, again.images, again.rows, again.unchanged_params) == (0, 3, 3, 3)
    assert len(notes.asked) == 3
    assert table_bytes(on_disk) == before


def test_only_what_changed_is_asked_for(on_disk: ZarrDataset) -> None:
    kym = KymDataset(on_disk)
    notes = Counting(Notes())
    kym.update_index(notes, mode="incremental")
    changed, deleted, _ = on_disk.list_image_ids()
    on_disk.record(changed).save_json("note", 70)
    on_disk.delete_image(deleted)
    new = on_disk.add_image(np.zeros((8, 6), np.uint8), axes=("t", "x")).image_id
    notes.asked.clear()
    update = kym.update_index(notes, mode="incremental")
    assert notes.asked == sorted([changed, new])
    assert (update.recomputed, update.images, update.rows) == (2, 3, 2)
    assert kym["notes"].set_index("image_id")["value"][changed] == 70


def test_other_parameters_of_the_indexer_ask_for_all(on_disk: ZarrDataset) -> None:
    kym = KymDataset(on_disk)
    kym.update_index(Notes(), mode="incremental")
    assert kym.update_index(Notes(scale=2), mode="incremental").recomputed == 3
    assert set(kym["notes"]["scale"]) == {2}


def test_rows_that_are_not_those_that_were_written_are_asked_for(on_disk: ZarrDataset) -> None:
    kym = KymDataset(on_disk)
    kym.update_index(Notes(), mode="incremental")
    old = (Path(on_disk.location) / "tables" / "kym_notes.parquet").read_bytes()
    first = on_disk.list_image_ids()[0]
    on_disk.record(first).save_json("note", 9)
    kym.update_index(Notes(), mode="incremental")
    (Path(on_disk.location) / "tables" / "kym_notes.parquet").write_bytes(old)  # from a backup
    assert kym.update_index(Notes(), mode="incremental").recomputed == 1
    assert kym["notes"].set_index("image_id")["value"][first] == 9
    on_disk.delete_table("kym_notes")
    assert kym.update_index(Notes(), mode="incremental").recomputed == 3


def test_what_failed_is_asked_for_again(on_disk: ZarrDataset) -> None:
    kym = KymDataset(on_disk)
    bad = on_disk.list_image_ids()[0]
    on_disk.record(bad).save_json("note", "bad")
    notes = Counting(Notes())
    for _ in range(2):
        notes.asked.clear()
        with pytest.raises(IndexUpdateError) as caught:
            kym.update_index(notes, mode="incremental", on_error="collect")
        assert list(caught.value.failures) == [bad]
    assert notes.asked == [bad]


def test_without_what_was_kept_all_is_asked_for(on_disk: ZarrDataset) -> None:
    kym = KymDataset(on_disk)
    kym.update_index(Notes(), mode="incremental")
    before = table_bytes(on_disk)
    shutil.rmtree(Path(on_disk.location) / "index" / "derived")
    assert kym.update_index(Notes(), mode="incremental").recomputed == 3
    assert table_bytes(on_disk) == before


def test_a_store_without_times_asks_for_all() -> None:
    dataset = ZarrDataset(MemoryStore())
    dataset.add_image(np.zeros((8, 6), np.uint8), axes=("t", "x")).save_json("note", 1)
    kym = KymDataset(dataset)
    for _ in range(2):
        assert kym.update_index(Notes(), mode="incremental").recomputed == 1


def test_an_indexer_that_cannot_be_pickled_is_asked_for_all(on_disk: ZarrDataset) -> None:
    class Local(Notes):
        pass

    kym = KymDataset(on_disk)
    for _ in range(2):
        assert kym.update_index(Local(), mode="incremental").recomputed == 3


# --- tables that depend on others -------------------------------------------------------------


def test_a_table_is_asked_for_again_where_one_that_it_depends_on_has_changed(
    on_disk: ZarrDataset,
) -> None:
    kym = KymDataset(on_disk)
    kym.run(LEVEL)
    indexers: Sequence[BaseIndexer] = (
        LevelCount(dataset=on_disk.as_read_only()),
        *analysis_tables(LEVEL),
    )
    updates = list(kym.update_indexes(indexers, mode="incremental"))
    tables = [update.table for update in updates]
    assert tables.index("kym_level") < tables.index("kym_level_count")
    first = on_disk.list_image_ids()[0]
    kym.run(LEVEL, image_ids=[first], overwrite=True, add=5)
    updates = list(kym.update_indexes(indexers, mode="incremental"))
    assert [update.recomputed for update in updates] == [1, 1, 1]
    on_disk.delete_table("kym_level")
    updates = list(kym.update_indexes(indexers, mode="incremental"))
    assert {update.table: update.recomputed for update in updates} == {
        "kym_level": 3,
        "kym_level_count": 0,
        "kym_level_lines": 0,
    }


@dataclass(frozen=True, kw_only=True)
class Named(Notes):
    """An indexer that depends on others."""

    depends_on: tuple[str, ...] = ()


def test_the_order_is_that_of_dependencies() -> None:
    c = Named(name="c", depends_on=("b", "a", "elsewhere"))
    b, a, d = Named(name="b", depends_on=("a",)), Named(name="a"), Named(name="d")
    names = [indexer.name for indexer in run_order([c, b, d, a])]
    assert names.index("a") < names.index("b") < names.index("c")
    assert sorted(names) == ["a", "b", "c", "d"]
    with pytest.raises(IndexerCycleError, match="depend on each other: a → b → a") as caught:
        run_order([replace(a, depends_on=("b",)), b])
    assert isinstance(caught.value, ValueError)


# --- the same table ---------------------------------------------------------------------------


class History(RuleBasedStateMachine):
    """Anything may happen to a dataset; at the end both ways to update it are compared."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(mkdtemp(prefix="kymflow-"))
        self.dataset = ZarrDataset(self.root / "d.zarr", durability="none")
        self.kym = KymDataset(self.dataset)
        self.scale = 1
        self.image_ids: list[str] = []  # in the order that they were added: ids are random
        self.added = 0

    def teardown(self) -> None:
        try:
            self.people_see_what_the_records_say()
            self.update()
            self.people_see_what_the_records_say()
            self.update()
            self.nothing_is_left_to_do()
            self.a_replacing_update_makes_the_same_tables()
        finally:
            shutil.rmtree(self.root)

    @rule()
    def update(self) -> None:
        for _ in self.kym.update_indexes(self.indexers(), mode="incremental"):
            pass

    def people_see_what_the_records_say(self) -> None:
        seen = self.kym.view()
        if self.dataset.table_schema("kym_images") is not None:
            self.dataset.delete_table("kym_images")
        facts = [name for name in self.kym.view() if not str(name).startswith("kym_")]
        pd.testing.assert_frame_equal(seen[facts], self.kym.view()[facts])

    def nothing_is_left_to_do(self) -> None:
        again = self.kym.update_indexes(self.indexers(), mode="incremental")
        assert {update.recomputed for update in again} == {0}

    def a_replacing_update_makes_the_same_tables(self) -> None:
        incremental = table_bytes(self.dataset)
        for _ in self.kym.update_indexes(self.indexers()):
            pass
        assert table_bytes(self.dataset) == incremental

    def indexers(self) -> list[BaseIndexer]:
        return [
            RoiTable(),
            ImageTable(),
            Notes(scale=self.scale),
            *analysis_tables(LEVEL),
            LevelCount(dataset=self.dataset.as_read_only()),
        ]

    def some_record(self, data: st.DataObject) -> ZarrImageRecord:
        at = data.draw(st.integers(0, len(self.image_ids) - 1))
        return self.dataset.record(self.image_ids[at])

    @rule(level=st.sampled_from([0, 3, 255]))
    def add_image(self, level: int) -> None:
        self.added += 1
        pixels = np.full((8, 6), level, np.uint8)
        pixels[0, 0] = self.added % 250
        self.image_ids.append(self.dataset.add_image(pixels, axes=("t", "x")).image_id)

    @precondition(lambda self: self.image_ids)
    @rule(data=st.data())
    def delete_image(self, data: st.DataObject) -> None:
        image_id = self.some_record(data).image_id
        self.dataset.delete_image(image_id)
        self.image_ids.remove(image_id)

    @precondition(lambda self: self.image_ids)
    @rule(data=st.data(), change=st.sampled_from(["add", "move", "rename", "delete"]))
    def change_rois(self, data: st.DataObject, change: str) -> None:
        record = self.some_record(data)
        metadata = load_metadata(record)
        extent = image_extent(record)
        if change == "add" or not metadata.rois:
            rois = create_roi(metadata.rois, extent, last_id=metadata.last_roi_id)
        else:
            roi_id = data.draw(st.sampled_from([roi.id for roi in metadata.rois]))
            if change == "delete":
                rois = delete_roi(metadata.rois, roi_id)
            else:
                side = RoiChange(dim1_start=data.draw(st.integers(0, 3)))
                name = RoiChange(name=data.draw(st.sampled_from("abc")))
                rois = edit_roi(metadata.rois, roi_id, extent, side if change == "move" else name)
        save_metadata(record, replace(metadata, rois=rois))

    @precondition(lambda self: self.image_ids)
    @rule(data=st.data(), value=st.one_of(st.none(), st.integers(0, 3)))
    def note(self, data: st.DataObject, value: int | None) -> None:
        self.some_record(data).save_json("note", value)

    @precondition(lambda self: self.image_ids)
    @rule(data=st.data(), decision=st.sampled_from(["exclude", "include", "calibrate", "mark"]))
    def decide(self, data: st.DataObject, decision: str) -> None:
        record = self.some_record(data)
        match decision:
            case "exclude":
                exclude(record, "moved")
            case "include":
                include(record)
            case "calibrate":
                calibrate(record, seconds_per_line=data.draw(st.sampled_from([1.0, 2.0])))
            case "mark":
                calibrate(record, seconds_per_line=1.0)
                region = regions_of(record, load_metadata(record))[0]
                mark_interval(record, region, region.lines[0], region.lines[1])

    @precondition(lambda self: self.image_ids)
    @rule(
        data=st.data(), name=st.sampled_from(["animal", "depth"]), value=st.sampled_from([None, 2])
    )
    def describe(self, data: st.DataObject, name: str, value: int | None) -> None:
        set_fields(self.some_record(data), {name: value})

    @rule()
    def undo(self) -> None:
        # What was changed by other means since is not undone.
        with suppress(NothingToUndoError, DecisionError):
            undo(self.dataset)

    @rule(add=st.integers(0, 1), label=st.sampled_from(["", "b"]), recompute=st.booleans())
    def run_analysis(self, add: int, label: str, recompute: bool) -> None:
        self.kym.run(LEVEL, add=add, label=label, recompute=recompute, overwrite=True)

    @rule(scale=st.integers(1, 2))
    def change_parameters(self, scale: int) -> None:
        self.scale = scale

    @precondition(lambda self: any(self.artifacts()))
    @rule(data=st.data())
    def lose_an_artifact(self, data: st.DataObject) -> None:
        artifacts = self.artifacts()
        artifacts[data.draw(st.integers(0, len(artifacts) - 1))].unlink()

    @rule()
    def update_only_some_tables(self) -> None:
        self.kym.update_index(RoiTable(), mode="incremental")
        self.kym.update_index(analysis_tables(LEVEL)[0])

    def artifacts(self) -> list[Path]:
        images = [self.root / "d.zarr" / "images" / image_id for image_id in self.image_ids]
        return [path for image in images for path in sorted(image.glob("analysis/level/**/*.*"))]


TestHistory = History.TestCase
TestHistory.settings = settings(
    max_examples=int(os.environ.get("KYMFLOW_EXAMPLES", "10")),
    stateful_step_count=10,
)
