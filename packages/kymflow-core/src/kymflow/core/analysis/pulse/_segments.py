"""The heart rate of each segment of a recording on its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from kymflow.core.analysis.pulse._params import PulseParams
from kymflow.core.analysis.pulse._spectrum import Series, find_peak

LEAST_WINDOWS = 50
"""With fewer velocities no rate is looked for."""


def segment_rates(rest: Series, params: PulseParams) -> dict[str, ArrayLike]:
    """The rate of each segment of a series without trend on its own; NaN where it is unknown."""
    low, high = params.band_hz()
    found: list[tuple[float, float, float, float, float, float]] = []
    count = max(1, round(rest.time_s.size * rest.step_s / params.segment_s))
    for start in float(rest.time_s[0]) + params.segment_s * np.arange(count):
        stop = start + params.segment_s
        part = rest.between(start, stop)
        if part.known.sum() < LEAST_WINDOWS or part.duration_s < params.least_beats / low:
            found.append((start, stop, np.nan, np.nan, np.nan, np.nan))
            continue
        peak = find_peak(part, (low, high), params.segment_s)
        if peak.false_alarm > params.false_alarm:
            found.append((start, stop, np.nan, np.nan, np.nan, peak.false_alarm))
            continue
        # The Cramér-Rao bound of a sine's frequency, in terms of its power over the noise.
        half = 1.96 * np.sqrt(1.5 / peak.ratio) / (np.pi * part.duration_s)
        rate = peak.rate_hz
        found.append((start, stop, rate, rate - half, rate + half, peak.false_alarm))
    columns = np.array(found).T
    names = ("start_s", "stop_s", "rate_hz", "rate_low_hz", "rate_high_hz", "false_alarm")
    return {
        **dict(zip(names, columns, strict=True)),
        "rate_per_min": 60.0 * columns[2],
        "status": np.where(np.isnan(columns[2]), "unknown", "ok"),
    }
