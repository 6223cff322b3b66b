"""For authors of indexers and analyses: does mine keep every rule?

One test is enough::

    def test_my_analysis(tmp_path):
        dataset = sample_dataset(tmp_path / "sample.zarr")
        assert check_analysis(BRIGHTNESS, dataset) == []
        assert check_indexer(MyIndexer(), dataset) == []

`sample_dataset` has images of several kinds; if an indexer needs artifacts, write them to its
records first, or give your own dataset.
"""

from __future__ import annotations

from kymflow.core.testing._analyses import (
    AnalysisProblem,
    AnalysisRule,
    check_analysis,
    compute_result,
)
from kymflow.core.testing._indexers import IndexerProblem, Rule, check_indexer
from kymflow.core.testing._recordings import (
    CellRecording,
    VesselRecording,
    simulate_cells,
    simulate_vessel,
)
from kymflow.core.testing._samples import sample_dataset

__all__ = [
    "AnalysisProblem",
    "AnalysisRule",
    "CellRecording",
    "IndexerProblem",
    "Rule",
    "VesselRecording",
    "check_analysis",
    "check_indexer",
    "compute_result",
    "sample_dataset",
    "simulate_cells",
    "simulate_vessel",
]
