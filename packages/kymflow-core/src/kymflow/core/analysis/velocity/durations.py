"""How long stalls last, when some are cut off by the end of a recording.

Leaving out those that are cut off would leave out the long ones. The estimate of Kaplan and Meier
counts each for as long as it was seen: the share of stalls that last longer than ``t`` is::

    S(t) = prod over t_i <= t of (1 - d_i / n_i)

with ``d_i`` stalls that end after ``t_i`` and ``n_i`` that last at least as long. Its variance is
Greenwood's, ``S² sum d_i / (n_i (n_i - d_i))``. Sources: E. L. Kaplan, P. Meier, "Nonparametric
estimation from incomplete observations", J. Am. Stat. Assoc. 53 (1958); M. Greenwood, "The natural
duration of cancer", Reports on Public Health 33 (1926).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow.core.errors import AnalysisParameterError


@dataclass(frozen=True, slots=True, kw_only=True)
class DurationSurvival:
    """The share of stalls that last longer than each duration at which one was seen to end.

    Attributes:
        duration_s: Durations, ascending, float64 ``(ends,)``.
        share: Share that lasts longer, float64 ``(ends,)``.
        standard_error: Of the share, float64 ``(ends,)``.
        median_s: The shortest duration that at most half of them outlast; None if more than half
            outlast all that was seen.
        n: Number of stalls.
        n_censored: How many of them were cut off.
    """

    duration_s: NDArray[np.float64]
    share: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    median_s: float | None
    n: int
    n_censored: int


def duration_survival(duration_s: ArrayLike, censored: ArrayLike) -> DurationSurvival:
    """Return the Kaplan-Meier estimate of how long stalls last.

    Args:
        duration_s: Duration of each, such as the column ``duration_s`` of the table of intervals,
            of one kind, ``(stalls,)``.
        censored: Which were cut off, such as its column ``censored``, ``(stalls,)``.

    Raises:
        AnalysisParameterError: The two are not of the same length, or a duration is negative or no
            finite number.
    """
    duration = np.asarray(duration_s, dtype=np.float64)
    cut_off = np.asarray(censored, dtype=bool)
    if duration.ndim != 1 or duration.shape != cut_off.shape:
        raise AnalysisParameterError("censored", cut_off.shape, "one value for each duration")
    if not (np.isfinite(duration) & (duration >= 0.0)).all():
        raise AnalysisParameterError("duration_s", duration, "finite durations of 0 s or more")
    end, ended = np.unique(duration[~cut_off], return_counts=True)
    at_least = duration.size - np.searchsorted(np.sort(duration), end)
    share: NDArray[np.float64] = np.cumprod(1.0 - ended / at_least, dtype=np.float64)
    left = at_least * (at_least - ended)
    risk = np.divide(ended, left, out=np.zeros(end.size), where=left > 0)
    (outlasted,) = np.nonzero(share <= 0.5)
    return DurationSurvival(
        duration_s=end,
        share=share,
        standard_error=share * np.sqrt(np.cumsum(risk)),
        median_s=float(end[outlasted[0]]) if outlasted.size else None,
        n=duration.size,
        n_censored=int(cut_off.sum()),
    )
