"""A dataset against a simple model of it, through any sequence of calls.

``KYMFLOW_EXAMPLES`` makes it longer: that many sequences on disk and in memory each.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from zarr.storage import MemoryStore

from kymflow_zarr import ArtifactNotFoundError, ImageNotFoundError, TableNotFoundError, ZarrDataset

NAMES = st.sampled_from(["params", "velocity/params", "velocity/trace", "A", "x.y"])
CORPUS = Path(__file__).with_name("corpus")
TABLES = st.sampled_from(["kym_a", "notes", "sub/t"])
VALUES = st.integers(-5, 5)


class DatasetMachine(RuleBasedStateMachine):
    """Everything that is done to the dataset is done to dictionaries, too."""

    on_disk = False
    images = Bundle("images")

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kymflow-stateful-"))
        (self.folder / "recordings").mkdir()
        self.place: Any = self.folder / "dataset.zarr" if self.on_disk else MemoryStore()
        self.dataset = ZarrDataset(self.place, durability="none")
        self.pixels: dict[str, np.ndarray[Any, Any]] = {}
        self.json: dict[str, dict[str, object]] = {}
        self.frames: dict[str, dict[str, list[int]]] = {}
        self.arrays: dict[str, dict[str, list[int]]] = {}
        self.tables: dict[str, dict[str, list[int]]] = {}
        self.files: dict[str, str] = {}
        self.waiting: set[str] = set()

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def remember(self, image_id: str, pixels: np.ndarray[Any, Any]) -> None:
        self.pixels[image_id] = pixels
        self.json[image_id], self.frames[image_id], self.arrays[image_id] = {}, {}, {}

    # --- images

    @rule(target=images, value=VALUES, lines=st.integers(1, 9), rows=st.integers(1, 4))
    def add(self, value: int, lines: int, rows: int) -> str:
        pixels = np.full((lines, 3), value, np.int16)
        record = self.dataset.add_image(pixels, axes=("t", "x"), chunks=(rows, 2))
        self.remember(record.image_id, pixels)
        return record.image_id

    @rule(value=st.integers(0, 99))
    def new_file(self, value: int) -> None:
        name = f"f{value}.tif"
        if name not in self.files and name not in self.waiting:
            pixels = np.full((5, 4), value, np.uint16)
            tifffile.imwrite(self.folder / "recordings" / name, pixels)
            self.waiting.add(name)

    @rule(target=images, workers=st.integers(1, 2))
    def refresh(self, workers: int) -> Any:
        new = self.dataset.refresh_from_folder(self.folder / "recordings", workers=workers)
        rows = self.dataset.load_sources_index().set_index("image_id")["source_primary_path"]
        named = {image_id: Path(rows[image_id]).name for image_id in new}
        assert set(named.values()) == self.waiting
        assert len(named) == len(self.waiting)
        for image_id, name in named.items():
            self.files[name] = image_id
            self.remember(image_id, np.full((5, 4), int(name[1:-4]), np.uint16))
        self.waiting.clear()
        return multiple(*new)

    @rule(image_id=consumes(images))
    def delete(self, image_id: str) -> None:
        self.dataset.delete_image(image_id)
        for kept in (self.pixels, self.json, self.frames, self.arrays):
            kept.pop(image_id)
        for rows in self.tables.values():
            rows.pop(image_id, None)
        for name in [name for name, known in self.files.items() if known == image_id]:
            del self.files[name]
            self.waiting.add(name)
        with pytest.raises(ImageNotFoundError):
            self.dataset.record(image_id)

    # --- artifacts

    @rule(image_id=images, name=NAMES, value=VALUES)
    def save_json(self, image_id: str, name: str, value: int) -> None:
        self.dataset.record(image_id).save_json(name, {"v": [value]})
        self.json[image_id][name] = {"v": [value]}

    @rule(image_id=images, name=NAMES, values=st.lists(VALUES, max_size=3))
    def save_frame(self, image_id: str, name: str, values: list[int]) -> None:
        frame = pd.DataFrame({"v": pd.Series(values, dtype="int64")})
        self.dataset.record(image_id).save_df_parquet(name, frame)
        self.frames[image_id][name] = values

    @rule(image_id=images, name=st.sampled_from(["s", "t"]), values=st.lists(VALUES, min_size=1))
    def save_array(self, image_id: str, name: str, values: list[int]) -> None:
        self.dataset.record(image_id).save_array_artifact(name, np.array(values), chunks=(2,))
        self.arrays[image_id][name] = values

    @rule(image_id=images)
    def delete_results(self, image_id: str) -> None:
        self.dataset.record(image_id).delete_analysis(suffixes=[".parquet"])
        self.frames[image_id].clear()

    # --- tables

    @rule(table=TABLES, image_id=images, values=st.lists(VALUES, max_size=3))
    def replace_rows(self, table: str, image_id: str, values: list[int]) -> None:
        rows = pd.DataFrame(
            {
                "image_id": pd.Series([image_id] * len(values), dtype="string"),
                "v": pd.Series(values, dtype="int64"),
            }
        )
        self.dataset.replace_rows_for_image_id(table, image_id, rows)
        self.tables.setdefault(table, {})[image_id] = sorted(values)

    @rule(table=TABLES)
    def delete_table(self, table: str) -> None:
        assert self.dataset.delete_table(table) == (table in self.tables)
        self.tables.pop(table, None)

    # --- life

    @rule()
    def reopen(self) -> None:
        self.dataset = ZarrDataset(self.place, "r+", durability="none")

    @rule()
    def update_manifest(self) -> None:
        assert list(self.dataset.update_manifest().entries) == sorted(self.pixels)

    @rule()
    def crash_and_repair(self) -> None:
        """What a process that is killed in a call leaves behind: nothing that anyone sees."""
        if self.on_disk:
            scratch = self.place / "index" / "staging" / ("0123" * 8)
            shutil.copytree(CORPUS, scratch / ("4567" * 8))
        self.dataset = ZarrDataset(self.place, "r+", durability="none")
        self.it_is_as_the_model_says()
        repaired = {repair.location for repair in self.dataset.repair()}
        assert repaired.isdisjoint(f"tables/{name}.parquet" for name in self.tables)
        assert self.dataset.check(deep=True) == []

    # --- what must hold all the time

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        if not hasattr(self, "dataset"):
            return
        assert self.dataset.list_image_ids() == sorted(self.pixels)
        for record in self.dataset.iter_records():
            image_id = record.image_id
            np.testing.assert_array_equal(record.load_array(), self.pixels[image_id])
            for name, value in self.json[image_id].items():
                assert record.load_json(name) == value
            for name, values in self.frames[image_id].items():
                assert record.load_df_parquet(name)["v"].tolist() == values
            assert record.list_array_artifacts() == sorted(self.arrays[image_id])
            for name, values in self.arrays[image_id].items():
                assert record.load_array_artifact(name).tolist() == values
            with pytest.raises(ArtifactNotFoundError):
                record.load_json("nobody/wrote/this")
        assert self.dataset.list_table_names() == sorted(
            [*self.tables, *(["sources"] if self._has_sources() else [])]
        )
        for name, model in self.tables.items():
            found: dict[str, list[int]] = {}
            for row in self.dataset.load_table(name).to_dict("records"):
                found.setdefault(row["image_id"], []).append(row["v"])
            rows = {image_id: sorted(values) for image_id, values in found.items()}
            assert rows == {image_id: values for image_id, values in model.items() if values}
        with pytest.raises(TableNotFoundError):
            self.dataset.load_table("nobody")

    def _has_sources(self) -> bool:
        return "sources" in self.dataset.list_table_names()


class OnDisk(DatasetMachine):
    on_disk = True


@pytest.mark.parametrize("machine", [OnDisk, DatasetMachine], ids=["disk", "memory"])
def test_the_dataset_does_what_a_simple_model_does(machine: type[RuleBasedStateMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(os.environ.get("KYMFLOW_EXAMPLES", "12")),
            stateful_step_count=20,
            suppress_health_check=list(HealthCheck),
        ),
    )
