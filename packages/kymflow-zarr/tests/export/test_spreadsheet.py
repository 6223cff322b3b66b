"""CSV files show tables to people, and nothing in them runs."""

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
from hypothesis import given
from hypothesis import strategies as st

from kymflow_zarr._tables.from_pandas import frame_to_table
from kymflow_zarr._tables.spreadsheet import NotShownError, harmless, harmless_csv, write_csv

RISKY = set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
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
        "a\r=1+1",
        "nan",
        "NULL",
        'a"b',
        "a,b",
        " ",
    ]
)
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "text": (pa.string(), TEXTS),
    "long text": (pa.large_string(), TEXTS),
    "bytes": (pa.binary(), st.binary(max_size=5)),
    "texts": (pa.list_(pa.string()), st.lists(TEXTS, max_size=2)),
    "parts": (pa.struct([("a", pa.string())]), st.fixed_dictionaries({"a": TEXTS})),
    "int": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "unsigned": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "float": (pa.float64(), st.floats()),
    "half": (pa.float16(), st.floats(width=16).map(np.float16)),
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
    """Tables of every type, with nulls, and any column names."""
    names = draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(0, 5))
    columns = []
    for _ in names:
        kind, values = KINDS[draw(st.sampled_from(sorted(KINDS)))]
        cells = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        columns.append(pa.array(cells, kind))
    return pa.table(columns, names=names)


def shown(table: pa.Table, *, parts: int = 1) -> str:
    stream = io.BytesIO()
    step = max(1, -(-len(table) // parts))
    pieces = [table.slice(start, step) for start in range(0, len(table), step)]
    write_csv(stream, table.schema, pieces)
    return stream.getvalue().decode("utf-8")


def cells_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@given(tables(), st.integers(1, 3))
def test_no_cell_of_any_table_starts_a_formula(table: pa.Table, parts: int) -> None:
    text = shown(table, parts=parts)
    assert text == shown(table)
    for cell in (cell for row in cells_of(text) for cell in row):
        if cell[:1] in RISKY:
            assert re.fullmatch(r"[+-]?(inf|[0-9.]+([eE][+-]?[0-9]+)?)", cell)


@given(tables())
def test_texts_are_there_behind_at_most_one_apostrophe(table: pa.Table) -> None:
    header, *rows = cells_of(shown(table))
    assert [cell.removeprefix("'") for cell in header] == [
        name.removeprefix("'") if not name.startswith("''") else name[1:]
        for name in table.column_names
    ] or [harmless(name) for name in table.column_names] == header
    for at, field in enumerate(table.schema):
        if pa.types.is_string(field.type) and len(table.schema) > 1:
            texts = [None if text is None else harmless(text) for text in table[at].to_pylist()]
            assert [row[at] for row in rows] == ["" if text is None else text for text in texts]


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"])
def test_formulas_are_made_harmless(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-5.2", "+1e-9", "5", "a=b", "", ".5"])
def test_numbers_and_plain_texts_stay(cell: str) -> None:
    assert harmless(cell) == cell


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1, max_size=4))
def test_a_whole_csv_text_is_made_harmless(rows: list[list[str]]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
    text = harmless_csv(stream.getvalue().encode()).decode()
    assert cells_of(text) == [[harmless(cell) for cell in row] for row in rows]
    # A line end within a cell must not begin a row, whatever reads it.
    assert not re.search(r"(?:^|[\r\n])[=+\-@]", re.sub(r'"[^"]*"', "", text))


@pytest.mark.parametrize("data", [b"\xff\xfe", b'"a\n1', b'a"b"\n"c" d\n'])
def test_what_is_not_csv_is_not_shown(data: bytes) -> None:
    with pytest.raises(NotShownError):
        harmless_csv(data)


def test_how_values_look() -> None:
    table = pa.table(
        {
            "v": pa.array([float("nan"), None, float("-inf"), -0.0]),
            "ok": pa.array([True, False, None, None]),
            "when": pa.array([0, None, None, None], pa.timestamp("s", "Asia/Tokyo")),
            "what": pa.array(["", None, "b", "b"]).dictionary_encode(),
            "list": pa.array([["=a", None], [], None, None]),
        }
    )
    assert shown(table) == (
        '"v","ok","when","what","list"\n'
        'nan,true,1970-01-01 00:00:00Z,"","[\'=a\', None]"\n'
        ',false,,,"[]"\n'
        '-inf,,,"b",\n'
        '-0,,,"b",\n'
    )


def test_categories_are_shown_as_what_they_stand_for() -> None:
    frame = pd.DataFrame(
        {
            "kind": pd.Categorical(["b", None, "=a"], categories=["z", "b", "=a"], ordered=True),
            "level": pd.Categorical([3, 1, None]),
        }
    )
    text = shown(frame_to_table(frame, what="a test"), parts=2)
    assert text == '"kind","level"\n"b",3\n,1\n"\'=a",\n'


def test_a_table_without_columns_is_shown() -> None:
    assert shown(pa.table({})) == ""


def test_what_python_has_no_text_for_is_refused() -> None:
    table = pa.table({"v": pa.array([[-(2**62)]], pa.list_(pa.timestamp("s")))})
    with pytest.raises(NotShownError):
        shown(table)


def test_periods_and_intervals_are_shown_as_pandas_shows_them() -> None:
    frame = pd.DataFrame(
        {
            "month": pd.PeriodIndex(["2024-05", None], freq="M"),
            "bin": pd.arrays.IntervalArray.from_arrays([0.0, np.nan], [1.5, np.nan]),
        }
    )
    stream = io.BytesIO()
    table = frame_to_table(frame, what="a test")
    write_csv(stream, table.schema, [table])
    rows = list(csv.reader(io.StringIO(stream.getvalue().decode("utf-8"))))
    assert rows == [["month", "bin"], ["2024-05", "(0.0, 1.5]"], ["", ""]]
