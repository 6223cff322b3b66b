"""Shear and sum: how well one velocity explains a window, in plain NumPy.

Model: ``y(t, x) = f(x - v t) + noise`` with an unknown texture ``f``. If every line of a window
is moved back by ``v t``, all lines show the same ``f``. Sums of moved lines therefore keep the
texture at the true ``v`` and lose it elsewhere::

    P(u) = sum of y over all pixels moved to bin u       (linear weights between bins)
    W(u) = sum of those weights
    S(v) = sum_u P(u)**2 / W(u)                          explained sum of squares

`scan` evaluates ``S`` of every window at every coarse candidate; `refine_group` improves the
velocity of windows that share a candidate. Both are derived here, for windows of this shape;
scanning is the slant stack of seismology with weights for lines of finite length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._grid import MINIMUM_WEIGHT, ShearPlan, moved_bins

_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]

#: Windows that are worked on side by side; sized so that buffers stay in a core's own cache.
_LANES = 512
_GROUP_LANES = 128


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
    one = np.float32(1.0)
    for first in range(0, windows, _LANES):
        count = min(_LANES, windows - first)
        pixels = np.ascontiguousarray(by_line[:, :, first : first + count + 3])
        scratch = np.empty((int(plan.quarter_bins.max()), count + 3), np.float32)
        for i in range(plan.coarse.size):
            rows = int(plan.quarter_bins[i])
            quarter = np.zeros((rows, count + 3), np.float32)
            for t in range(step):
                low, carry = int(plan.line_bin[i, t]), plan.line_fraction[i, t]
                _add_between(quarter, pixels[t], low, one - carry, carry, scratch[:n])
            window = np.zeros((rows + int(plan.quarter_bin[i].max()) + 1, count), np.float32)
            for m in range(4):
                low, carry = int(plan.quarter_bin[i, m]), plan.quarter_fraction[i, m]
                part = quarter[:, m : m + count]
                _add_between(window, part, low, one - carry, carry, scratch[:rows, :count])
            np.square(window, out=window)
            out[first : first + count, i] = plan.inverse_weight[i, : len(window)] @ window
    return out


def _add_between(
    out: _Floats, rows: _Floats, low: int, keep: np.float32, carry: np.float32, scratch: _Floats
) -> None:
    """Add ``keep`` of each row to its own bin and ``carry`` of it to the next one."""
    n = len(rows)
    np.multiply(rows, keep, out=scratch)
    out[low : low + n] += scratch
    if carry:
        np.multiply(rows, carry, out=scratch)
        out[low + 1 : low + 1 + n] += scratch


def refine_group(
    lines: _Floats, starts: _Integers, window_lines: int, velocity: float
) -> tuple[_Doubles, _Doubles, _Doubles]:
    """Return correction, precision and ``S`` of windows whose velocity is about the same.

    Every line is predicted from the other lines of its window. If the texture really moves at
    ``v + d``, line ``t`` is displaced from that prediction ``g`` by ``d (t - s)``, where ``s`` is
    the mean time of the lines that the prediction at this pixel is made of. To first order
    ``y - g = -d (t - s) g'``, and least squares gives (derived here; one Gauss-Newton step)::

        d = -sum c (t - s) g' (y - g) / sum c (t - s)**2 g'**2        c = W / (W + 1)

    ``W`` is the weight of the other lines; ``y - g`` of pure noise has variance ``sigma**2 / c``.
    Leaving the line itself out matters: noise would agree with itself and pull ``d`` to zero.
    The correction has precision ``sum c (t - s)**2 g'**2 / sigma**2`` (inverse variance).

    Args:
        lines: Flattened lines, float32 ``(time, space)``.
        starts: First line of each window, int64 ``(windows,)``.
        window_lines: Lines per window.
        velocity: The candidate, px/line.

    Returns:
        ``d`` in px/line, the precision in (line/px)², and ``S(velocity)``; each ``(windows,)``.
    """
    geometry = _Geometry.at(velocity, window_lines, lines.shape[1])
    out = np.empty((3, starts.size))
    for first in range(0, starts.size, _GROUP_LANES):
        some = starts[first : first + _GROUP_LANES]
        windows = lines[some[:, None] + np.arange(window_lines)].transpose(1, 2, 0)
        windows = np.ascontiguousarray(windows)
        windows -= windows.mean(axis=(0, 1))
        out[:, first : first + _GROUP_LANES] = _refine_windows(windows, geometry)
    return out[0], out[1], out[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Geometry:
    """All that `refine_group` needs to know beside the pixels. ``l`` lines, ``n`` pixels.

    Attributes:
        start: First bin of each line ``(l,)``.
        keep: Weight in that bin ``(l,)``.
        carry: Weight in the next bin ``(l,)``.
        inverse_weight: ``1 / W(u)``, ``(bins,)``.
        centre: Share of a pixel in its own prediction if it were not left out, ``(l,)``.
        side: Share of both its neighbours in the same, ``(l,)``.
        inverse_others: One over the weight of other lines, one pixel beyond both edges,
            ``(l, n + 2)``; zero where they weigh too little.
        lever: ``t - s``, ``(l, n)``.
        trust: ``c``, zero where there is no prediction here or beside, ``(l, n)``.
    """

    start: _Integers
    keep: _Floats
    carry: _Floats
    inverse_weight: _Floats
    centre: _Floats
    side: _Floats
    inverse_others: _Floats
    lever: _Floats
    trust: _Floats

    @classmethod
    def at(cls, velocity: float, window_lines: int, n: int) -> _Geometry:
        """Return the geometry of windows of `n` pixels that move at `velocity`."""
        first, carry = moved_bins(velocity, window_lines)
        keep = np.float32(1.0) - carry
        # One empty bin before and two after: predictions exist beside both edge pixels too.
        start = first + 1
        bins = int(start.max()) + n + 3
        weight = np.zeros(bins, np.float32)
        moment = np.zeros(bins, np.float32)
        for t in range(window_lines):
            here = slice(int(start[t]), int(start[t]) + n)
            after = slice(here.start + 1, here.stop + 1)
            weight[here] += keep[t]
            weight[after] += carry[t]
            moment[here] += keep[t] * np.float32(t)
            moment[after] += carry[t] * np.float32(t)

        # Put into bins and read back, a line is spread over three pixels: what to leave out.
        side = keep * carry
        centre = keep * keep + carry * carry
        present = np.zeros(n + 4, np.float32)
        present[2 : n + 2] = 1.0
        own = np.outer(centre, present[1:-1]) + np.outer(side, present[:-2] + present[2:])
        where = start[:, None] + np.arange(-1, n + 1)
        time = np.arange(window_lines, dtype=np.float32)[:, None]
        k, c = keep[:, None], carry[:, None]
        others = k * weight[where] + c * weight[where + 1] - own
        known = others > MINIMUM_WEIGHT
        inverse_others = np.divide(np.float32(1.0), others, out=np.zeros_like(others), where=known)
        mean_time = (k * moment[where] + c * moment[where + 1] - time * own) * inverse_others
        both_sides = known[:, :-2] & known[:, 1:-1] & known[:, 2:]
        middle = others[:, 1:-1]
        return cls(
            start=start,
            keep=keep,
            carry=carry,
            inverse_weight=np.divide(
                np.float32(1.0), weight, out=np.zeros_like(weight), where=weight > 1e-4
            ),
            centre=centre,
            side=side,
            inverse_others=inverse_others,
            lever=time - mean_time[:, 1:-1],
            trust=np.where(both_sides, middle / (middle + np.float32(1.0)), np.float32(0.0)),
        )


def _refine_windows(windows: _Floats, g: _Geometry) -> tuple[_Doubles, _Doubles, _Doubles]:
    """Return correction, precision and ``S`` of windows ``(lines, space, windows)``."""
    w, n, count = windows.shape
    total = np.zeros((g.inverse_weight.size, count), np.float32)
    scratch = np.empty((n, count), np.float32)
    for t in range(w):
        _add_between(total, windows[t], int(g.start[t]), g.keep[t], g.carry[t], scratch)
    explained = g.inverse_weight @ np.square(total)

    top = np.zeros(count)
    bottom = np.zeros(count)
    residual = np.zeros(count)
    predicted = np.empty((n + 2, count), np.float32)
    padded = np.zeros((n + 4, count), np.float32)
    for t in range(w):
        low = int(g.start[t]) - 1
        line = windows[t]
        padded[2 : n + 2] = line
        np.multiply(total[low : low + n + 2], g.keep[t], out=predicted)
        predicted += total[low + 1 : low + n + 3] * g.carry[t]
        predicted -= padded[1:-1] * g.centre[t]
        predicted -= (padded[:-2] + padded[2:]) * g.side[t]
        predicted *= g.inverse_others[t][:, None]
        slope = predicted[2:] - predicted[:-2]
        slope *= np.float32(0.5)
        error = line - predicted[1:-1]
        top -= (g.trust[t] * g.lever[t]) @ (slope * error)
        bottom += (g.trust[t] * g.lever[t] * g.lever[t]) @ np.square(slope)
        residual += g.trust[t] @ np.square(error)
    usable = (bottom > 0) & (residual > 0)
    pixels = np.count_nonzero(g.trust)
    correction = np.divide(top, bottom, out=np.zeros(count), where=usable)
    precision = np.divide(bottom * pixels, residual, out=np.zeros(count), where=usable)
    return correction, precision, explained.astype(np.float64)
