"""The indexers that come with kymflow-core."""

from __future__ import annotations

from kymflow.core.indexers.image_summary import ImageSummary

__all__ = ["ImageSummary"]
