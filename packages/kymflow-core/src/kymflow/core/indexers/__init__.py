"""The indexers that come with kymflow-core."""

from __future__ import annotations

from kymflow.core.indexers.artifact_table import ArtifactTable
from kymflow.core.indexers.image_summary import ImageSummary
from kymflow.core.indexers.roi_table import RoiTable

__all__ = ["ArtifactTable", "ImageSummary", "RoiTable"]
