"""Compiled twins of `_shear`: the same sums, one window per SIMD lane.

Import this module only where numba is known to be installed. Nothing is compiled before the first
call, and compiled code is cached on disk where that is possible. All functions release the GIL and
use one thread: whoever has several recordings gives each a thread.
"""

from __future__ import annotations

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
_EXACT = {"nogil": True, "cache": True, "error_model": "numpy"}
_FAST = {"nogil": True, "cache": True, "fastmath": {"contract", "reassoc"}, "error_model": "numpy"}


def flatten(
    pixels: NDArray[np.generic], inverse_mean: _Floats, dead: NDArray[np.bool_]
) -> _Floats:
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
    _refine_group(lines, starts, first + 1, carry, out)
    return out[0], out[1], out[2]


def best_path(score: _Floats) -> _Integers:
    """Twin of `_tracking.best_path`."""
    path = np.empty(len(score), np.int64)
    _best_path(score, path)
    return path


@njit(**_EXACT)
def _best_path(score, path):  # type: ignore[no-untyped-def]
    windows, candidates = score.shape
    best = np.empty(candidates, np.float64)
    for k in range(1, windows):
        before = score[k - 1]
        highest = np.float64(before[0])
        for j in range(1, candidates):
            highest = max(highest, np.float64(before[j]))
        reach = -JUMP_COST
        for j in range(candidates):
            reach = max(reach - LOCAL_COST, np.float64(before[j]) - highest, -JUMP_COST)
            best[j] = reach
        reach = -JUMP_COST
        for j in range(candidates - 1, -1, -1):
            reach = max(reach - LOCAL_COST, best[j])
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
            value = np.float64(score[k, j]) - min(LOCAL_COST * abs(j - here), JUMP_COST)
            if value > top:
                top, at = value, j
        path[k] = at


@njit(**_FAST)
def _flatten(pixels, inverse_mean, dead, out):  # type: ignore[no-untyped-def]
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


@njit(**_FAST)
def _scan(  # type: ignore[no-untyped-def]
    lines,
    step,
    line_bin,
    line_fraction,
    quarter_bin,
    quarter_fraction,
    quarter_bins,
    inverse_weight,
    out,
):
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
                low, high, end = 4, 0, np.int64(1 << 60)
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
                        _add_square_3(explained, quarter, weight[u], a, f[low], b, f[low + 1], c, f[low + 2])
                elif high - low == 4:
                    for u in range(begin, end):
                        a = (u - row[0]) * lanes
                        b = (u - row[1]) * lanes + 1
                        c = (u - row[2]) * lanes + 2
                        d = (u - row[3]) * lanes + 3
                        _add_square_4(explained, quarter, weight[u], a, f[0], b, f[1], c, f[2], d, f[3])
                begin = end
            for b in range(count):
                out[first + b, i] = explained[b]


@njit(**_FAST)
def _add_line(out, here, before, keep, carry):  # type: ignore[no-untyped-def]
    for j in range(out.size):
        out[j] += keep * here[j] + carry * before[j]


@njit(**_FAST)
def _add_square_1(explained, quarter, weight, a, fa):  # type: ignore[no-untyped-def]
    n = explained.size
    a0, a1, ga = quarter[a : a + n], quarter[a + n : a + 2 * n], _ONE - fa
    for j in range(n):
        p = fa * a0[j] + ga * a1[j]
        explained[j] += p * p * weight


@njit(**_FAST)
def _add_square_2(explained, quarter, weight, a, fa, b, fb):  # type: ignore[no-untyped-def]
    n = explained.size
    a0, a1, ga = quarter[a : a + n], quarter[a + n : a + 2 * n], _ONE - fa
    b0, b1, gb = quarter[b : b + n], quarter[b + n : b + 2 * n], _ONE - fb
    for j in range(n):
        p = (fa * a0[j] + ga * a1[j]) + (fb * b0[j] + gb * b1[j])
        explained[j] += p * p * weight


@njit(**_FAST)
def _add_square_3(explained, quarter, weight, a, fa, b, fb, c, fc):  # type: ignore[no-untyped-def]
    n = explained.size
    a0, a1, ga = quarter[a : a + n], quarter[a + n : a + 2 * n], _ONE - fa
    b0, b1, gb = quarter[b : b + n], quarter[b + n : b + 2 * n], _ONE - fb
    c0, c1, gc = quarter[c : c + n], quarter[c + n : c + 2 * n], _ONE - fc
    for j in range(n):
        p = (fa * a0[j] + ga * a1[j]) + (fb * b0[j] + gb * b1[j]) + (fc * c0[j] + gc * c1[j])
        explained[j] += p * p * weight


@njit(**_FAST)
def _add_square_4(explained, quarter, weight, a, fa, b, fb, c, fc, d, fd):  # type: ignore[no-untyped-def]
    n = explained.size
    a0, a1, ga = quarter[a : a + n], quarter[a + n : a + 2 * n], _ONE - fa
    b0, b1, gb = quarter[b : b + n], quarter[b + n : b + 2 * n], _ONE - fb
    c0, c1, gc = quarter[c : c + n], quarter[c + n : c + 2 * n], _ONE - fc
    d0, d1, gd = quarter[d : d + n], quarter[d + n : d + 2 * n], _ONE - fd
    for j in range(n):
        p = (fa * a0[j] + ga * a1[j]) + (fb * b0[j] + gb * b1[j])
        p += (fc * c0[j] + gc * c1[j]) + (fd * d0[j] + gd * d1[j])
        explained[j] += p * p * weight


@njit(**_FAST)
def _refine_group(lines, starts, start, carry, out):  # type: ignore[no-untyped-def]
    n = lines.shape[1]
    w = start.size
    zero, half = np.float32(0), np.float32(0.5)
    bins = start.max() + n + 3
    weight, moment = np.zeros(bins, np.float32), np.zeros(bins, np.float32)
    for t in range(w):
        c, k, time = carry[t], _ONE - carry[t], np.float32(t)
        for x in range(n):
            weight[start[t] + x] += k
            moment[start[t] + x] += k * time
        for x in range(n):
            weight[start[t] + x + 1] += c
            moment[start[t] + x + 1] += c * time

    inverse_others = np.zeros((w, n + 2), np.float32)
    lever = np.zeros((w, n), np.float32)
    trust = np.zeros((w, n), np.float32)
    pixels = 0
    for t in range(w):
        c, k = carry[t], _ONE - carry[t]
        low = start[t] - 1
        for x in range(n + 2):
            own = zero
            if 1 <= x <= n:
                own += k * k + c * c
            if x >= 2:
                own += k * c
            if x <= n - 1:
                own += k * c
            others = k * weight[low + x] + c * weight[low + x + 1] - own
            if others > MINIMUM_WEIGHT:
                inverse_others[t, x] = _ONE / others
                if 1 <= x <= n:
                    time = np.float32(t)
                    mean = k * moment[low + x] + c * moment[low + x + 1] - time * own
                    lever[t, x - 1] = time - mean * inverse_others[t, x]
                    trust[t, x - 1] = others / (others + _ONE)
        for x in range(n):
            if inverse_others[t, x] == 0 or inverse_others[t, x + 2] == 0:
                trust[t, x] = 0
            if trust[t, x] > 0:
                pixels += 1

    total = np.empty(bins, np.float32)
    padded = np.zeros(n + 4, np.float32)
    predicted = np.empty(n + 2, np.float32)
    window = np.empty((w, n), np.float32)
    for g in range(starts.size):
        mean = zero
        for t in range(w):
            line = lines[starts[g] + t]
            for x in range(n):
                mean += line[x]
        mean /= np.float32(w * n)
        total[:] = 0
        for t in range(w):
            line, row = lines[starts[g] + t], window[t]
            c, k = carry[t], _ONE - carry[t]
            here, after = total[start[t] : start[t] + n], total[start[t] + 1 : start[t] + n + 1]
            for x in range(n):
                row[x] = line[x] - mean
            for x in range(n):
                here[x] += k * row[x]
            for x in range(n):
                after[x] += c * row[x]
        explained = zero
        for u in range(bins):
            if weight[u] > np.float32(1e-4):
                explained += total[u] * total[u] / weight[u]
        top, bottom, residual = zero, zero, zero
        for t in range(w):
            c, k = carry[t], _ONE - carry[t]
            side, centre = k * c, k * k + c * c
            here = total[start[t] - 1 : start[t] + n + 1]
            after = total[start[t] : start[t] + n + 2]
            row, inverse = window[t], inverse_others[t]
            for x in range(n):
                padded[x + 2] = row[x]
            for x in range(n + 2):
                others = k * here[x] + c * after[x] - centre * padded[x + 1]
                others -= side * (padded[x] + padded[x + 2])
                predicted[x] = others * inverse[x]
            trusted, arm = trust[t], lever[t]
            for x in range(n):
                slope = half * (predicted[x + 2] - predicted[x])
                error = row[x] - predicted[x + 1]
                top -= trusted[x] * arm[x] * slope * error
                bottom += trusted[x] * arm[x] * arm[x] * slope * slope
                residual += trusted[x] * error * error
        out[2, g] = explained
        if bottom > 0 and residual > 0:
            out[0, g] = top / bottom
            out[1, g] = bottom * pixels / residual
