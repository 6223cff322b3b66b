"""What of a frame is refused, and which rows fit which table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from zarr.storage import MemoryStore

from kymflow_zarr import RowUpdate, SchemaValidationError, ZarrDataset
from kymflow_zarr.errors import ColumnError

ROWS = pd.DataFrame({"image_id": ["a", "a"], "roi": [1, 2], "v": [5.0, 6.0]})


def rows(image_id: str, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"image_id": [image_id], **columns})


def with_attrs(frame: pd.DataFrame, **attrs: Any) -> pd.DataFrame:
    copy = frame.copy()
    copy.attrs.update(attrs)
    return copy


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (ROWS.groupby(["image_id", "roi"]).mean(), r"its index \(image_id, roi\)"),
        (ROWS.set_index("roi"), r"its index \(roi\)"),
        (ROWS.set_index("roi").iloc[:0], r"its index \(roi\)"),
        (ROWS.set_axis(["x", "y"]), "its index"),
        (ROWS.set_axis(pd.date_range("2024", periods=2)), r"its index \(datetime64"),
        (ROWS[[]], "2 rows but no columns"),
    ],
)
def test_an_index_that_would_be_lost_is_refused(
    dataset: ZarrDataset, frame: pd.DataFrame, named: str
) -> None:
    record = dataset.add_image(np.zeros((2, 3), np.uint8), axes=("t", "x"))
    for call in (
        lambda: dataset.save_table("t", frame),
        lambda: dataset.replace_rows_for_image_id("t", "a", frame),
        lambda: record.save_df_parquet("x", frame),
    ):
        with pytest.raises(SchemaValidationError, match=named):
            call()
    assert dataset.list_table_names() == []
    kept = frame.reset_index()
    dataset.save_table("t", kept)
    pd.testing.assert_frame_equal(dataset.load_table("t"), kept)


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (ROWS.rename_axis(columns="n"), "the name 'n' of its columns"),
        (with_attrs(ROWS, unit="um"), r"its attrs \(unit\)"),
        (ROWS.set_flags(allows_duplicate_labels=False), "its flag against duplicate labels"),
    ],
)
def test_what_a_frame_says_besides_its_values_is_refused(
    dataset: ZarrDataset, frame: pd.DataFrame, named: str
) -> None:
    with pytest.raises(SchemaValidationError, match=named):
        dataset.save_table("t", frame)
    with pytest.raises(SchemaValidationError, match=named):
        dataset.replace_rows_for_image_id("t", "a", frame)
    assert dataset.list_table_names() == []


def test_an_index_that_counts_rows_is_dropped(dataset: ZarrDataset) -> None:
    dataset.save_table("t", ROWS[ROWS["roi"] == 2])
    assert dataset.load_table("t").to_dict("list") == {"image_id": ["a"], "roi": [2], "v": [6.0]}


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["a", "a"], "'a' appears twice"),
        (["a", "A"], "'A' differs from 'a' only in case"),
        (["a", ""], "the name '', but a name must be text"),
        (["a", 1], "the name 1, but a name must be text"),
        (["a", ("b", "c")], "but a name must be text"),
        (["a", "\udc80"], "but a name must be text"),
    ],
)
def test_column_names_are_text_and_differ_in_more_than_case(
    dataset: ZarrDataset, names: list[Any], problem: str
) -> None:
    frame = pd.DataFrame([[1, 2]], columns=pd.Index(names, dtype=object))
    with pytest.raises(ColumnError, match=problem):
        dataset.save_table("t", frame)
    if all(isinstance(name, str) for name in names) and "\udc80" not in names:
        with pytest.raises(ColumnError, match=problem):
            dataset.save_table("t", pa.table([pa.array([1]), pa.array([2])], names=names))


def test_a_new_column_differs_from_those_of_the_table_in_more_than_case(
    dataset: ZarrDataset,
) -> None:
    dataset.save_table("t", rows("a", speed=[1.0]))
    with pytest.raises(ColumnError, match="'Speed' differs from 'speed' only in case"):
        dataset.replace_rows_for_image_id("t", "b", rows("b", Speed=[1.0]))
    assert dataset.load_table("t").columns.tolist() == ["image_id", "speed"]


@pytest.mark.parametrize("wrong", [[{"v": 1}], {"v": [1]}, None, ROWS["v"]])
def test_anything_but_a_frame_is_a_type_error(dataset: ZarrDataset, wrong: Any) -> None:
    record = dataset.add_image(np.zeros((2, 3), np.uint8), axes=("t", "x"))
    for call in (
        lambda: dataset.save_table("t", wrong),
        lambda: dataset.replace_rows_for_image_id("t", "a", wrong),
        lambda: record.save_df_parquet("x", wrong),
        lambda: RowUpdate(image_ids=frozenset("a"), rows=wrong),
    ):
        with pytest.raises(TypeError, match=r"expected .*not a"):
            call()


def test_a_masked_array_is_refused(dataset: ZarrDataset) -> None:
    masked = np.ma.masked_equal(np.arange(6, dtype=np.uint8).reshape(2, 3), 4)
    with pytest.raises(SchemaValidationError, match=r"\.filled\(\)"):
        dataset.add_image(masked, axes=("t", "x"))
    record = dataset.add_image(masked.filled(), axes=("t", "x"))
    with pytest.raises(SchemaValidationError, match=r"\.filled\(\)"):
        record.save_array_artifact("x", masked)
    assert record.list_array_artifacts() == []


@pytest.mark.parametrize(
    "some", [["b"], {"b"}, ("b",), "b", np.array(["b"]), pd.Series(["b", "b"])], ids=repr
)
def test_image_ids_may_be_any_iterable_or_one(dataset: ZarrDataset, some: Any) -> None:
    dataset.save_table("t", pd.DataFrame({"image_id": ["a", "b", "c"], "v": [1, 2, 3]}))
    for image_ids in (some, iter([some] if isinstance(some, str) else some)):
        assert dataset.load_table("t", image_ids=image_ids)["v"].tolist() == [2]
        assert dataset.load_arrow_table("t", image_ids=some)["v"].to_pylist() == [2]
    with pytest.raises(TypeError, match="image ids as text, not 2"):
        dataset.load_table("t", image_ids=[2])  # type: ignore[list-item]


def test_an_image_id_is_not_a_set_of_letters(dataset: ZarrDataset) -> None:
    dataset.save_table("t", pd.DataFrame({"image_id": ["a", "b", "ab"], "v": [1, 2, 3]}))
    new = pa.table({"image_id": ["ab"], "v": [4]})
    one: Any = "ab"
    dataset.replace_rows("t", [RowUpdate(image_ids=one, rows=new)], schema=new.schema)
    assert dataset.load_table("t")["v"].tolist() == [1, 4, 2]


NO_TYPE: list[Any] = [[None], [np.nan], pd.array([pd.NA], dtype="Int64"), pd.Categorical([None])]
TYPED: list[Any] = [
    [2**60 + 1],
    ["x"],
    [True],
    [1.5],
    pd.to_datetime(["2024-05-01"], utc=True),
    pd.Categorical(["x"]),
    pd.period_range("2024", periods=1, freq="D"),
    [b"x"],
]


@pytest.mark.parametrize("typed", TYPED, ids=repr)
@pytest.mark.parametrize("untyped", NO_TYPE, ids=repr)
def test_rows_without_a_value_fit_every_table(
    dataset: ZarrDataset, typed: Any, untyped: Any
) -> None:
    dataset.replace_rows_for_image_id("t", "a", rows("a", v=typed))
    dataset.replace_rows_for_image_id("t", "b", rows("b", v=untyped))
    found = dataset.load_table("t")["v"]
    assert found.isna().tolist() == [False, True]
    assert found[0] == rows("a", v=typed)["v"][0]


@pytest.mark.parametrize("typed", TYPED, ids=repr)
@pytest.mark.parametrize("untyped", NO_TYPE[:2], ids=repr)
def test_a_table_without_a_value_takes_every_row(
    dataset: ZarrDataset, typed: Any, untyped: Any
) -> None:
    dataset.replace_rows_for_image_id("t", "a", rows("a", v=untyped))
    dataset.replace_rows_for_image_id("t", "b", rows("b", v=typed))
    found = dataset.load_table("t")["v"]
    assert found.isna().tolist() == [True, False]
    assert found[1] == rows("b", v=typed)["v"][0]


@pytest.mark.parametrize(
    "empty",
    [
        pd.DataFrame(),
        pd.DataFrame(columns=["image_id", "v"]),
        pd.DataFrame({"image_id": [], "v": []}),  # of floats, by pandas
    ],
    ids=["no columns", "objects", "floats"],
)
@pytest.mark.parametrize("typed", TYPED, ids=repr)
def test_a_table_of_an_empty_frame_takes_typed_rows(
    dataset: ZarrDataset, empty: pd.DataFrame, typed: Any
) -> None:
    dataset.save_table("t", empty)
    new = rows("a", v=typed)
    dataset.replace_rows_for_image_id("t", "a", new)
    pd.testing.assert_frame_equal(dataset.load_table("t"), new)
    dataset.replace_rows_for_image_id("u", "a", empty)
    dataset.replace_rows_for_image_id("u", "a", new)
    pd.testing.assert_frame_equal(dataset.load_table("u"), new)


def test_whole_numbers_beside_missing_ones_keep_their_digits(dataset: ZarrDataset) -> None:
    large = 1_700_000_000_123_456_789
    dataset.save_table("t", rows("a", at=[large], ok=[True]))
    dataset.replace_rows_for_image_id("t", "b", rows("b", v=[1.0]))
    found = dataset.load_table("t")
    assert (found["at"][0], found["ok"][0]) == (large, True)
    assert (str(found["at"].dtype), str(found["ok"].dtype)) == ("Int64", "boolean")


@pytest.mark.parametrize(
    ("before", "after", "dtype"),
    [
        ([3], [1.5], "float64"),
        (pd.array([3], "Int64"), [1.5], "Float64"),
        (np.array([3], "u1"), np.array([-3], "i8"), "int64"),
        (np.array([0.1], "f4"), [0.1], "float64"),
        (
            pd.to_datetime(["2024"]).as_unit("s"),
            pd.to_datetime(["2024"]).as_unit("ns"),
            "datetime64[ns]",
        ),
        (pd.Categorical(["x"]), ["y"], None),
        (pd.Categorical(["x"]), pd.Categorical(["y"]), "category"),
        (pd.array(["x"], "string"), ["y"], "string"),
    ],
)
def test_two_dtypes_become_one_that_holds_both(
    dataset: ZarrDataset, before: Any, after: Any, dtype: str | None
) -> None:
    first, second = rows("a", v=before), rows("b", v=after)
    dataset.replace_rows_for_image_id("t", "a", first)
    dataset.replace_rows_for_image_id("t", "b", second)
    found = dataset.load_table("t")["v"]
    assert found.tolist() == [first["v"][0], second["v"][0]]
    assert str(found.dtype) == (dtype or second["v"].dtype)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([2**53 + 1], [0.5]),
        ([0.5], [2**53 + 1]),
        (np.array([2**63], "u8"), [-1]),
        ([1], ["x"]),
        ([b"x"], ["x"]),
        ([True], [1]),
        ([1.5], pd.to_datetime(["2024"])),
        (pd.to_datetime(["2024"]), pd.to_datetime(["2024"], utc=True)),
        (
            pd.to_datetime(["2024"], utc=True),
            pd.to_datetime(["2024"], utc=True).tz_convert("Asia/Tokyo"),
        ),
        (
            pd.period_range("2024", periods=1, freq="D"),
            pd.period_range("2024", periods=1, freq="M"),
        ),
        (pd.period_range("2024", periods=1, freq="D"), [1]),
        (pd.interval_range(0, 1), pd.interval_range(0, 1, closed="both")),
        (pd.Categorical([1]), pd.Categorical(["x"])),
        (pd.Categorical(["x"], ordered=True), pd.Categorical(["y"], ordered=True)),
    ],
)
def test_values_that_would_change_are_refused_and_the_table_stays(
    dataset: ZarrDataset, before: Any, after: Any
) -> None:
    first = rows("a", v=before)
    dataset.replace_rows_for_image_id("t", "a", first)
    with pytest.raises(ColumnError, match=r"'t': column 'v' holds .*; convert"):
        dataset.replace_rows_for_image_id("t", "b", rows("b", v=after))
    pd.testing.assert_frame_equal(dataset.load_table("t"), first)


def test_two_orders_of_categories_are_told_apart(dataset: ZarrDataset) -> None:
    texts = ["low", "high"]
    dataset.save_table("t", rows("a", v=pd.Categorical(["low"], texts, ordered=True)))
    with pytest.raises(ColumnError, match=r"'high' < 'low'\), but .* \('low' < 'high'\); convert"):
        dataset.replace_rows_for_image_id(
            "t", "b", rows("b", v=pd.Categorical(["low"], texts[::-1], ordered=True))
        )


def test_categories_of_several_images_come_together(dataset: ZarrDataset) -> None:
    for image_id, kinds in {"a": ["up", "down"], "b": ["down", "lost"]}.items():
        frame = pd.DataFrame({"image_id": [image_id] * 2, "kind": pd.Categorical(kinds)})
        dataset.replace_rows_for_image_id("t", image_id, frame)
    found = dataset.load_table("t")["kind"]
    assert found.tolist() == ["up", "down", "down", "lost"]
    assert found.cat.categories.tolist() == ["down", "up", "lost"]
    some = dataset.load_table("t", image_ids="a", columns=["kind"])["kind"]
    assert some.dtype == found.dtype


@pytest.mark.parametrize("others", [[1.5], ["x"], [True]])
def test_categories_of_other_values_are_refused(dataset: ZarrDataset, others: list[Any]) -> None:
    for image_id, kinds in {"a": [1, 2], "b": [2, 3]}.items():
        frame = pd.DataFrame({"image_id": [image_id] * 2, "kind": pd.Categorical(kinds)})
        dataset.replace_rows_for_image_id("t", image_id, frame)
    for image_id, kinds in {"a": others, "c": others}.items():
        frame = pd.DataFrame({"image_id": [image_id], "kind": pd.Categorical(kinds)})
        with pytest.raises(ColumnError, match="'kind'"):
            dataset.replace_rows_for_image_id("t", image_id, frame)
    assert dataset.load_table("t")["kind"].tolist() == [1, 2, 2, 3]


@pytest.mark.parametrize(
    "text", [pa.large_string(), pa.string_view(), pa.dictionary(pa.uint32(), pa.large_string())]
)
def test_text_from_polars_is_text(dataset: ZarrDataset, text: pa.DataType) -> None:
    table = pa.table(
        {"image_id": pa.array(["b", "a"]).cast(text), "s": pa.array(["x", None]).cast(text)}
    )
    dataset.save_table("t", table)
    dataset.replace_rows_for_image_id("t", "a", rows("a", s=["y"]))
    new = RowUpdate(
        image_ids=frozenset({"c"}),
        rows=table.set_column(0, "image_id", pa.array(["c", "c"]).cast(text)),
    )
    dataset.replace_rows("t", [new], schema=table.schema)
    found = dataset.load_arrow_table("t")
    assert found.to_pydict() == {"image_id": ["a", "b", "c", "c"], "s": ["y", "x", "x", None]}
    assert pa.types.is_string(found.schema.field("s").type)


def test_categories_of_polars_are_categories(dataset: ZarrDataset) -> None:
    kinds = pa.array(["x", None, "y"], pa.large_string()).dictionary_encode()
    dataset.save_table("t", pa.table({"kind": kinds}))
    found = dataset.load_table("t")["kind"]
    assert found.cat.categories.tolist() == ["x", "y"]
    assert found.cat.codes.tolist() == [0, -1, 1]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, None], pa.time64("ns")),
        pa.array([2**30], pa.date32()),
        pa.array([1], pa.timestamp("us", "No/Where")),
        pa.array([[2**30]], pa.list_(pa.date32())),
        pa.array([{"a": 2**62}], pa.struct([("a", pa.timestamp("us"))])),
        pa.array([[2**62]], pa.list_(pa.duration("s"))),
        pa.array([[1]], pa.list_(pa.timestamp("us", "No/Where"))),
    ],
    ids=lambda column: str(column.type),
)
def test_what_pandas_has_no_values_for_is_not_called_damaged(
    dataset: ZarrDataset, column: pa.Array[Any]
) -> None:
    dataset.save_table("t", pa.table({"v": column}))
    found = dataset.load_table("t")["v"]
    assert pa.array(found).equals(column)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1.5, np.nan]),
        pa.array([0.0, -0.0]),
        pa.array([np.float16(1)], pa.float16()),
        pa.array([2**30], pa.date32()),
        pa.array([1], pa.timestamp("us", "No/Where")),
    ],
    ids=str,
)
def test_values_that_are_no_categories_in_pandas_are_read_as_values(
    dataset: ZarrDataset, values: pa.Array[Any]
) -> None:
    places = pa.array(range(len(values)), pa.int32())
    kinds = pa.DictionaryArray.from_arrays(places, values)
    try:
        dataset.save_table("t", pa.table({"kind": kinds}))
    except ColumnError:
        assert values.type == pa.float16(), "which older Arrows do not tell apart"
        return
    found = pa.array(dataset.load_table("t")["kind"], from_pandas=False)
    assert str(found) == str(values)


def test_objects_beside_what_python_has_none_for_are_read(dataset: ZarrDataset) -> None:
    day = pa.array([2**30], pa.date32())
    dataset.replace_rows_for_image_id("t", "a", rows("a", v=[dt.date(2024, 5, 1)]))
    far = pa.table({"image_id": ["b"], "v": day})
    update = RowUpdate(image_ids=frozenset({"b"}), rows=far)
    dataset.replace_rows("t", [update], schema=far.schema)
    found = pa.array(dataset.load_table("t")["v"])
    assert (found[0].as_py(), found[1:]) == (dt.date(2024, 5, 1), day)


def test_a_table_whose_metadata_do_not_fit_its_columns_is_read(disk: ZarrDataset) -> None:
    # Version 0.1 wrote such a table where a column of ``Int64`` met floats.
    frame = pd.DataFrame({"image_id": ["a"], "n": pd.array([3], "Int64")})
    schema = pa.Schema.from_pandas(frame, preserve_index=False)
    at = schema.get_field_index("n")
    table = pa.table({"image_id": ["a", "b"], "n": [3.0, 1.5]})
    schema = schema.set(0, table.schema.field(0)).set(at, pa.field("n", pa.float64()))
    place = Path(disk.location, "tables", "t.parquet")
    place.parent.mkdir(exist_ok=True)
    pq.write_table(table.cast(schema), place)
    assert disk.load_table("t")["n"].tolist() == [3.0, 1.5]
    disk.replace_rows_for_image_id("t", "c", frame.assign(image_id="c"))
    assert disk.load_table("t")["n"].tolist() == [3.0, 1.5, 3.0]


@pytest.mark.parametrize(
    "text", ["null", "3", "[]", "{}", '{"columns": 3}', '{"columns": [3]}', '{"columns": [{}]}']
)
def test_what_pandas_would_not_have_written_is_ignored(disk: ZarrDataset, text: str) -> None:
    table = pa.table({"image_id": ["a"], "n": [3]}).replace_schema_metadata({"pandas": text})
    pq.write_table(table, Path(disk.location, "tables", "t.parquet"))
    disk.replace_rows_for_image_id("t", "b", rows("b", n=[4]))
    assert disk.load_table("t")["n"].tolist() == [3, 4]


@pytest.mark.parametrize(
    "name",
    [
        *("category", "object[other]", "Int8", "\xff", "", "arrow[double]", "arrow[date64[ms]]"),
        *("arrow[3]", "str[nowhere]", "str[python]"),
    ],
)
def test_a_name_of_a_dtype_that_does_not_hold_is_ignored(disk: ZarrDataset, name: str) -> None:
    named = pa.field("n", pa.int64(), metadata={"kymflow_zarr.dtype": name.encode("latin-1")})
    schema = pa.schema([pa.field("image_id", pa.string())]).append(named)
    table = pa.table({"image_id": ["a"], "n": [3]}, schema=schema)
    disk.save_table("given", table)
    pq.write_table(table, Path(disk.location, "tables", "written.parquet"))
    for stored in ("given", "written"):
        found = disk.load_table(stored)["n"]
        assert found.tolist() == [3]
        assert found.dtype == (object if name.startswith("object") else np.int64)
        disk.replace_rows_for_image_id(stored, "b", rows("b", n=[4]))
        assert disk.load_table(stored)["n"].tolist() == [3, 4]


def test_categories_that_cannot_be_read_are_refused(disk: ZarrDataset) -> None:
    metadata = {"kymflow_zarr.dtype": "category", "kymflow_zarr.categories": "no stream"}
    schema = pa.schema([pa.field("kind", pa.string(), metadata=metadata)])
    table = pa.table({"kind": ["a"]}, schema=schema)
    with pytest.raises(ColumnError, match="column 'kind' holds string"):
        disk.save_table("t", table)
    pq.write_table(table, Path(disk.location, "tables", "t.parquet"))
    with pytest.raises(ColumnError, match=r"t\.parquet: column 'kind' holds string"):
        disk.load_table("t")


def test_categories_that_version_0_1_stored_stay_categories(disk: ZarrDataset) -> None:
    frame = pd.DataFrame({"image_id": ["a", "b"], "kind": pd.Categorical(["y", "x"])})
    place = Path(disk.location, "tables", "t.parquet")
    place.parent.mkdir(exist_ok=True)
    frame.to_parquet(place, index=False)
    disk.replace_rows_for_image_id("t", "c", frame[:1].assign(image_id="c"))
    found = disk.load_table("t")["kind"]
    assert found.tolist() == ["y", "x", "y"]
    assert found.dtype == frame["kind"].dtype


def test_rows_with_a_column_that_the_schema_lacks_are_refused(dataset: ZarrDataset) -> None:
    new = pa.table({"image_id": ["a"], "v": [1], "more": [2]})
    update = RowUpdate(image_ids=frozenset({"a"}), rows=new)
    with pytest.raises(ColumnError, match="column 'more' is not in the schema"):
        dataset.replace_rows("t", [update], schema=new.schema.remove(2))
    assert dataset.list_table_names() == []


def test_arrow_nulls_where_the_schema_forbids_them_are_refused(dataset: ZarrDataset) -> None:
    schema = pa.schema([pa.field("v", pa.int64(), nullable=False)])
    with pytest.raises(SchemaValidationError, match=r"tables/t\.parquet"):
        dataset.save_table("t", pa.table([pa.array([None], pa.int64())], schema=schema))
    assert dataset.list_table_names() == []


CALLS: dict[str, Callable[[ZarrDataset, pd.DataFrame], object]] = {
    "save_table": lambda dataset, frame: dataset.save_table("t", frame),
    "replace_rows_for_image_id": lambda dataset, frame: dataset.replace_rows_for_image_id(
        "t", "a", frame
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
def test_a_wide_frame_comes_back(disk: ZarrDataset, call: str) -> None:
    wide = pd.DataFrame(np.arange(3000.0)[None], columns=[f"c{at}" for at in range(3000)])
    wide.insert(0, "image_id", ["a"])
    for _ in range(2):
        CALLS[call](disk, wide)
    pd.testing.assert_frame_equal(disk.load_table("t"), wide)


@pytest.mark.parametrize("image_ids", [5, [5], ["a", None]])
def test_image_ids_that_are_no_text_are_refused(image_ids: Any) -> None:
    dataset = ZarrDataset(MemoryStore())
    dataset.save_table("t", pd.DataFrame({"image_id": ["a"]}))
    with pytest.raises(TypeError, match="expected image ids as text"):
        dataset.tables.load("t", image_ids=image_ids)
