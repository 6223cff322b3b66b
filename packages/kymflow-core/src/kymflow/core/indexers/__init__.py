"""The indexers that come with kymflow-core."""

from __future__ import annotations

from kymflow.core.indexers.analysis_table import AnalysisTable, analysis_tables
from kymflow.core.indexers.artifact_table import ArtifactTable
from kymflow.core.indexers.image_summary import ImageSummary
from kymflow.core.indexers.image_table import ImageTable
from kymflow.core.indexers.roi_table import RoiTable

__all__ = [
    "AnalysisTable",
    "ArtifactTable",
    "ImageSummary",
    "ImageTable",
    "RoiTable",
    "analysis_tables",
]
