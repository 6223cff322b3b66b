"""An indexer of a study: how bright the first and the last line of each kymograph are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kymflow.core import BaseIndexer, KymDataset, params_hash
from kymflow_zarr import ZarrDataset, ZarrImageRecord

if TYPE_CHECKING:
    from pathlib import Path


class EdgeBrightness:
    """Two rows per kymograph."""

    name = "edge_brightness"

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """The mean of the first and of the last line."""
        pixels = rec.load_array()
        means = [float(pixels[line].mean()) for line in (0, -1)]
        return pd.DataFrame({"line": ["first", "last"], "mean": means})

    def params_hash(self, rec: ZarrImageRecord) -> str:
        """Nothing decides but the pixels."""
        return params_hash({"pixels": rec.pixels_digest})

    def analysis_version(self) -> str:
        """Of this study."""
        return "1.0"


def tabulate(path: Path) -> int:
    """Update the table of a dataset; returns how many rows it has."""
    indexer: BaseIndexer = EdgeBrightness()
    return KymDataset(ZarrDataset(path)).update_index(indexer).rows
