"""What an indexer returns comes back equal, whatever its dtype, or is refused by name."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from kymflow.core import KymDataset, params_hash
from kymflow.core.errors import RowError
from kymflow_zarr import ZarrDataset, ZarrImageRecord


def arrow(values: list[Any], kind: pa.DataType) -> Any:
    return pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(values, kind)]))


# Some values of each dtype; rows are drawn from them.
POOL: Final[dict[str, pd.Series[Any]]] = {
    name: pd.Series(values)
    for name, values in {
        "bool": [True, False],
        "uint8": np.array([0, 255], "u1"),
        "int64": [0, 2**60 + 1, -5],
        "uint64": np.array([0, 2**64 - 1], "u8"),
        "float16": np.array([0.1, np.nan], "f2"),
        "float32": np.array([0.1, np.nan, np.inf], "f4"),
        "float64": [0.1, np.nan, 3.0],
        "Int64": pd.array([2**60 + 1, None], dtype="Int64"),
        "Float64": pd.array([0.5, None], dtype="Float64"),
        "boolean": pd.array([True, None], dtype="boolean"),
        "times in s": np.array(["2024-05-01", "NaT"], "M8[s]"),
        "times in ns": np.array(["2024-05-01T00:00:00.123456789", "NaT"], "M8[ns]"),
        "times in UTC": pd.Series(["2024-05-01", None]).astype("datetime64[us, UTC]"),
        "times in Berlin": pd.to_datetime(["2024-05-01"]).tz_localize("Europe/Berlin"),
        "spans": pd.to_timedelta([1, None], unit="s"),
        "periods": pd.period_range("2024-05-01", periods=2, freq="D"),
        "intervals": pd.interval_range(0.0, 2.0),
        "text": ["a", "", "größe"],
        "string": pd.array(["a", None], dtype="string"),
        "categories": pd.Categorical(["up", "down", None], categories=["up", "lost", "down"]),
        "categories in order": pd.Categorical(["b", "a"], categories=["b", "a"], ordered=True),
        "categories of int": pd.Categorical([3, 1]),
        "str objects": pd.array(["a", None], dtype=object),
        "int objects": pd.array([2**60 + 1, None], dtype=object),
        "dates": pd.array([dt.date(2024, 5, 1), None], dtype=object),
        "bytes": pd.array([b"\x00", None], dtype=object),
        "decimals": pd.array([Decimal("1.10"), None], dtype=object),
        "lists": pd.array([[1, 2], []], dtype=object),
        "nothing": pd.array([None], dtype=object),
        "Arrow text": arrow(["a", None], pa.string()),
        "Arrow large text": arrow(["a", None], pa.large_string()),
        "Arrow decimals": arrow([Decimal("1.10"), None], pa.decimal128(5, 2)),
    }.items()
}
KINDS: Final = st.sampled_from(sorted(POOL))


class Returning:
    """Returns the frame that it was given for an image."""

    name = "given"

    def __init__(self, frames: dict[str, pd.DataFrame]) -> None:
        self.frames = frames

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        return self.frames[rec.image_id]

    def params_hash(self, rec: ZarrImageRecord) -> str:
        return params_hash({"image": rec.image_id})

    def analysis_version(self) -> str:
        return "1"


def draw_rows(data: st.DataObject, kinds: dict[str, str]) -> pd.DataFrame:
    count = data.draw(st.integers(1, 3))
    columns = {}
    for name, kind in kinds.items():
        at = st.integers(0, len(POOL[kind]) - 1)
        drawn = data.draw(st.lists(at, min_size=count, max_size=count))
        columns[name] = POOL[kind].take(drawn).reset_index(drop=True)
    return pd.DataFrame(columns)


@given(st.data())
def test_rows_come_back_equal_or_are_refused_by_name(data: st.DataObject) -> None:
    """Two images whose columns are of the same dtypes, or of different ones."""
    names = data.draw(st.lists(st.sampled_from("uvw"), min_size=1, max_size=3, unique=True))
    first = {name: data.draw(KINDS) for name in names}
    second = first if data.draw(st.booleans()) else {name: data.draw(KINDS) for name in names}
    dataset = ZarrDataset(MemoryStore())
    ids = sorted(
        dataset.add_image(np.zeros((1, 1), np.uint8), axes=("t", "x")).image_id for _ in range(2)
    )
    frames = {
        image_id: draw_rows(data, kinds)
        for image_id, kinds in zip(ids, (first, second), strict=True)
    }
    kym = KymDataset(dataset)
    for _ in range(2):
        try:
            kym.update_index(Returning(frames), batch_size=data.draw(st.sampled_from([1, 64])))
        except RowError as error:
            if first[error.column] == second[error.column] or dataset.list_table_names():
                raise
            return
        for image_id, rows in frames.items():
            found = dataset.load_table("kym_given", image_ids=image_id)[names]
            if first == second:
                pd.testing.assert_frame_equal(found, rows)
            for name in names:
                for one, other in zip(found[name], rows[name], strict=True):
                    missing = not isinstance(other, list) and pd.isna(other)
                    assert pd.isna(one) if missing else one == other, (name, one, other)


def test_categories_of_all_images_come_together() -> None:
    dataset = ZarrDataset(MemoryStore())
    ids = [dataset.add_image(np.zeros((1, 1), np.uint8), axes=("t", "x")).image_id for _ in "ab"]
    kinds = dict(zip(sorted(ids), (["up", "down"], ["lost", "up"]), strict=True))
    frames = {
        image_id: pd.DataFrame({"kind": pd.Categorical(values, categories=values)})
        for image_id, values in kinds.items()
    }
    kym = KymDataset(dataset)
    for _ in range(2):
        kym.update_index(Returning(frames))
        found = kym.load_index("given")["kind"]
        assert found.tolist() == ["up", "down", "lost", "up"]
        assert found.cat.categories.tolist() == ["up", "down", "lost"]


@pytest.mark.parametrize("kind", ["float", "int"])
def test_whole_numbers_too_large_for_the_others_are_refused(kind: str) -> None:
    dataset = ZarrDataset(MemoryStore())
    ids = [dataset.add_image(np.zeros((1, 1), np.uint8), axes=("t", "x")).image_id for _ in "ab"]
    other = [0.5] if kind == "float" else [-1]
    values = dict(zip(sorted(ids), (np.array([2**63], "u8"), other), strict=True))
    frames = {image_id: pd.DataFrame({"n": column}) for image_id, column in values.items()}
    with pytest.raises(RowError) as caught:
        KymDataset(dataset).update_index(Returning(frames))
    assert (caught.value.image_id, caught.value.column) == (max(ids), "n")


def test_categories_that_are_not_unicode_are_refused_by_name() -> None:
    dataset = ZarrDataset(MemoryStore())
    image_id = dataset.add_image(np.zeros((1, 1), np.uint8), axes=("t", "x")).image_id
    kinds = pd.Categorical(pd.Series(["\ud800"], dtype=object))
    with pytest.raises(RowError) as caught:
        KymDataset(dataset).update_index(Returning({image_id: pd.DataFrame({"kind": kinds})}))
    assert (caught.value.image_id, caught.value.column) == (image_id, "kind")


@pytest.mark.parametrize("batch_size", [1, 64])
def test_what_stands_for_missing_objects_stays_whichever_batch_they_are_in(batch_size: int) -> None:
    dataset = ZarrDataset(MemoryStore())
    ids = [dataset.add_image(np.zeros((1, 1), np.uint8), axes=("t", "x")).image_id for _ in "ab"]
    days = dict(zip(sorted(ids), (np.nan, dt.date(2024, 5, 1)), strict=True))
    frames = {
        image_id: pd.DataFrame({"day": pd.Series([day], dtype=object)})
        for image_id, day in days.items()
    }
    KymDataset(dataset).update_index(Returning(frames), batch_size=batch_size)
    assert repr(dataset.load_table("kym_given")["day"].tolist()) == repr([*days.values()])
