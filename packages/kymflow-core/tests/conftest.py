"""A small dataset in memory, and indexers made to measure."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import hypothesis
import numpy as np
import pandas as pd
import pytest
from zarr.storage import MemoryStore

from kymflow.core import BaseIndexer, params_hash
from kymflow_zarr import ZarrDataset, ZarrImageRecord

# How long an example takes says more of the machine than of the code.
_EXAMPLES = int(os.environ.get("KYMFLOW_EXAMPLES", "40"))
hypothesis.settings.register_profile(
    "kymflow",
    deadline=None,
    max_examples=_EXAMPLES,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("kymflow")


@dataclass(kw_only=True)
class RowsIndexer:
    """Says of each image what a test tells it to say."""

    rows_of: Callable[[ZarrImageRecord], pd.DataFrame]
    name: str = "probe"
    params: Mapping[str, object] = field(default_factory=lambda: {"window": 16})
    version: str = "1"

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        return self.rows_of(rec)

    def params_hash(self, rec: ZarrImageRecord) -> str:
        return params_hash({**self.params, "pixels": rec.pixels_digest})

    def analysis_version(self) -> str:
        return self.version


@pytest.fixture
def empty() -> ZarrDataset:
    return ZarrDataset(MemoryStore())


@pytest.fixture
def add_images() -> Callable[[ZarrDataset, int], list[str]]:
    def add(dataset: ZarrDataset, count: int) -> list[str]:
        rng = np.random.default_rng(count)
        made = []
        for _ in range(count):
            pixels = rng.integers(0, 4096, size=(40, 12)).astype(np.uint16)
            made.append(dataset.add_image(pixels, axes=("t", "x")).image_id)
        return sorted(made)

    return add


@pytest.fixture
def dataset(empty: ZarrDataset, add_images: Callable[[ZarrDataset, int], list[str]]) -> ZarrDataset:
    add_images(empty, 3)
    return empty


@pytest.fixture
def make_indexer() -> Callable[..., BaseIndexer]:
    """``make_indexer(rows_of, name=…, params=…, version=…)``."""

    def make(rows_of: Callable[[ZarrImageRecord], pd.DataFrame], **fields: object) -> BaseIndexer:
        return RowsIndexer(rows_of=rows_of, **fields)  # type: ignore[arg-type]

    return make
