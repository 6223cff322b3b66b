"""Flow velocity from line-scan kymographs: pure functions on arrays, no storage.

`estimate_velocity` turns pixels into velocity over time with the evidence for it, `find_intervals`
finds stalls and times without evidence in that, `summarize` turns both into a few numbers.
"""

from __future__ import annotations

from kymflow.core.analysis.velocity.estimate import estimate_velocity
from kymflow.core.analysis.velocity.intervals import (
    FlowInterval,
    FlowIntervals,
    IntervalKind,
    StallRule,
    find_intervals,
)
from kymflow.core.analysis.velocity.result import Method, VelocityResult, WindowStatus
from kymflow.core.analysis.velocity.summary import Direction, VelocitySummary, summarize

__all__ = [
    "Direction",
    "FlowInterval",
    "FlowIntervals",
    "IntervalKind",
    "Method",
    "StallRule",
    "VelocityResult",
    "VelocitySummary",
    "WindowStatus",
    "estimate_velocity",
    "find_intervals",
    "summarize",
]
