"""For any sequence of adding, deleting and updating, the table holds what it must hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from zarr.storage import MemoryStore

from kymflow.core import KymDataset, params_hash
from kymflow.core.errors import IndexUpdateError
from kymflow_zarr import ZarrDataset, ZarrImageRecord

# Values of one kind per column, some missing: what indexers return in practice.
Rows = list[dict[str, object]]
ROWS: st.SearchStrategy[Rows] = st.lists(
    st.fixed_dictionaries(
        {
            "speed": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
            "status": st.sampled_from(["ok", "unknown", "größe", ""]),
        }
    ),
    max_size=4,
)


class Scripted:
    """Returns for each image the rows in a script; fails where there is no entry."""

    name = "scripted"

    def __init__(self, script: dict[str, Rows]) -> None:
        self.script = script

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        return pd.DataFrame(self.script[rec.image_id])

    def params_hash(self, rec: ZarrImageRecord) -> str:
        return params_hash({"rows": self.script[rec.image_id]})

    def analysis_version(self) -> str:
        return "1"


class TableModel(RuleBasedStateMachine):
    """The table against a dict of the last rows of each image."""

    def __init__(self) -> None:
        super().__init__()
        self.dataset = ZarrDataset(MemoryStore())
        self.kym = KymDataset(self.dataset)
        self.expected: dict[str, Rows] = {}
        self.updated = False

    @rule()
    def add(self) -> None:
        self.dataset.add_image(np.zeros((2, 2), np.uint8), axes=("t", "x"))

    @precondition(lambda self: self.dataset.list_image_ids())
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.dataset.delete_image(data.draw(st.sampled_from(self.dataset.list_image_ids())))

    @rule(data=st.data(), batch_size=st.sampled_from([1, 2, 64]))
    def update(self, data: st.DataObject, batch_size: int) -> None:
        script: dict[str, Rows] = {
            image_id: data.draw(ROWS) for image_id in self.dataset.list_image_ids()
        }
        self.kym.update_index(Scripted(script), batch_size=batch_size)
        self.expected = script
        self.updated = True

    @precondition(lambda self: self.dataset.list_image_ids())
    @rule(data=st.data(), batch_size=st.sampled_from([1, 2, 64]))
    def update_with_failures(self, data: st.DataObject, batch_size: int) -> None:
        image_ids = self.dataset.list_image_ids()
        good = data.draw(st.sets(st.sampled_from(image_ids), max_size=len(image_ids) - 1))
        script: dict[str, Rows] = {image_id: data.draw(ROWS) for image_id in sorted(good)}
        with pytest.raises(IndexUpdateError) as caught:
            self.kym.update_index(Scripted(script), on_error="collect", batch_size=batch_size)
        assert set(caught.value.failures) == set(image_ids) - good
        kept = {i: self.expected.get(i, []) for i in image_ids if i not in good}
        self.expected = {**kept, **script}
        self.updated = True

    @invariant()
    def every_row_is_a_last_row_and_none_is_lost(self) -> None:
        if not self.updated:
            assert self.dataset.list_table_names() == []
            return
        # Rows of images that were deleted go with the next update: the table is looked at as it
        # would be then.
        table = self.kym.load_index("scripted")
        existing = self.dataset.list_image_ids()
        found: dict[str, Rows] = {image_id: [] for image_id in existing}
        for row in table.to_dict("records"):
            if row["image_id"] in found:
                speed = None if pd.isna(row["speed"]) else row["speed"]
                found[row["image_id"]].append({"speed": speed, "status": row["status"]})
        assert found == {image_id: self.expected.get(image_id, []) for image_id in existing}
        assert set(table["image_id"]) <= set(self.expected)
        assert table["image_id"].is_monotonic_increasing
        for image_id, digest in zip(table["image_id"], table["params_hash"], strict=True):
            assert digest == params_hash({"rows": self.expected[image_id]})


TestTableModel = TableModel.TestCase
TestTableModel.settings = settings(stateful_step_count=12)
