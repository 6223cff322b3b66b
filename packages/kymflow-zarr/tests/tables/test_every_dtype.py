"""Whatever dtype a column has: it comes back equal, or is refused by name on the first call."""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from kymflow_zarr import RowUpdate, ZarrDataset
from kymflow_zarr.errors import ColumnError

Column: TypeAlias = "pd.Series[Any]"
MakeColumns: TypeAlias = Callable[[int], st.SearchStrategy[Column]]

NEVER: Final = object()
ZONED_BY_NAME: Final = "Europe/Berlin"


def columns(dtype: Any, elements: st.SearchStrategy[Any], missing: object = None) -> MakeColumns:
    """Columns of a dtype; now and then a value is missing, if the dtype knows of that."""
    values = elements if missing is NEVER else elements | st.just(missing)
    return lambda length: st.lists(values, min_size=length, max_size=length).map(
        lambda drawn: pd.Series(drawn, dtype=dtype)
    )


def counted(elements: st.SearchStrategy[Any], make: Callable[[list[Any]], Any]) -> MakeColumns:
    """Columns made of as many values as they have rows."""
    return lambda length: st.lists(elements, min_size=length, max_size=length).map(
        lambda drawn: pd.Series(make(drawn))
    )


def whole(dtype: str) -> st.SearchStrategy[int]:
    info = np.iinfo(dtype.lower())
    return st.integers(int(info.min), int(info.max))


def floats(bits: Any) -> st.SearchStrategy[float]:
    return st.floats(width=bits, allow_nan=False)


def odd(length: int) -> Any:
    """True for every other row."""
    return np.arange(length) % 2 == 1


def instants(dtype: str) -> MakeColumns:
    missing = st.just(np.iinfo("i8").min)
    return counted(
        st.integers(-(10**9), 10**9) | missing, lambda drawn: np.array(drawn, "i8").view(dtype)
    )


def zoned(unit: str, zone: Any) -> MakeColumns:
    naive = instants(f"M8[{unit}]")
    return lambda length: naive(length).map(
        lambda column: column.dt.tz_localize("UTC").dt.tz_convert(zone)
    )


def periods(freq: str) -> MakeColumns:
    dates = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)) | st.none()
    return counted(dates, lambda drawn: pd.PeriodIndex(drawn, freq=freq))


def intervals(subtype: Any, closed: Any) -> MakeColumns:
    def make(drawn: list[int]) -> Any:
        left, right = (pd.Series([at + more for at in drawn]).astype(subtype) for more in (0, 5))
        return pd.arrays.IntervalArray.from_arrays(left, right, closed=closed)

    return counted(st.integers(-1000, 1000), make)


def categories(values: Any, *, ordered: bool = False) -> MakeColumns:
    dtype = pd.CategoricalDtype(pd.Index(values), ordered=ordered)
    codes = st.integers(-1, len(dtype.categories) - 1)
    return counted(codes, lambda drawn: pd.Categorical.from_codes(drawn, dtype=dtype))


def arrow(kind: pa.DataType, elements: st.SearchStrategy[Any]) -> MakeColumns:
    def make(drawn: list[Any]) -> Any:
        return pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array(drawn, kind)]))

    return counted(elements | st.none(), make)


TEXT: Final = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
DATES: Final = st.dates(dt.date(1, 1, 1), dt.date(9999, 12, 31))
TIMES: Final = st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1))
DECIMALS: Final = st.decimals(-10_000, 10_000, places=3) | st.decimals(-9, 9, places=1)
WHOLE: Final = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
MASKED: Final = tuple(name.replace("i", "I").replace("u", "U") for name in WHOLE)
MASKED_FLOATS: Final = {"Float32": 32, "Float64": 64}

KEPT: Final[dict[str, MakeColumns]] = {
    "bool": columns("bool", st.booleans(), NEVER),
    **{name: columns(name, whole(name), NEVER) for name in WHOLE},
    **{name: columns(name, whole(name)) for name in MASKED},
    **{f"float{bits}": columns(f"float{bits}", floats(bits), np.nan) for bits in (16, 32, 64)},
    **{name: columns(name, floats(bits)) for name, bits in MASKED_FLOATS.items()},
    "Float64, NaN and missing": lambda length: st.lists(
        floats(64) | st.just(np.nan), min_size=length, max_size=length
    ).map(lambda drawn: pd.Series(pd.arrays.FloatingArray(np.array(drawn, "f8"), odd(length)))),
    "boolean": columns("boolean", st.booleans()),
    **{
        f"{kind}[{unit}]": instants(f"{kind}[{unit}]")
        for kind in ("M8", "m8")
        for unit in ("s", "ms", "us", "ns")
    },
    **{
        f"{unit}, {zone}": zoned(unit, zone)
        for unit in ("s", "us", "ns")
        for zone in ("UTC", ZONED_BY_NAME, "+02:00", "Etc/GMT+5")
    },
    **{f"period {freq}": periods(freq) for freq in ("D", "M", "2h", "W-SUN", "Q-MAR", "ns")},
    "interval of int64": intervals("int64", "right"),
    "interval of float64": intervals("float64", "both"),
    **{
        f"interval of {subtype}": intervals(subtype, closed)
        for subtype, closed in (("M8[ns]", "left"), ("M8[s]", "neither"), ("m8[ms]", "both"))
    },
    "text": counted(
        TEXT | st.none(), lambda drawn: pd.Series(drawn, dtype=None if any(drawn) else "str")
    ),
    **{
        f"string[{storage}]": columns(f"string[{storage}]", TEXT)
        for storage in ("python", "pyarrow")
    },
    **{
        f"str[{storage}]": columns(pd.StringDtype(storage, na_value=np.nan), TEXT)
        for storage in ("python", "pyarrow")
    },
    "objects: str": columns(object, TEXT),
    "objects: str or nan": columns(object, TEXT, np.nan),
    "objects: str or NA": columns(object, TEXT, pd.NA),
    "objects: bytes": columns(object, st.binary(max_size=5)),
    "objects: bool": columns(object, st.booleans()),
    "objects: int": columns(object, whole("int64")),
    "objects: float": columns(object, floats(64)),
    "objects: date": columns(object, DATES),
    "objects: time": columns(object, st.times()),
    "objects: datetime": columns(object, TIMES),
    "objects: timedelta": columns(object, st.timedeltas(dt.timedelta(-9999), dt.timedelta(9999))),
    "objects: Decimal": columns(object, DECIMALS),
    "objects: list": columns(object, st.lists(whole("int64"), max_size=3)),
    "objects: list of lists": columns(object, st.lists(st.lists(TEXT, max_size=2), max_size=2)),
    "objects: dict": columns(object, st.builds(dict, a=whole("int64"), b=TEXT)),
    "objects: None": columns(object, st.none()),
    "categories of text": categories(["z", "b", "", "a"]),
    "categories of text in order": categories(["z", "b", "a"], ordered=True),
    "categories with a name": categories(pd.Index(["b", "a"], name="side")),
    "categories of int": categories([3, 1, 2]),
    "categories of uint64": categories(np.array([2**63 + 1, 1], "u8")),
    "categories of Int64": categories(pd.array([3, 1], "Int64")),
    "categories of string": categories(pd.array(["b", "a"], "string"), ordered=True),
    "categories of Arrow's": categories(pd.Series([3, 1], dtype=pd.ArrowDtype(pa.int16()))),
    "categories of bytes": categories([b"b", b"a"]),
    "categories of periods": categories(pd.period_range("2024", periods=2, freq="M")),
    "categories of durations": categories(pd.to_timedelta([2, 1], unit="s")),
    "categories of times with a zone": categories(
        pd.to_datetime(["2024-05-01"]).tz_localize(ZONED_BY_NAME)
    ),
    "categories of float": categories([2.5, -1.0], ordered=True),
    "categories of bool": categories([True, False]),
    "categories of times": categories(pd.to_datetime(["2024-05-01", "2020-01-01"]).as_unit("s")),
    "categories of intervals": categories(pd.interval_range(0, 4), ordered=True),
    "categories of dates": categories(pd.Index([dt.date(2024, 5, 1)], dtype=object)),
    "no categories": categories(pd.Index([], dtype=object)),
    "Arrow: int64": arrow(pa.int64(), whole("int64")),
    "Arrow: double": arrow(pa.float64(), st.floats()),
    "Arrow: bool": arrow(pa.bool_(), st.booleans()),
    "Arrow: string": arrow(pa.string(), TEXT),
    "Arrow: large_string": arrow(pa.large_string(), TEXT),
    "Arrow: large_binary": arrow(pa.large_binary(), st.binary(max_size=5)),
    "Arrow: timestamp[s]": arrow(pa.timestamp("s"), st.integers(-(10**9), 10**9)),
    "Arrow: timestamp[ns, UTC]": arrow(pa.timestamp("ns", "UTC"), st.integers(-(10**9), 10**9)),
    "Arrow: date32": arrow(pa.date32(), DATES),
    "Arrow: date64": arrow(pa.date64(), DATES),
    "Arrow: time32[s]": arrow(pa.time32("s"), st.integers(0, 86_399)),
    "Arrow: time64[ns]": arrow(pa.time64("ns"), st.integers(0, 10**12)),
    "Arrow: null": arrow(pa.null(), st.none()),
    "Arrow: uint64": arrow(pa.uint64(), whole("uint64")),
    "Arrow: fixed bytes": arrow(pa.binary(2), st.binary(min_size=2, max_size=2)),
    "Arrow: decimal256": arrow(pa.decimal256(70, 3), DECIMALS),
    "Arrow: duration": arrow(pa.duration("ms"), st.integers(-(10**9), 10**9)),
    "Arrow: decimal128": arrow(pa.decimal128(10, 3), DECIMALS),
}

NOT_IN_PARQUET: Final[list[Any]] = [
    pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    pa.array([Decimal(100)], pa.decimal128(5, -2)),
    pa.array([b"\xff"]).view(pa.string()),  # not UTF-8
    pa.array([1], pa.int64()).view(pa.date64()),  # part of a day
    pa.array([{}], pa.struct([])),
    pa.array([b""], pa.binary(0)),
    pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array(["a"])),
]


@pd.api.extensions.register_extension_dtype
class Metres(pd.api.extensions.ExtensionDtype):
    """A dtype of another package that leads to Arrow, but not back."""

    name = "metres"
    type = float

    @classmethod
    def construct_array_type(cls) -> Any:
        return MetreArray


class MetreArray(pd.api.extensions.ExtensionArray):
    dtype = Metres()

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values, float)

    @classmethod
    def _from_sequence(cls, scalars: Any, **_: Any) -> MetreArray:
        return cls(scalars)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, at: Any) -> Any:
        found = self.values[at]
        return found if np.isscalar(found) else MetreArray(found)

    def copy(self) -> MetreArray:
        return MetreArray(self.values.copy())

    def isna(self) -> Any:
        return np.isnan(self.values)

    def __arrow_array__(self, type: Any = None) -> Any:  # noqa: A002 - Arrow's name
        return pa.array(self.values, type)


REFUSED: Final[dict[str, Column]] = {
    "a dtype of another package": pd.Series(MetreArray([1.5])),
    "categories of such a dtype": pd.Series(
        pd.Categorical.from_codes([0], pd.Index(MetreArray([1.5])))
    ),
    "categories whose name is no text": pd.Series(
        pd.Categorical(["a"], categories=pd.Index(["a"], name=5))
    ),
    "categories with half of a surrogate pair": pd.Series(
        pd.Categorical(pd.Series(["\ud800"], dtype=object))
    ),
    "complex": pd.Series([1 + 2j]),
    "sparse": pd.Series(pd.arrays.SparseArray([0, 1])),
    "big-endian": pd.Series(np.array([1], ">i4")),
    "an offset with a name": pd.Series(
        pd.to_datetime(["2024-05-01"]).tz_localize(dt.timezone(dt.timedelta(hours=2), "X"))
    ),
    "seconds too far from 1970": pd.Series(np.array([2**61], "M8[s]")),
    "dates and times": pd.Series([dt.date(2024, 5, 1), dt.datetime(2024, 5, 1, 12)], dtype=object),
    "int and float": pd.Series([2**53 + 1, 0.5], dtype=object),
    "int and bool": pd.Series([1, True], dtype=object),
    "str and bytes": pd.Series(["a", b"a"], dtype=object),
    "two ways to be missing": pd.Series(["a", None, np.nan], dtype=object),
    "times with zones": pd.Series([dt.datetime(2024, 5, 1, tzinfo=dt.UTC)], dtype=object),
    "times of day with zones": pd.Series([dt.time(12, tzinfo=dt.UTC)], dtype=object),
    "arrays": pd.Series([np.array([1.0, 2.0])], dtype=object),
    "tuples": pd.Series([(1, 2)], dtype=object),
    "sets": pd.Series([{1}], dtype=object),
    "dicts with different keys": pd.Series([{"a": 1}, {"b": 2}], dtype=object),
    "paths": pd.Series([Path("a")], dtype=object),
    "int beyond 64 bits": pd.Series([2**63], dtype=object),
    "Decimal NaN": pd.Series([Decimal("NaN")], dtype=object),
    "Decimal sNaN": pd.Series([Decimal("sNaN")], dtype=object),
    "Decimal -0": pd.Series([Decimal("-0")], dtype=object),
    "names of an enumeration": pd.Series([*enum.StrEnum("Side", "LEFT")], dtype=object),
    "empty dicts": pd.Series([{}], dtype=object),
    "half of a surrogate pair": pd.Series(["\ud800"], dtype=object),
    "void": pd.Series([np.void(b"a")], dtype=object),
    "categories of tuples": pd.Series(pd.Categorical([("a", 1)])),
    "categories of several types": pd.Series(pd.Categorical([1, "a"])),
    "Arrow-backed lists": pd.Series(
        pd.arrays.ArrowExtensionArray(pa.chunked_array([pa.array([[1]])]))
    ),
    **{
        f"Arrow-backed {values.type}": pd.Series(
            pd.arrays.ArrowExtensionArray(pa.chunked_array([values]))
        )
        for values in NOT_IN_PARQUET
    },
}


def frame_of(columns: dict[str, Column], image_id: str, length: int) -> pd.DataFrame:
    return pd.DataFrame({"image_id": pd.Series([image_id] * length, dtype="str"), **columns})


def draw_frame(data: st.DataObject, kinds: list[str], image_id: str) -> pd.DataFrame:
    length = data.draw(st.integers(0, 3))
    found = {f"c{at}": data.draw(KEPT[kind](length)) for at, kind in enumerate(kinds)}
    return frame_of(found, image_id, length)


def assert_kept(frame: pd.DataFrame) -> None:
    """Every way in and out gives the same frame, the second time as the first."""
    dataset = ZarrDataset(MemoryStore())
    record = dataset.add_image(np.zeros((1, 1), "u1"), axes=("t", "x"))
    for _ in range(2):
        dataset.save_table("saved", frame)
        dataset.replace_rows_for_image_id("replaced", "a", frame)
        record.save_df_parquet("artifact", frame)
        pd.testing.assert_frame_equal(dataset.load_table("saved"), frame)
        pd.testing.assert_frame_equal(dataset.load_table("replaced"), frame)
        pd.testing.assert_frame_equal(record.load_df_parquet("artifact"), frame)
    with TemporaryDirectory() as folder:
        dataset.export_legacy_folder(folder, table_format="parquet")
        again = ZarrDataset(MemoryStore())
        again.refresh_from_folder(folder)
    pd.testing.assert_frame_equal(again.load_table("saved"), frame)
    exported = again.record(record.image_id)
    pd.testing.assert_frame_equal(exported.load_df_parquet("artifact"), frame)


def assert_joined(first: pd.DataFrame, second: pd.DataFrame) -> None:
    """Rows of two images keep their values in one table, or the second ones are refused."""
    dataset = ZarrDataset(MemoryStore())
    dataset.replace_rows_for_image_id("t", "a", first)
    try:
        dataset.replace_rows_for_image_id("t", "b", second)
    except ColumnError as error:
        dtypes = {frame.dtypes[error.column] for frame in (first, second)}
        if len(dtypes) == 1 and dtypes != {np.dtype(object)}:
            raise
        pd.testing.assert_frame_equal(dataset.load_table("t"), first)
        return
    joined = dataset.load_table("t")
    for image_id, rows in (("a", first), ("b", second)):
        found = joined[joined["image_id"] == image_id]
        assert len(found) == len(rows)
        for name in joined:
            expected = rows[name] if name in rows else [None] * len(rows)
            assert all(map(is_same, found[name], expected)), (name, found[name], expected)
    for name in first.columns.intersection(second.columns):
        if first.dtypes[name] == second.dtypes[name]:
            assert joined.dtypes[name] == first.dtypes[name]


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of one kind; all missing ones are."""
    if isinstance(one, list | dict) or isinstance(other, list | dict):
        return type(one) is type(other) and one == other
    if pd.isna(one) or pd.isna(other):
        return bool(pd.isna(one) and pd.isna(other))
    return kind_of(one) == kind_of(other) and bool(one == other)


def kind_of(value: object) -> object:
    kinds: list[tuple[type, ...]] = [
        (bool, np.bool_),
        (int, float, np.integer, np.floating),
        (dt.datetime, np.datetime64),
        (dt.timedelta, np.timedelta64),
    ]
    return next((kind for kind in kinds if isinstance(value, kind)), type(value))


KINDS: Final = st.lists(st.sampled_from(sorted(KEPT)), min_size=1, max_size=4)


@given(st.data())
def test_what_is_saved_comes_back_equal(data: st.DataObject) -> None:
    assert_kept(draw_frame(data, data.draw(KINDS), "a"))


@given(st.data())
def test_rows_of_two_images_keep_their_values(data: st.DataObject) -> None:
    first, second = (draw_frame(data, data.draw(KINDS), image_id) for image_id in "ab")
    assert_joined(first, second)


@pytest.mark.parametrize("kind", KEPT)
@given(data=st.data())
@settings(max_examples=3)
def test_rows_of_one_dtype_fit_each_other(data: st.DataObject, kind: str) -> None:
    first, second = (draw_frame(data, [kind], image_id) for image_id in "ab")
    dataset = ZarrDataset(MemoryStore())
    dataset.replace_rows_for_image_id("t", "a", first)
    dataset.replace_rows_for_image_id("t", "b", second)
    expected = pd.concat([first, second], ignore_index=True) if len(first) + len(second) else first
    found = dataset.load_table("t")
    assert found.dtypes["c0"] == first.dtypes["c0"]
    assert all(map(is_same, found["c0"], expected["c0"]))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT], ids=repr)
def test_objects_keep_what_stands_for_missing_ones_whichever_rows_come_first(missing: Any) -> None:
    dataset = ZarrDataset(MemoryStore())
    some, all_of_them = [missing, False], [missing, missing]
    for values, others in (
        ([True, False], some),
        ([True, missing], some),
        (all_of_them, some),
        (all_of_them, [True, False]),
    ):
        rows = [frame_of({"c": pd.Series(values, dtype=object)}, "a", 2)]
        rows.append(frame_of({"c": pd.Series(others, dtype=object)}, "b", 2))
        for image_id, frame in zip("ab", rows, strict=True):
            dataset.replace_rows_for_image_id("t", image_id, frame)
        pd.testing.assert_frame_equal(dataset.load_table("t"), pd.concat(rows, ignore_index=True))
        dataset.delete_table("t")


def test_a_number_that_is_none_inside_an_object_is_kept(dataset: ZarrDataset) -> None:
    values = [[1.0, math.nan], [], [math.nan]], [{"a": math.nan}, {"a": 1.0}, {"a": 2.0}]
    frame = pd.DataFrame(dict(zip(("lists", "dicts"), values, strict=True)))
    dataset.save_table("t", frame)
    assert repr(dataset.load_table("t").to_dict("list")) == repr(frame.to_dict("list"))


@pytest.mark.parametrize(
    "values",
    [
        [{"a": 1, "b": [1.5]}, {"a": None, "b": []}, {"a": 2, "b": None}],
        [{"a": 1, "b": "x"}, {"b": "y", "a": 2}, {"b": None, "a": None}],
        [[{"a": 1, "b": {"c": 1, "d": 2}}], [{"b": {"d": 3, "c": 4}, "a": 5}], []],
    ],
    ids=["missing values", "another order of keys", "another order in lists"],
)
def test_dicts_of_one_image_fit_those_of_another(values: list[object]) -> None:
    dataset = ZarrDataset(MemoryStore())
    for image_id, value in zip("abc", values, strict=True):
        rows = frame_of({"c": pd.Series([value], dtype=object)}, image_id, 1)
        dataset.replace_rows_for_image_id("t", image_id, rows)
        dataset.replace_rows_for_image_id("t", image_id, rows)
    assert dataset.load_table("t")["c"].tolist() == values


@pytest.mark.parametrize("values", NOT_IN_PARQUET, ids=lambda values: str(values.type))
def test_an_arrow_column_without_a_place_in_parquet_is_refused_by_name(values: Any) -> None:
    dataset = ZarrDataset(MemoryStore())
    for column in (values, pa.ListArray.from_arrays([0, 1], values)):
        rows = pa.table({"image_id": ["a"], "c": column})
        update = RowUpdate(image_ids=frozenset("a"), rows=rows)
        with pytest.raises(ColumnError, match="column 'c' holds ") as caught:
            dataset.save_table("t", rows)
        assert caught.value.remedy in str(caught.value)
        with pytest.raises(ColumnError, match="column 'c' holds "):
            dataset.replace_rows("t", [update], schema=rows.schema)
    assert dataset.list_table_names() == []


@pytest.mark.parametrize("kind", REFUSED)
def test_what_would_change_is_refused_by_name(kind: str) -> None:
    dataset = ZarrDataset(MemoryStore())
    record = dataset.add_image(np.zeros((1, 1), "u1"), axes=("t", "x"))
    column = REFUSED[kind]
    frame = frame_of({"c": column}, "a", len(column))
    calls: list[Callable[[], object]] = [
        lambda: dataset.save_table("t", frame),
        lambda: dataset.replace_rows_for_image_id("t", "a", frame),
        lambda: record.save_df_parquet("t", frame),
    ]
    for call in calls:
        with pytest.raises(ColumnError, match="column 'c' holds ") as caught:
            call()
        assert caught.value.column == "c"
        assert caught.value.remedy in str(caught.value)
    assert dataset.list_table_names() == []
    assert not [key for key in record.list_analysis_keys() if key.endswith(".parquet")]
