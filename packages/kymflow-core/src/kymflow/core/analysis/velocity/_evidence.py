"""How much R²adj is evidence.

R²adj of one candidate is about 0 on average for pure noise, but the best of many candidates is
above. It was measured on white noise for lines of 5 to 128 pixels and windows of 8 to 64 lines
(docs/velocity.md): 99 % of windows stay below ``3.3 / sqrt(n)``, where ``n`` is the number of
independent pixels in a window after the [1 2 1]/4 filter (0.375 w N and a little for the edges).
Wide windows would pass with next to no motion by that measure, so there is a floor too.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._plan import REFINEMENT, RIVALS_APART, ShearPlan

#: At most 2 % of windows of pure noise pass; 1 % in most geometries, less when tracked.
_NOISE_LEVEL = 3.4
#: A velocity that explains less than a fifth of what varies is not taken for the flow.
_FLOOR = 0.2
#: With more pixels than this at the brightest value, what is left of a texture misleads.
MOST_SATURATED = 0.6
#: A rival this likely, relative to the chosen velocity, over so many windows on either side.
_RIVALRY = 0.65
_RIVALRY_REACH = 8
#: The windows on either side that share lines.
_EXCURSION_REACH = 4
#: Windows hold nothing but noise that vary by up to this much more than noise does, if those with
#: a texture vary by so much more.
_AS_QUIET, _TEXTURED = 1.5, 2.0


def noise_threshold(plan: ShearPlan) -> float:
    """Return the R²adj below which a window is ``"unknown"``: ``max(0.2, 3.4 / sqrt(n))``."""
    return max(_FLOOR, _NOISE_LEVEL / math.sqrt(plan.degrees))


def is_ambiguous(rivalry: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where another velocity is about as likely, bool ``(windows,)``.

    In one window a rival may come close by chance. Where cells are evenly spaced it does so
    throughout, so most of the neighbouring windows decide.

    Args:
        rivalry: Log-likelihood of the best other velocity over that of the chosen one.
    """
    reach = min(_RIVALRY_REACH, (rivalry.size - 1) // 2)
    close = np.pad(rivalry > _RIVALRY, reach, mode="reflect")
    count = np.cumsum(np.insert(close, 0, False))
    most: NDArray[np.bool_] = np.greater(count[2 * reach + 1 :] - count[: -2 * reach - 1], reach)
    return most


def is_excursion(
    velocity: NDArray[np.float64], known: NDArray[np.bool_], plan: ShearPlan
) -> NDArray[np.bool_]:
    """Return where velocity leaves that of the known windows around it, bool ``(windows,)``.

    Where a cell has just its edge in view another velocity may seem likelier, in windows that share
    these lines. What lasts for so short, and is far from the median around, may be right or wrong.

    Args:
        velocity: px/line.
        known: Windows with a velocity.
        plan: The plan for their geometry.
    """
    excursion = np.zeros(known.size, bool)
    (at,) = np.nonzero(known)
    if at.size > 2 * _EXCURSION_REACH:
        candidate = plan.nearest_fine(velocity[at]) // REFINEMENT
        padded = np.pad(candidate, _EXCURSION_REACH, mode="reflect")
        around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _EXCURSION_REACH + 1)
        median = np.sort(around, axis=1)[:, _EXCURSION_REACH]
        excursion[at] = np.abs(candidate - median) >= RIVALS_APART
    return excursion


def is_empty(
    variation: NDArray[np.float64], r2adj: NDArray[np.float64], known: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return where nothing is in view but noise, bool ``(windows,)``.

    Args:
        variation: Sum of squares of each window about its mean.
        r2adj: The share of it that motion explains; the rest is noise.
        known: Windows with a velocity.
    """
    empty = np.zeros(known.size, bool)
    if known.any():
        textured = float(np.median(variation[known]))
        noise = float(np.median((variation * (1.0 - r2adj))[known]))
        if textured >= _TEXTURED * noise:
            np.less_equal(variation, _AS_QUIET * noise, out=empty)
    return empty
