from __future__ import annotations

import enum
import json
import math
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow_zarr._storage import json_text
from kymflow_zarr._storage.json_text import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_VALUES,
    JsonValue,
    dumps,
    loads,
)
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(json_values)
def test_what_is_written_is_read_back_and_is_standard_json(value: JsonValue) -> None:
    data = dumps(value)
    assert repr(loads(data, key="a.json")) == repr(value)  # 1 is not 1.0, nor 0.0 the same as -0.0
    assert json.loads(data) == value
    assert data.endswith(b"\n")


def test_text_is_raw_utf8_indented_and_in_the_order_given() -> None:
    data = dumps({"unit": "µm", "a": [1, 2.5, None, True], "empty": {}})
    assert data.decode("utf-8") == (
        '{\n  "unit": "µm",\n  "a": [\n    1,\n    2.5,\n    null,\n    true\n  ],\n'
        '  "empty": {}\n}\n'
    )


def test_integers_of_more_than_64_bits_change_nothing_about_the_rest() -> None:
    large = 10**30
    value: JsonValue = {"unit": "µm", "a": [1, large], "empty": {}}
    plain: JsonValue = {"unit": "µm", "a": [1, 3], "empty": {}}
    assert dumps(value).replace(b"%d" % large, b"3") == dumps(plain)
    assert dumps(value, indent=False).count(b"\n") == 1


def test_tuples_are_written_as_arrays() -> None:
    value = cast("JsonValue", {"shape": (3, 4)})
    assert loads(dumps(value), key="a.json") == {"shape": [3, 4]}


class Level(enum.IntEnum):
    LOW = 1


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"rois": [{"id": 1}, {"id": np.int64(2)}]}, "$.rois[1].id"),
        ({"v": np.float64(1.5)}, "$.v"),  # a subclass of float
        ([np.bool_(True)], "$[0]"),
        ({"v": Level.LOW}, "$.v"),
        ({"v": {1, 2}}, "$.v"),
        ({"v": b"bytes"}, "$.v"),
        ({"a": {1: "integer key"}}, "$.a"),
    ],
)
def test_other_types_are_refused_where_they_stand(value: object, place: str) -> None:
    with pytest.raises(TypeError) as caught:
        dumps(cast("JsonValue", value))
    assert str(caught.value).startswith(f"{place} ")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match=r"^\$\.fit\.r2 is "):
        dumps({"fit": {"r2": number}})


def test_half_a_surrogate_pair_is_refused_both_ways() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        dumps({"note": "\ud800"})
    with pytest.raises(ValueError, match="surrogate"):
        dumps({"\udfff": 1})
    with pytest.raises(CorruptDataError, match="surrogate"):
        loads(b'{"note": "\\ud800"}', key="a.json")


def nested(depth: int) -> JsonValue:
    value: JsonValue = 1
    for _ in range(depth):
        value = [value]
    return value


def test_depth_is_bounded_both_ways() -> None:
    assert loads(dumps(nested(MAX_DEPTH)), key="a.json") == nested(MAX_DEPTH)
    with pytest.raises(ValueError, match="deeper than 64"):
        dumps(nested(MAX_DEPTH + 1))
    with pytest.raises(CorruptDataError, match="deeper than 64"):
        loads(json.dumps(nested(MAX_DEPTH + 1)).encode(), key="a.json")
    with pytest.raises(CorruptDataError, match="deeper than 64"):
        loads(b"[" * 5_000_000 + b"]" * 5_000_000, key="a.json")


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[JsonValue] = []
    value.append(value)
    with pytest.raises(ValueError, match="deeper"):
        dumps(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1} trailing',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": 1, "b": 2, "a": 3}',
        b'{"a": "\xff"}',
        b"\xff\xfe{\x00}\x00",
        b'{"a": ' + b"1" * 5000 + b"}",
    ],
)
def test_what_is_not_strict_json_is_refused_by_key(data: bytes) -> None:
    with pytest.raises(CorruptDataError) as caught:
        loads(data, key="images/1/analysis/fit.json")
    assert caught.value.key == "images/1/analysis/fit.json"
    assert "images/1/analysis/fit.json" in str(caught.value)


def test_a_duplicate_key_is_named() -> None:
    with pytest.raises(CorruptDataError, match="'id' occurs twice"):
        loads(b'{"rois": [{"name": 0, "id": 1, "id": 2}]}', key="a.json")


def test_a_byte_order_mark_is_skipped() -> None:
    assert loads(b'\xef\xbb\xbf{"a": 1}', key="a.json") == {"a": 1}


def test_size_is_bounded_before_parsing() -> None:
    with pytest.raises(CorruptDataError, match="the limit is"):
        loads(b" " * (MAX_BYTES + 1), key="a.json")
    with pytest.raises(CorruptDataError, match="holds 7000002 values"):
        loads(b"[" + b"[]," * 7_000_000 + b"[]]", key="a.json")
    with pytest.raises(ValueError, match="store large data as a table"):
        dumps("x" * (MAX_BYTES + 1))


def test_values_are_counted_and_not_the_commas_of_a_text() -> None:
    text = ",[{" * 3_000_000
    assert loads(dumps([text]), key="a.json") == [text]
    with pytest.raises(ValueError, match="store large data as a table"):
        dumps([None] * MAX_VALUES)
    with pytest.raises(CorruptDataError, match=f"the limit is {MAX_VALUES}"):
        loads(b"[0" + b",0" * (MAX_VALUES - 1) + b"]", key="a.json")


def count(value: JsonValue) -> int:
    if isinstance(value, list):
        return 1 + sum(map(count, value))
    return 1 + sum(map(count, value.values())) if isinstance(value, dict) else 1


@given(json_values, st.sampled_from([None, 2]))
def test_both_ways_count_the_same(value: JsonValue, indent: int | None) -> None:
    """The same document is at the limit for both, or beyond it for both."""
    data = json.dumps(value, indent=indent).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "MAX_VALUES", count(value))
        dumps(value)
        loads(data, key="a.json")
        patch.setattr(json_text, "MAX_VALUES", count(value) - 1)
        with pytest.raises(SchemaValidationError):
            dumps(value)
        with pytest.raises(CorruptDataError):
            loads(data, key="a.json")


def test_a_text_that_nothing_ends_is_refused_at_once() -> None:
    for data in (b'"\\' * 1_000_000, b'["\\"' * 1_000_000, b"[" + b" " * 1_000_000):
        with pytest.raises(CorruptDataError):
            loads(data + b"," * MAX_VALUES, key="a.json")


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_the_one_error(data: bytes) -> None:
    try:
        value = loads(data, key="a.json")
    except CorruptDataError:
        return
    assert loads(dumps(value), key="a.json") == value
