"""CSV files give tables back exactly, and nothing in them runs."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kymflow_zarr._export.cells import escape_cell, escape_csv_text, unescape_cell
from kymflow_zarr._export.cells import unescape_csv_text as unescape_text
from kymflow_zarr._export.csv_tables import NotForCsvError, read_csv, write_csv
from kymflow_zarr._tables.frames import frame_to_table, table_to_frame

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    [
        "",
        "=1+1",
        "+a",
        "-a",
        "-5.2",
        "@x",
        "'",
        "''a",
        "\t",
        "\r\n",
        "nan",
        "NULL",
        'a"b',
        "a,b",
        " ",
    ]
)
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "text": (pa.string(), TEXTS),
    "int": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "byte": (pa.uint8(), st.integers(0, 255)),
    "unsigned": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "float": (pa.float64(), st.floats(allow_nan=False)),
    "single": (pa.float32(), st.floats(allow_nan=False, width=32)),
    "half": (pa.float16(), st.floats(allow_nan=False, width=16).map(np.float16)),
    "bool": (pa.bool_(), st.booleans()),
    "day": (pa.date32(), st.dates()),
    "instant": (pa.timestamp("us"), st.datetimes()),
    "zoned": (
        pa.timestamp("ns", "Europe/Berlin"),
        st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2250, 1, 1), timezones=st.just(dt.UTC)),
    ),
    "span": (
        pa.duration("us"),
        st.integers(-(2**62), 2**62).map(lambda count: dt.timedelta(microseconds=count // 10**4)),
    ),
    "clock": (pa.time64("us"), st.times()),
    "money": (pa.decimal128(12, 2), st.integers(-(10**9), 10**9).map(lambda n: Decimal(n) / 100)),
    "nothing": (pa.null(), st.none()),
}


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """Tables of every type that CSV can carry, with nulls, and any column names."""
    names = draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(0, 5))
    columns = []
    for _ in names:
        kind, values = KINDS[draw(st.sampled_from(sorted(KINDS)))]
        cells = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        columns.append(pa.array(cells, kind))
    return pa.table(columns, names=names)


def there_and_back(table: pa.Table, *, parts: int = 1) -> tuple[bytes, pa.Table]:
    sink = io.BytesIO()
    step = max(1, -(-len(table) // parts))
    pieces = [table.slice(start, step) for start in range(0, len(table), step)]
    schema = write_csv(sink, table.schema, pieces)
    data = sink.getvalue()
    back = read_csv(data, arrow_schema=schema.arrow_schema, categories=schema.categories)
    return data, back


@settings(deadline=None, max_examples=150)
@given(tables(), st.integers(1, 3))
def test_any_table_comes_back_exactly(table: pa.Table, parts: int) -> None:
    _, back = there_and_back(table, parts=parts)
    assert back.schema.equals(table.schema, check_metadata=True)
    assert back.to_pylist() == table.to_pylist()


@settings(deadline=None)
@given(tables())
def test_no_text_of_any_table_starts_a_formula(table: pa.Table) -> None:
    data, _ = there_and_back(table)
    text_columns = {
        index for index, field in enumerate(table.schema) if pa.types.is_string(field.type)
    }
    rows = list(csv.reader(io.StringIO(data.decode("utf-8"), newline="")))
    for number, row in enumerate(rows):
        for index, cell in enumerate(row):
            if (number == 0 or index in text_columns) and cell[:1] in set("=+-@\t\r\n"):
                assert re.fullmatch(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?", cell)


@given(TEXTS)
def test_escaping_is_undone_exactly(text: str) -> None:
    assert unescape_cell(escape_cell(text)) == text


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"])
def test_formulas_are_made_harmless(cell: str) -> None:
    assert escape_cell(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-5.2", "+1e-9", "5", "a=b", "", ".5"])
def test_numbers_and_plain_texts_stay(cell: str) -> None:
    assert escape_cell(cell) == cell


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1, max_size=4))
def test_a_whole_csv_text_is_made_harmless_and_comes_back(rows: list[list[str]]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    escaped = escape_csv_text(stream.getvalue())
    if escaped is None:
        assert all(escape_cell(cell) == cell for row in rows for cell in row)
    else:
        assert list(csv.reader(io.StringIO(unescape_text(escaped), newline=""))) == rows


def test_not_a_number_is_no_null() -> None:
    table = pa.table({"v": pa.array([float("nan"), None, float("-inf"), -0.0])})
    data, back = there_and_back(table)
    assert data == b'"v"\nnan\n\n-inf\n-0\n'
    assert str(back["v"].to_pylist()) == "[nan, None, -inf, -0.0]"


def test_categories_keep_their_order_and_those_that_are_not_used() -> None:
    frame = pd.DataFrame(
        {"kind": pd.Categorical(["b", None, "=a"], categories=["z", "b", "=a"], ordered=True)}
    )
    table = frame_to_table(frame, what="a test")
    _, back = there_and_back(table, parts=2)
    pd.testing.assert_frame_equal(table_to_frame(back), frame)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1], [2]]),
        pa.array([b"a", b"b"]),
        pa.array([{"a": 1}, {"a": 2}]),
        pa.array([1, 2]).dictionary_encode(),
        pa.array([-(2**62), 0], pa.timestamp("s")),
    ],
    ids=["lists", "bytes", "structs", "categories of numbers", "years before Christ"],
)
def test_what_csv_cannot_carry_is_refused_by_name(column: pa.Array[Any]) -> None:
    with pytest.raises(NotForCsvError, match="'v'"):
        there_and_back(pa.table({"v": column}))


def test_a_table_without_columns_is_refused() -> None:
    with pytest.raises(NotForCsvError):
        there_and_back(pa.table({}))


def test_very_long_cells() -> None:
    table = pa.table({"v": ["x" * 3_000_000, "y"], "w": [1, 2]})
    _, back = there_and_back(table)
    assert back.equals(table)


def test_a_file_that_does_not_fit_its_schema_is_an_error() -> None:
    sink = io.BytesIO()
    schema = write_csv(sink, pa.schema({"v": pa.int64()}), [pa.table({"v": [1]})])
    for data in (b'"v"\nx\n', b'"w"\n1\n', b'"v","w"\n1,2\n'):
        with pytest.raises(ValueError, match=r"."):
            read_csv(data, arrow_schema=schema.arrow_schema, categories={})
