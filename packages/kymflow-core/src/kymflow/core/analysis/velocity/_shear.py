"""Shear and sum: how well one velocity explains a window, in plain NumPy.

Model: ``y(t, x) = f(x - v t) + noise`` with an unknown texture ``f``. If every line of a window
is moved back by ``v t``, all lines show the same ``f``. Sums of moved lines therefore keep the
texture at the true ``v`` and lose it elsewhere::

    P(u) = sum of y over all pixels moved to bin u
    W(u) = sum of their weights
    S(v) = sum_u P(u)**2 / W(u)                          explained sum of squares

`scan` evaluates ``S`` of every window at every coarse candidate; `refine` improves the velocity of
each window. Both are derived here, for windows of this shape; scanning is the slant stack of
seismology with weights for lines of finite length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._plan import MINIMUM_WEIGHT, ShearPlan, moved_bins

_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]

#: Windows that are worked on side by side; sized so that buffers stay in a core's own cache.
_SCAN_LANES, _REFINE_LANES = 512, 128


def scan(lines: _Floats, plan: ShearPlan) -> _Floats:
    """Return ``S(v)`` of every window, float32 ``(windows, candidates)``.

    Quarters of a window are summed first: each quarter belongs to four windows, and its sum is
    used four times. The last axis of every buffer runs over windows.

    Args:
        lines: Flattened lines, float32 ``(time, space)``.
        plan: The plan for this geometry.
    """
    step, n = plan.step, plan.n_pixels
    quarters = len(lines) // step
    windows = quarters - 3
    out = np.empty((windows, plan.coarse.size), np.float32)
    by_line = lines[: quarters * step].reshape(quarters, step, n).transpose(1, 2, 0)
    for first in range(0, windows, _SCAN_LANES):
        count = min(_SCAN_LANES, windows - first)
        pixels = np.ascontiguousarray(by_line[:, :, first : first + count + 3])
        for i in range(plan.coarse.size):
            rows = int(plan.line_bin[i].max()) + n
            quarter = np.zeros((rows, count + 3), np.float32)
            for t, low in enumerate(plan.line_bin[i]):
                quarter[low : low + n] += pixels[t]
            window = np.zeros((rows + int(plan.quarter_bin[i].max()), count), np.float32)
            for m, low in enumerate(plan.quarter_bin[i]):
                window[low : low + rows] += quarter[:, m : m + count]
            np.square(window, out=window)
            out[first : first + count, i] = plan.inverse_weight[i, : len(window)] @ window
    return out


def refine(
    lines: _Floats, starts: _Integers, window_lines: int, velocity: _Doubles
) -> tuple[_Doubles, _Doubles, _Doubles]:
    """Return correction, precision and ``S`` of windows that move at about these velocities.

    Lines are put into bins, each pixel shared by two. Every line is predicted from the other lines
    of its window. If the texture really moves at ``v + d``, line ``t`` is displaced from that
    prediction ``g`` by ``d (t - s)``, where ``s`` is the mean time of the lines that the prediction
    of this bin is made of. To first order ``y - g = -d (t - s) g'``, and least squares gives
    (derived here; one Gauss-Newton step)::

        d = -sum c (t - s) g' (y - g) / sum c (t - s)**2 g'**2        c = W / (W + 1)

    ``W`` is the weight of the other lines; ``y - g`` of pure noise has variance ``sigma**2 / c``.
    Leaving the line itself out matters: noise would agree with itself and pull ``d`` to zero.
    The correction has precision ``sum c (t - s)**2 g'**2 / sigma**2`` (inverse variance).

    Args:
        lines: Flattened lines, float32 ``(time, space)``.
        starts: First line of each window, int64 ``(windows,)``.
        window_lines: Lines per window.
        velocity: What each window moves at, px/line, ``(windows,)``; few different values, as
            windows with the same one are worked on together.

    Returns:
        ``d`` in px/line, the precision in (line/px)², and ``S(velocity)``; each ``(windows,)``.
    """
    out = np.empty((3, starts.size))
    for value in np.unique(velocity):
        (alike,) = np.nonzero(velocity == value)
        for first in range(0, alike.size, _REFINE_LANES):
            some = alike[first : first + _REFINE_LANES]
            windows = lines[starts[some][:, None] + np.arange(window_lines)].transpose(1, 2, 0)
            out[:, some] = _refine_alike(windows, float(value))
    return out[0], out[1], out[2]


def _refine_alike(windows: _Floats, velocity: float) -> tuple[_Doubles, _Doubles, _Doubles]:
    """The same of windows ``(lines, space, windows)`` with one velocity."""
    w, n, count = windows.shape
    first, carry = moved_bins(velocity, w)
    keep = np.float32(1.0) - carry
    # Each line in its bins, and what it weighs there, with an empty bin on both sides.
    moved = np.zeros((w, n + 3, count), np.float32)
    moved[:, 1:-2] = windows * keep[:, None, None]
    moved[:, 2:-1] += windows * carry[:, None, None]
    share = np.zeros((w, n + 3), np.float32)
    share[:, 1:-2] = keep[:, None]
    share[:, 2:-1] += carry[:, None]
    where = [slice(low, low + n + 3) for low in first]
    total = np.zeros((int(first.max()) + n + 3, count), np.float32)
    weight, moment = np.zeros(len(total), np.float32), np.zeros(len(total), np.float32)
    for t in range(w):
        total[where[t]] += moved[t]
        weight[where[t]] += share[t]
        moment[where[t]] += np.float32(t) * share[t]
    inverse = np.divide(np.float32(1.0), weight, out=np.zeros_like(weight), where=weight > 1e-4)
    explained = inverse @ np.square(total)

    top, bottom, residual, pixels = np.zeros(count), np.zeros(count), np.zeros(count), 0.0
    for t in range(w):
        others = weight[where[t]] - share[t]
        inverse = np.divide(
            np.float32(1.0), others, out=np.zeros_like(others), where=others > MINIMUM_WEIGHT
        )
        predicted = (total[where[t]] - moved[t]) * inverse[:, None]
        slope = np.float32(0.5) * (predicted[2:] - predicted[:-2])
        own, at, inverse_here = share[t, 1:-1], np.float32(t), inverse[1:-1]
        error = moved[t, 1:-1] - own[:, None] * predicted[1:-1]
        lever = own * (at - (moment[where[t]] - at * share[t])[1:-1] * inverse_here)
        known = (inverse[:-2] > 0) & (inverse_here > 0) & (inverse[2:] > 0)
        trust = np.where(known, np.float32(1.0) / (np.float32(1.0) + inverse_here), 0.0)
        top -= (trust * lever) @ (slope * error)
        bottom += (trust * lever * lever) @ np.square(slope)
        residual += trust @ np.square(error)
        pixels += float(np.square(own[known]).sum())
    usable = (bottom > 0) & (residual > 0)
    correction = np.divide(top, bottom, out=np.zeros(count), where=usable)
    precision = np.divide(bottom * pixels, residual, out=np.zeros(count), where=usable)
    return correction, precision, explained.astype(np.float64)
