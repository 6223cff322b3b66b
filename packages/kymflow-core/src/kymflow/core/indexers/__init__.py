"""The indexers that come with kymflow-core."""

from __future__ import annotations

from kymflow.core.indexers.artifact_table import ArtifactTable
from kymflow.core.indexers.image_summary import ImageSummary
from kymflow.core.indexers.roi_table import RoiTable
from kymflow.core.indexers.velocity import VelocityIntervalsTable, VelocityTable

__all__ = [
    "ArtifactTable",
    "ImageSummary",
    "RoiTable",
    "VelocityIntervalsTable",
    "VelocityTable",
]
