"""kymflow-core: what kymographs mean, on top of the storage that `kymflow_zarr` provides.

`KymDataset` keeps one traceable table per indexer over all images of a dataset. An indexer is any
object that follows the protocol `BaseIndexer`. `plot_kymograph` shows an image; matplotlib is
imported only then. `kymflow.core.indexers` has those that come along,
`kymflow.core.analysis` what computes from pixels, `kymflow.core.metadata` typed metadata and
regions of interest, `kymflow.core.testing` a check for indexers of your own. What can go wrong is
in `kymflow.core.errors`.
"""

from __future__ import annotations

from kymflow.core.errors import KymflowCoreError
from kymflow.core.kym_dataset import (
    BaseIndexer,
    DependentIndexer,
    DocumentedIndexer,
    IndexUpdate,
    KymDataset,
    RegionIndexer,
    RegionRows,
    TypedIndexer,
    run_order,
)
from kymflow.core.plotting import plot_kymograph
from kymflow.core.provenance import params_hash

__all__ = [
    "BaseIndexer",
    "DependentIndexer",
    "DocumentedIndexer",
    "IndexUpdate",
    "KymDataset",
    "KymflowCoreError",
    "RegionIndexer",
    "RegionRows",
    "TypedIndexer",
    "params_hash",
    "plot_kymograph",
    "run_order",
]
