"""kymflow-core: what kymographs mean, on top of the storage that `kymflow_zarr` provides.

`KymDataset` runs analyses on the images of a dataset, and keeps one traceable table per indexer. An
indexer is any object that follows the protocol `BaseIndexer`. `read_decisions` says what people
decided on an image, `undo` takes the latest decision back, `import_metadata` says what the
experiment was. `plot_kymograph` shows an image, `plot_velocity` and
`plot_result` what was found in it, `to_xarray` makes a labelled array of it; what they need is
imported only then.

`kymflow.core.indexers` has the built-in indexers, `kymflow.core.analysis` what computes from
pixels, `kymflow.core.decisions` what there is to decide, `kymflow.core.metadata` typed metadata,
`kymflow.core.testing` a check for your own indexers. What can go wrong is in
`kymflow.core.errors`.
"""

from __future__ import annotations

from kymflow.core.decisions import Decisions, import_metadata, read_decisions, undo
from kymflow.core.errors import KymflowCoreError
from kymflow.core.kym_dataset import (
    BaseIndexer,
    DependentIndexer,
    DocumentedIndexer,
    ExcludedImageIndexer,
    ImageNames,
    IndexUpdate,
    KymDataset,
    RegionIndexer,
    RegionRows,
    TypedIndexer,
    run_order,
)
from kymflow.core.labelled_arrays import to_xarray
from kymflow.core.plotting import plot_kymograph
from kymflow.core.provenance import params_hash
from kymflow.core.result_plot import plot_result
from kymflow.core.velocity_plot import plot_velocity

__all__ = [
    "BaseIndexer",
    "Decisions",
    "DependentIndexer",
    "DocumentedIndexer",
    "ExcludedImageIndexer",
    "ImageNames",
    "IndexUpdate",
    "KymDataset",
    "KymflowCoreError",
    "RegionIndexer",
    "RegionRows",
    "TypedIndexer",
    "import_metadata",
    "params_hash",
    "plot_kymograph",
    "plot_result",
    "plot_velocity",
    "read_decisions",
    "run_order",
    "to_xarray",
    "undo",
]
