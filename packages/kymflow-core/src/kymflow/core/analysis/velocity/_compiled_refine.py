"""Compiled twin of `_shear.refine_group`: the same sums, one pixel of a line per SIMD lane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._grid import MINIMUM_WEIGHT
from kymflow.core.analysis.velocity._jit import exact, fast

_Floats = NDArray[np.float32]
_Integers = NDArray[np.int64]

_ONE = np.float32(1.0)


def refine_group(
    lines: _Floats, starts: _Integers, window_lines: int, velocity: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Twin of `_shear.refine_group`; takes its windows out of the lines itself."""
    out = np.zeros((3, starts.size))
    _refine_group(lines, starts, window_lines, velocity, np.float32(MINIMUM_WEIGHT), out)
    return out[0], out[1], out[2]


@fast
def _refine_group(
    lines: _Floats,
    starts: _Integers,
    w: int,
    velocity: float,
    minimum_weight: np.float32,
    out: NDArray[np.float64],
) -> None:
    n = lines.shape[1]
    start, carry = np.empty(w, np.int64), np.empty(w, np.float32)
    _moved_bins(velocity, start, carry)
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


@exact
def _moved_bins(velocity: float, start: _Integers, carry: _Floats) -> None:
    """Twin of `_grid.moved_bins`, with an empty bin before the first."""
    least = min(0.0, -velocity * (start.size - 1))
    for t in range(start.size):
        shift = -velocity * t - least
        start[t] = np.int64(np.floor(shift)) + 1
        carry[t] = np.float32(shift - np.floor(shift))


@fast
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
