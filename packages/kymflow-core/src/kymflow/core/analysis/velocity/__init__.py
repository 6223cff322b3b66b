"""Flow velocity from line-scan kymographs: pure functions on arrays, no storage."""

from __future__ import annotations

from kymflow.core.analysis.velocity.estimate import estimate_velocity
from kymflow.core.analysis.velocity.result import Method, VelocityResult, WindowStatus

__all__ = ["Method", "VelocityResult", "WindowStatus", "estimate_velocity"]
