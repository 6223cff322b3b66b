"""Compiled twins of `_shear`: the same sums, one window per SIMD lane.

Import this module only where numba is known to be installed. Nothing is compiled before the first
call, and compiled code is cached on disk where that is possible. All functions release the GIL and
use one thread: whoever has several recordings gives each a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._grid import MINIMUM_WEIGHT, ShearPlan, moved_bins
from kymflow.core.analysis.velocity._tracking import JUMP_COST, LOCAL_COST

__all__ = ["best_path", "flatten", "refine_group", "scan"]

_Floats = NDArray[np.float32]
_Integers = NDArray[np.int64]

#: Windows that are worked on side by side; 128 keeps every buffer inside a core's own cache.
_LANES = 96
_ONE = np.float32(1.0)

_Function = TypeVar("_Function", bound=Callable[..., None])


def _compiled(function: _Function, fast: set[str] | bool) -> _Function:
    """Return the function, compiled on its first call, and kept on disk if there is a place."""
    try:
        return cast(
            "_Function",
            njit(nogil=True, cache=True, fastmath=fast, error_model="numpy")(function),
        )
    except RuntimeError:
        # numba found no folder for its cache that it may write to.
        return cast("_Function", njit(nogil=True, fastmath=fast, error_model="numpy")(function))


def _fast(function: _Function) -> _Function:
    """Compile; sums may be taken in another order, products and sums may be fused."""
    return _compiled(function, {"contract", "reassoc"})


def _exact(function: _Function) -> _Function:
    """Compile to the same arithmetic as NumPy's."""
    return _compiled(function, fast=False)


def flatten(pixels: NDArray[np.generic], inverse_mean: _Floats, dead: NDArray[np.bool_]) -> _Floats:
    """Twin of `_preprocess.flatten`."""
    out = np.empty(pixels.shape, np.float32)
    _flatten(pixels, inverse_mean, dead, out)
    return out


def scan(lines: _Floats, plan: ShearPlan) -> _Floats:
    """Twin of `_shear.scan`."""
    windows = len(lines) // plan.step - 3
    explained = np.empty((windows, plan.coarse.size), np.float32)
    _scan(
        lines,
        plan.step,
        plan.line_bin,
        plan.line_fraction,
        plan.quarter_bin,
        plan.quarter_fraction,
        plan.quarter_bins,
        plan.inverse_weight,
        explained,
    )
    return explained


def refine_group(
    lines: _Floats, starts: _Integers, window_lines: int, velocity: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Twin of `_shear.refine_group`; takes its windows out of the lines itself."""
    first, carry = moved_bins(velocity, window_lines)
    out = np.zeros((3, starts.size))
    _refine_group(lines, starts, first + 1, carry, np.float32(MINIMUM_WEIGHT), out)
    return out[0], out[1], out[2]


def best_path(score: _Floats) -> _Integers:
    """Twin of `_tracking.best_path`."""
    path = np.empty(len(score), np.int64)
    _best_path(score, path, LOCAL_COST, JUMP_COST)
    return path


@_exact
def _best_path(score: _Floats, path: _Integers, local: float, jump: float) -> None:
    windows, candidates = score.shape
    best = np.empty(candidates, np.float64)
    for k in range(1, windows):
        before = score[k - 1]
        highest = np.float64(before[0])
        for j in range(1, candidates):
            highest = max(highest, np.float64(before[j]))
        reach = -jump
        for j in range(candidates):
            reach = max(reach - local, np.float64(before[j]) - highest, -jump)
            best[j] = reach
        reach = -jump
        for j in range(candidates - 1, -1, -1):
            reach = max(reach - local, best[j])
            best[j] = reach
        for j in range(candidates):
            score[k, j] = np.float32(np.float64(score[k, j]) + best[j])
    at = 0
    for j in range(1, candidates):
        if score[windows - 1, j] > score[windows - 1, at]:
            at = j
    path[windows - 1] = at
    for k in range(windows - 2, -1, -1):
        here, at = at, 0
        top = -np.inf
        for j in range(candidates):
            value = np.float64(score[k, j]) - min(local * abs(j - here), jump)
            if value > top:
                top, at = value, j
        path[k] = at


@_fast
def _flatten(
    pixels: NDArray[Any], inverse_mean: _Floats, dead: NDArray[np.bool_], out: _Floats
) -> None:
    lines, n = pixels.shape
    row = np.empty(n, np.float32)
    quarter, half = np.float32(0.25), np.float32(0.5)
    for t in range(lines):
        for x in range(n):
            row[x] = np.float32(pixels[t, x]) * inverse_mean[x] - _ONE
        for x in range(n):
            if dead[x]:
                row[x] = 0
        out[t, 0] = row[0]
        out[t, n - 1] = row[n - 1]
        for x in range(1, n - 1):
            out[t, x] = quarter * (row[x - 1] + row[x + 1]) + half * row[x]


@_fast
def _scan(
    lines: _Floats,
    step: int,
    line_bin: _Integers,
    line_fraction: _Floats,
    quarter_bin: _Integers,
    quarter_fraction: _Floats,
    quarter_bins: _Integers,
    inverse_weight: _Floats,
    out: _Floats,
) -> None:
    n = lines.shape[1]
    windows = out.shape[0]
    quarters = windows + 3
    lanes = min(_LANES, quarters)
    pixels = np.zeros((step, (n + 2) * lanes), np.float32)
    quarter = np.empty((quarter_bins.max() + 3) * lanes, np.float32)
    explained = np.empty(lanes, np.float32)
    span = (n + 1) * lanes
    for first in range(0, windows, lanes - 3):
        count = min(lanes - 3, windows - first)
        for b in range(count + 3):
            for t in range(step):
                line = lines[(first + b) * step + t]
                for x in range(n):
                    pixels[t, (x + 1) * lanes + b] = line[x]
        for i in range(line_bin.shape[0]):
            rows = quarter_bins[i] + 1
            # Level one: lines into a quarter. One empty row on both sides serves level two.
            quarter[: (rows + 1) * lanes] = 0
            for t in range(step):
                low = (line_bin[i, t] + 1) * lanes
                carry = line_fraction[i, t]
                _add_line(
                    quarter[low : low + span],
                    pixels[t, lanes : lanes + span],
                    pixels[t, :span],
                    _ONE - carry,
                    carry,
                )
            # Level two: quarters into the window. Bins are taken in stretches that the same
            # quarters reach, so that each bin is summed, squared and forgotten.
            explained[:] = 0
            begin = 0
            while True:
                low, high, end = 4, 0, 1 << 60
                for m in range(4):
                    start, stop = quarter_bin[i, m], quarter_bin[i, m] + rows
                    if start <= begin < stop:
                        low, high, end = min(low, m), max(high, m + 1), min(end, stop)
                    elif start > begin:
                        end = min(end, start)
                if end == 1 << 60:
                    break
                row, f, weight = quarter_bin[i], quarter_fraction[i], inverse_weight[i]
                if high - low == 1:
                    for u in range(begin, end):
                        a = (u - row[low]) * lanes + low
                        _add_square_1(explained, quarter, weight[u], a, f[low])
                elif high - low == 2:
                    for u in range(begin, end):
                        a = (u - row[low]) * lanes + low
                        b = (u - row[low + 1]) * lanes + low + 1
                        _add_square_2(explained, quarter, weight[u], a, f[low], b, f[low + 1])
                elif high - low == 3:
                    for u in range(begin, end):
                        a = (u - row[low]) * lanes + low
                        b = (u - row[low + 1]) * lanes + low + 1
                        c = (u - row[low + 2]) * lanes + low + 2
                        _add_square_3(
                            explained, quarter, weight[u], a, f[low], b, f[low + 1], c, f[low + 2]
                        )
                elif high - low == 4:
                    for u in range(begin, end):
                        a = (u - row[0]) * lanes
                        b = (u - row[1]) * lanes + 1
                        c = (u - row[2]) * lanes + 2
                        d = (u - row[3]) * lanes + 3
                        _add_square_4(
                            explained, quarter, weight[u], a, f[0], b, f[1], c, f[2], d, f[3]
                        )
                begin = end
            for b in range(count):
                out[first + b, i] = explained[b]


@_fast
def _add_line(
    out: _Floats, here: _Floats, before: _Floats, keep: np.float32, carry: np.float32
) -> None:
    for j in range(out.size):
        out[j] += keep * here[j] + carry * before[j]


@_fast
def _add_square_1(
    explained: _Floats,
    quarter: _Floats,
    weight: np.float32,
    a: int,
    fa: np.float32,
) -> None:
    """Add ``P**2 * weight`` of a bin that one quarter reaches, at `a` with share `fa`."""
    n = explained.size
    a0, a1, ga = quarter[a : a + n], quarter[a + n : a + 2 * n], _ONE - fa
    for j in range(n):
        p = fa * a0[j] + ga * a1[j]
        explained[j] += p * p * weight


@_fast
def _add_square_2(
    explained: _Floats,
    quarter: _Floats,
    weight: np.float32,
    a: int,
    fa: np.float32,
    b: int,
    fb: np.float32,
) -> None:
    """The same where two quarters reach."""
    n = explained.size
    a0, a1, ga = quarter[a : a + n], quarter[a + n : a + 2 * n], _ONE - fa
    b0, b1, gb = quarter[b : b + n], quarter[b + n : b + 2 * n], _ONE - fb
    for j in range(n):
        p = (fa * a0[j] + ga * a1[j]) + (fb * b0[j] + gb * b1[j])
        explained[j] += p * p * weight


@_fast
def _add_square_3(
    explained: _Floats,
    quarter: _Floats,
    weight: np.float32,
    a: int,
    fa: np.float32,
    b: int,
    fb: np.float32,
    c: int,
    fc: np.float32,
) -> None:
    """The same where three quarters reach."""
    n = explained.size
    a0, a1, ga = quarter[a : a + n], quarter[a + n : a + 2 * n], _ONE - fa
    b0, b1, gb = quarter[b : b + n], quarter[b + n : b + 2 * n], _ONE - fb
    c0, c1, gc = quarter[c : c + n], quarter[c + n : c + 2 * n], _ONE - fc
    for j in range(n):
        p = (fa * a0[j] + ga * a1[j]) + (fb * b0[j] + gb * b1[j]) + (fc * c0[j] + gc * c1[j])
        explained[j] += p * p * weight


@_fast
def _add_square_4(
    explained: _Floats,
    quarter: _Floats,
    weight: np.float32,
    a: int,
    fa: np.float32,
    b: int,
    fb: np.float32,
    c: int,
    fc: np.float32,
    d: int,
    fd: np.float32,
) -> None:
    """The same where four quarters reach."""
    n = explained.size
    a0, a1, ga = quarter[a : a + n], quarter[a + n : a + 2 * n], _ONE - fa
    b0, b1, gb = quarter[b : b + n], quarter[b + n : b + 2 * n], _ONE - fb
    c0, c1, gc = quarter[c : c + n], quarter[c + n : c + 2 * n], _ONE - fc
    d0, d1, gd = quarter[d : d + n], quarter[d + n : d + 2 * n], _ONE - fd
    for j in range(n):
        p = (fa * a0[j] + ga * a1[j]) + (fb * b0[j] + gb * b1[j])
        p += (fc * c0[j] + gc * c1[j]) + (fd * d0[j] + gd * d1[j])
        explained[j] += p * p * weight


@_fast
def _refine_group(
    lines: _Floats,
    starts: _Integers,
    start: _Integers,
    carry: _Floats,
    minimum_weight: np.float32,
    out: NDArray[np.float64],
) -> None:
    n, w = lines.shape[1], start.size
    bins = start.max() + n + 3
    inverse_weight = np.zeros(bins, np.float32)
    inverse_others = np.zeros((w, n + 2), np.float32)
    # c, c (t - s) and c (t - s)**2, zero where there is no prediction.
    trust = np.zeros((3, w, n), np.float32)
    _geometry(start, carry, minimum_weight, inverse_weight, inverse_others, trust)
    pixels = np.count_nonzero(trust[0])

    total = np.empty(bins, np.float32)
    padded = np.zeros(n + 4, np.float32)
    predicted = np.empty(n + 2, np.float32)
    window = np.empty((w, n), np.float32)
    half = np.float32(0.5)
    for g in range(starts.size):
        mean = np.float32(0)
        for t in range(w):
            line = lines[starts[g] + t]
            for x in range(n):
                mean += line[x]
        mean /= np.float32(w * n)
        for u in range(bins):
            total[u] = 0
        for t in range(w):
            line, row, c, k = lines[starts[g] + t], window[t], carry[t], _ONE - carry[t]
            here, after = total[start[t] : start[t] + n], total[start[t] + 1 : start[t] + n + 1]
            for x in range(n):
                row[x] = line[x] - mean
            for x in range(n):
                here[x] += k * row[x]
            for x in range(n):
                after[x] += c * row[x]
        explained = np.float32(0)
        for u in range(bins):
            explained += total[u] * total[u] * inverse_weight[u]

        top, bottom, residual = np.float32(0), np.float32(0), np.float32(0)
        for t in range(w):
            row, c, k = window[t], carry[t], _ONE - carry[t]
            side, centre = k * c, k * k + c * c
            here = total[start[t] - 1 : start[t] + n + 1]
            after = total[start[t] : start[t] + n + 2]
            inverse = inverse_others[t]
            for x in range(n):
                padded[x + 2] = row[x]
            for x in range(n + 2):
                others = k * here[x] + c * after[x] - centre * padded[x + 1]
                predicted[x] = (others - side * (padded[x] + padded[x + 2])) * inverse[x]
            trust0, trust1, trust2 = trust[0, t], trust[1, t], trust[2, t]
            for x in range(n):
                slope = half * (predicted[x + 2] - predicted[x])
                error = row[x] - predicted[x + 1]
                top -= trust1[x] * slope * error
                bottom += trust2[x] * slope * slope
                residual += trust0[x] * error * error
        out[2, g] = explained
        if bottom > 0 and residual > 0:
            out[0, g] = top / bottom
            out[1, g] = bottom * pixels / residual


@_fast
def _geometry(
    start: _Integers,
    carry: _Floats,
    minimum_weight: np.float32,
    inverse_weight: _Floats,
    inverse_others: _Floats,
    trust: _Floats,
) -> None:
    """Fill in what `_shear._Geometry` holds."""
    w, n = trust.shape[1:]
    weight = np.zeros(inverse_weight.size, np.float32)
    moment = np.zeros(inverse_weight.size, np.float32)
    for t in range(w):
        c, k, time = carry[t], _ONE - carry[t], np.float32(t)
        for x in range(start[t], start[t] + n):
            weight[x] += k
            moment[x] += k * time
        for x in range(start[t] + 1, start[t] + n + 1):
            weight[x] += c
            moment[x] += c * time
    for u in range(weight.size):
        if weight[u] > np.float32(1e-4):
            inverse_weight[u] = _ONE / weight[u]
    for t in range(w):
        c, k, time = carry[t], _ONE - carry[t], np.float32(t)
        low = start[t] - 1
        for x in range(n + 2):
            own = np.float32(0)
            if 1 <= x <= n:
                own += k * k + c * c
            if x >= 2:
                own += k * c
            if x <= n - 1:
                own += k * c
            others = k * weight[low + x] + c * weight[low + x + 1] - own
            if others > minimum_weight:
                inverse_others[t, x] = _ONE / others
        for x in range(n):
            inverse = inverse_others[t, x + 1]
            if inverse_others[t, x] > 0 and inverse > 0 and inverse_others[t, x + 2] > 0:
                own = k * k + c * c
                if x >= 1:
                    own += k * c
                if x <= n - 2:
                    own += k * c
                mean = k * moment[low + x + 1] + c * moment[low + x + 2] - time * own
                lever = time - mean * inverse
                share = _ONE / (_ONE + inverse)
                trust[0, t, x] = share
                trust[1, t, x] = share * lever
                trust[2, t, x] = share * lever * lever
