"""Flow velocity from line-scan kymographs.

`VELOCITY` is the analysis. It consists of pure functions on arrays: `estimate_velocity` turns
pixels into velocity over time with the evidence for it, `find_intervals` finds stalls and times
without evidence in that, `summarize` turns both into a few numbers. `duration_survival` says
how long stalls of many recordings last.
"""

from __future__ import annotations

from kymflow.core.analysis.velocity.analysis import VELOCITY, VelocityParams
from kymflow.core.analysis.velocity.durations import DurationSurvival, duration_survival
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
    "VELOCITY",
    "Direction",
    "DurationSurvival",
    "FlowInterval",
    "FlowIntervals",
    "IntervalKind",
    "Method",
    "StallRule",
    "VelocityParams",
    "VelocityResult",
    "VelocitySummary",
    "WindowStatus",
    "duration_survival",
    "estimate_velocity",
    "find_intervals",
    "summarize",
]
