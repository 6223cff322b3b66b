"""The diameter of a vessel that crosses the line: `DIAMETER` is the analysis."""

from __future__ import annotations

from kymflow.core.analysis.diameter.analysis import DIAMETER, DiameterParams

__all__ = ["DIAMETER", "DiameterParams"]
