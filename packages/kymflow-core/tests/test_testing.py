"""The check for authors of indexers finds each broken rule, and passes what keeps them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from kymflow.core import params_hash
from kymflow.core.analysis import Analysis, Column, Result
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.errors import InvalidKymographError
from kymflow.core.plugins import load_indexers
from kymflow.core.testing import check_analysis, check_indexer, sample_dataset
from kymflow_zarr import JsonValue, ZarrDataset, ZarrImageRecord


class Sound:
    """Keeps every rule; each class below breaks one."""

    name = "sound"

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        return pd.DataFrame({"ndim": [len(rec.shape)]})

    def params(self, rec: ZarrImageRecord) -> dict[str, JsonValue]:
        return {"pixels": rec.pixels_digest}

    def params_hash(self, rec: ZarrImageRecord) -> str:
        return params_hash(self.params(rec))

    def analysis_version(self) -> str:
        return "1"


class BadName(Sound):
    name = "Sound!"


class NoVersion(Sound):
    def analysis_version(self) -> str:
        return ""


class NewVersion(Sound):
    numbers = itertools.count()

    def analysis_version(self) -> str:
        return str(next(self.numbers))


class VersionRaises(Sound):
    def analysis_version(self) -> str:
        raise RuntimeError("not built")


class ColumnsRaise(Sound):
    def columns(self) -> pa.Schema:
        raise RuntimeError("not known")


class ColumnsOfNumbers(Sound):
    def columns(self) -> pa.Schema:
        return pa.schema({"image_id": pa.int64()})


class NoSchema(Sound):
    def columns(self) -> list[str]:
        return ["ndim"]


class Fails(Sound):
    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        return pd.DataFrame({"v": [1 / (len(rec.shape) - 3)]})


class Writes(Sound):
    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        rec.save_json("cache", 1)
        return pd.DataFrame()


class BadRows(Sound):
    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:  # noqa: ARG002
        return pd.DataFrame({"image_id": ["x"]})


class BadTypes(Sound):
    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        return pd.DataFrame({"v": [1 if rec.dtype.kind == "f" else "one"]})


class Random(Sound):
    numbers = itertools.count()

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:  # noqa: ARG002
        return pd.DataFrame({"v": [next(self.numbers)]})


class OtherHash(Sound):
    def params_hash(self, rec: ZarrImageRecord) -> str:
        return f"v1-{rec.image_id}"


class NoDocument(Sound):
    def params(self, rec: ZarrImageRecord) -> dict[str, JsonValue]:  # noqa: ARG002
        return {"something": "else"}

    def params_hash(self, rec: ZarrImageRecord) -> str:
        return params_hash({"pixels": rec.pixels_digest})


class NotPicklable(Sound):
    def __init__(self) -> None:
        self.lock = threading.Lock()


class Forgets(Sound):
    def __init__(self, scale: int = 1) -> None:
        self.scale = scale

    def __reduce__(self) -> tuple[type[Forgets], tuple[()]]:
        return Forgets, ()

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:  # noqa: ARG002
        return pd.DataFrame({"v": [self.scale]})


@pytest.fixture
def sample(tmp_path: Path) -> ZarrDataset:
    return sample_dataset(tmp_path / "sample.zarr")


def test_what_keeps_every_rule_passes(sample: ZarrDataset) -> None:
    assert check_indexer(Sound(), sample) == []
    assert sample.list_table_names() == []


def test_those_that_come_along_pass(sample: ZarrDataset) -> None:
    for name, indexer in load_indexers().items():
        assert check_indexer(indexer, sample) == [], name


@pytest.mark.parametrize(
    ("make", "rule", "images", "message"),
    [
        (object, "protocol", 1, "it is not an indexer"),
        (BadName, "name", 1, "a name must match"),
        (NoVersion, "version", 1, "return text that is not empty"),
        (NewVersion, "version", 1, "changes from call to call"),
        (VersionRaises, "version", 1, "failed before the first image: RuntimeError: not built"),
        (ColumnsRaise, "types", 1, "failed before the first image: RuntimeError: not known"),
        (ColumnsOfNumbers, "types", 1, "column 'image_id'"),
        (NoSchema, "types", 1, r"columns() returned a list; return a pyarrow.Schema"),
        (Fails, "rows", 1, "ZeroDivisionError"),
        (Writes, "rows", 4, "ReadOnlyError"),
        (BadRows, "rows", 4, "column 'image_id'"),
        (BadTypes, "types", None, "to rebuild"),
        (Random, "repeatable", 4, "other rows"),
        (OtherHash, "params", 4, "is not a SHA-256"),
        (NoDocument, "params", 4, "no document with this hash"),
        (NotPicklable, "pickle", 1, "cannot be sent to another process"),
        (lambda: Forgets(scale=2), "pickle", 4, "a copy of it says something else"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
def test_each_broken_rule_is_found(
    sample: ZarrDataset, make: Callable[[], object], rule: str, images: int | None, message: str
) -> None:
    problems = [p for p in check_indexer(make(), sample) if p.rule == rule]

    assert problems
    assert images is None or len(problems) == images
    assert all(message in problem.message for problem in problems)


def test_a_class_is_not_an_indexer(sample: ZarrDataset) -> None:
    (problem,) = check_indexer(Sound, sample)
    assert problem.rule == "protocol"


@dataclass(frozen=True)
class Nothing:
    """No parameters."""


def measure(pixels: Any, *_: object) -> Result:
    """Mean brightness."""
    return Result(summary={"mean": pixels.mean()})


def darken(pixels: Any, *_: object) -> Result:
    """Writes to the pixels."""
    pixels[0] = 0
    return Result(summary={"mean": 0.0})


def other_columns(*_: object) -> Result:
    """Returns something else than it declares."""
    return Result(summary={"median": 0.0})


def refuses(*_: object) -> Result:
    """Cannot make sense of any pixels."""
    raise InvalidKymographError("it is too dark; use more light")


_calls = itertools.count()


def drifts(*_: object) -> Result:
    """Returns something else each time."""
    return Result(summary={"mean": float(next(_calls))})


MEAN = Analysis(
    name="mean",
    version="1",
    params=Nothing,
    run=measure,
    summary=(Column("mean", float, "mean", "counts"),),
)


def test_an_analysis_that_keeps_every_rule_passes(sample: ZarrDataset) -> None:
    assert check_analysis(MEAN, sample) == []
    assert sample.list_table_names() == []


def test_velocity_passes(sample: ZarrDataset) -> None:
    assert check_analysis(VELOCITY, sample) == []


@pytest.mark.parametrize(
    ("make", "rule", "count", "message"),
    [
        (object, "definition", 1, "it is not an Analysis"),
        (lambda: replace(MEAN, run=darken), "run", 6, "assignment destination is read-only"),
        (lambda: replace(MEAN, run=other_columns), "result", 6, "those declared: ['mean']"),
        (lambda: replace(MEAN, run=refuses), "run", 1, "no region could be analyzed"),
        (lambda: replace(MEAN, run=drifts), "repeatable", 6, "run again"),
        (lambda: replace(MEAN, run=lambda p, *_: measure(p)), "pickle", 1, "cannot be pickled"),
        (lambda: replace(MEAN, run=lambda p, *_: measure(p)), "definition", 1, "no docstring"),
    ],
)
def test_each_rule_that_an_analysis_breaks_is_found(
    sample: ZarrDataset, make: Callable[[], object], rule: str, count: int, message: str
) -> None:
    problems = [problem for problem in check_analysis(make(), sample) if problem.rule == rule]
    assert len(problems) == count
    assert all(message in problem.message for problem in problems)
