"""The step of a list of times, where they are evenly spaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

_STEADY: Final = 0.01  # by how much the mean step may differ from the median one
_JITTER: Final = 0.1
_MOST: Final = 0.9  # of all steps


def steady_step(times: Sequence[float], numbers: Sequence[int] | None = None) -> float | None:
    """The median step of two or more times that are in order and steady; else None.

    Steady are times whose mean step differs from the median one by at most 1 %, so that there is no
    pause, and of whose steps 90 % differ from it by at most 10 %. Where some times are missing,
    `numbers` says which are there, ascending.
    """
    if len(times) < 2:
        return None
    steps = np.diff(times) / (1 if numbers is None else np.diff(numbers))
    median = float(np.median(steps))
    off = np.abs(steps - median)
    if not (np.isfinite(steps).all() and median > 0):
        return None
    if abs(float(np.mean(steps)) - median) > _STEADY * median:
        return None
    return float(f"{median:.9g}") if float(np.mean(off <= _JITTER * median)) >= _MOST else None
