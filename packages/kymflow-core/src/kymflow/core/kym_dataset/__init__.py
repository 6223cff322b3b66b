"""Tables over all images of a dataset: one per indexer, every row traceable."""

from __future__ import annotations

from kymflow.core.kym_dataset.indexer_base import (
    BaseIndexer,
    DependentIndexer,
    DocumentedIndexer,
    ExcludedImageIndexer,
    RegionIndexer,
    RegionRows,
    TypedIndexer,
)
from kymflow.core.kym_dataset.kym_dataset import KymDataset
from kymflow.core.kym_dataset.order import run_order
from kymflow.core.kym_dataset.results import IndexUpdate
from kymflow.core.kym_dataset.view import ImageNames

__all__ = [
    "BaseIndexer",
    "DependentIndexer",
    "DocumentedIndexer",
    "ExcludedImageIndexer",
    "ImageNames",
    "IndexUpdate",
    "KymDataset",
    "RegionIndexer",
    "RegionRows",
    "TypedIndexer",
    "run_order",
]
