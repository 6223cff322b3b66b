from __future__ import annotations

import enum
import gzip
import json
import math
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow_zarr._storage.json_text import (
    MAX_BYTES,
    MAX_DEPTH,
    JsonValue,
    dumps,
    gunzip_bounded,
    loads,
)
from kymflow_zarr.errors import CorruptDataError

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
    assert loads(data, key="a.json") == value
    assert json.loads(data) == value
    assert data.endswith(b"\n")


def test_text_is_raw_utf8_indented_and_in_the_order_given() -> None:
    data = dumps({"unit": "µm", "a": [1, 2.5, None, True], "empty": {}})
    assert data.decode("utf-8") == (
        '{\n  "unit": "µm",\n  "a": [\n    1,\n    2.5,\n    null,\n    true\n  ],\n'
        '  "empty": {}\n}\n'
    )


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
        loads(b'{"rois": [{"id": 1, "id": 2}]}', key="a.json")


def test_a_byte_order_mark_is_skipped() -> None:
    assert loads(b'\xef\xbb\xbf{"a": 1}', key="a.json") == {"a": 1}


def test_size_is_bounded_before_parsing() -> None:
    with pytest.raises(CorruptDataError, match="the limit is"):
        loads(b" " * (MAX_BYTES + 1), key="a.json")
    with pytest.raises(CorruptDataError, match="may hold"):
        loads(b"[" + b"[]," * 7_000_000 + b"[]]", key="a.json")
    with pytest.raises(ValueError, match="store large data as a table"):
        dumps("x" * (MAX_BYTES + 1))


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_the_one_error(data: bytes) -> None:
    try:
        value = loads(data, key="a.json")
    except CorruptDataError:
        return
    assert loads(dumps(value), key="a.json") == value


@given(st.lists(st.binary(max_size=100), min_size=1, max_size=3))
def test_gzip_members_are_joined(parts: list[bytes]) -> None:
    data = b"".join(gzip.compress(part) for part in parts)
    assert gunzip_bounded(data, key="a.json.gz", limit=300) == b"".join(parts)


def test_gzip_is_bounded_exactly() -> None:
    data = gzip.compress(b"x" * 1000)
    assert gunzip_bounded(data, key="a.json.gz", limit=1000) == b"x" * 1000
    with pytest.raises(CorruptDataError, match="more than 999 bytes"):
        gunzip_bounded(data, key="a.json.gz", limit=999)
    bomb = gzip.compress(gzip.compress(b"\0" * 10_000_000) * 3)
    assert len(gunzip_bounded(bomb, key="a.json.gz")) < 100_000


@pytest.mark.parametrize("cut", [0, 1, 9, 15, -1])
def test_damaged_gzip_is_refused(cut: int) -> None:
    data = gzip.compress(b'{"a": 1}')
    with pytest.raises(CorruptDataError):
        gunzip_bounded(data[:cut], key="a.json.gz")
    with pytest.raises(CorruptDataError):
        gunzip_bounded(data + b"junk", key="a.json.gz")
    flipped = bytearray(data)
    flipped[-6] ^= 1  # in the checksum
    with pytest.raises(CorruptDataError, match="not gzip data"):
        gunzip_bounded(bytes(flipped), key="a.json.gz")
