"""Tables over all images of a dataset: one per indexer, every row traceable."""

from __future__ import annotations

from kymflow.core.kym_dataset.indexer_base import (
    BaseIndexer,
    DeclaresColumns,
    DocumentsParams,
    HashesRows,
)
from kymflow.core.kym_dataset.kym_dataset import KymDataset
from kymflow.core.kym_dataset.results import IndexUpdate

__all__ = [
    "BaseIndexer",
    "DeclaresColumns",
    "DocumentsParams",
    "HashesRows",
    "IndexUpdate",
    "KymDataset",
]
