"""Volume flow and wall shear rate from velocity and diameter: `FLOW` is the analysis."""

from __future__ import annotations

from kymflow.core.analysis.flow.analysis import FLOW, FlowParams

__all__ = ["FLOW", "FlowParams"]
