"""Equal meaning gives an equal hash, other meaning another, and what JSON lacks is refused."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow.core.errors import ParamsValueError
from kymflow.core.provenance import canonical_json, params_hash

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53) + 1, 2**53 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXT,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)
DOCUMENTS = st.dictionaries(TEXT, VALUES, max_size=5)


@given(DOCUMENTS)
def test_the_order_of_keys_does_not_count(document: Mapping[str, object]) -> None:
    assert params_hash(dict(reversed(list(document.items())))) == params_hash(document)


@given(DOCUMENTS)
def test_a_document_that_was_written_and_read_has_the_same_hash(
    document: Mapping[str, object],
) -> None:
    assert params_hash(json.loads(json.dumps(document))) == params_hash(document)


@given(DOCUMENTS)
def test_canonical_json_is_json_and_its_own_canonical_form(document: Mapping[str, object]) -> None:
    text = canonical_json(document)

    # Every number of JSON is a double.
    assert canonical_json(json.loads(text, parse_int=float)) == text
    assert params_hash(document) == hashlib.sha256(text).hexdigest()


@given(DOCUMENTS, DOCUMENTS)
def test_another_meaning_has_another_hash(one: dict[str, object], other: dict[str, object]) -> None:
    assert (params_hash(one) == params_hash(other)) == (
        canonical_json(one) == canonical_json(other)
    )


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_whole_numbers_and_floats_agree(number: int) -> None:
    assert params_hash({"w": number}) == params_hash({"w": float(number)})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"w": 1}, {"w": 1.0}),
        ({"w": 0.0}, {"w": -0.0}),
        ({"w": (1, 2)}, {"w": [1, 2]}),
        ({"w": np.float64(1.5)}, {"w": 1.5}),
        ({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1}),
    ],
)
def test_equal_meaning(one: Mapping[str, object], other: Mapping[str, object]) -> None:
    assert params_hash(one) == params_hash(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"w": 1}, {"w": True}),
        ({"w": 1}, {"w": "1"}),
        ({"w": None}, {}),
        ({"w": []}, {"w": {}}),
        ({"w": [1, 2]}, {"w": [2, 1]}),
        ({"w": "é"}, {"w": "e\u0301"}),
    ],
)
def test_other_meaning(one: Mapping[str, object], other: Mapping[str, object]) -> None:
    assert params_hash(one) != params_hash(other)


def test_known_value() -> None:
    # SHA-256 of the bytes {"step":4,"window":16}
    assert params_hash({"window": 16, "step": 4.0}) == (
        hashlib.sha256(b'{"step":4,"window":16}').hexdigest()
    )


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"w": math.nan}, "$.w"),
        ({"a": [1, {"b": math.inf}]}, "$.a[1].b"),
        ({"w": 2**53}, "$.w"),
        ({"w": np.int64(3)}, "$.w"),
        ({"w": np.arange(3)}, "$.w"),
        ({"w": {1, 2}}, "$.w"),
        ({"w": b"x"}, "$.w"),
        ({"w": datetime(2024, 5, 1, tzinfo=UTC)}, "$.w"),
        ({"w": {1: "a"}}, "$.w"),
        ({"w": "\ud800"}, "$.w"),
        ({"\ud800": 1}, "$"),
        ([1], "$"),
    ],
)
def test_what_json_does_not_have_is_refused(document: Mapping[str, object], path: str) -> None:
    with pytest.raises(ParamsValueError, match="parameters cannot be hashed") as caught:
        params_hash(document)

    assert caught.value.path == path
    assert isinstance(caught.value, ValueError)
