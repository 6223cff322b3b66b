"""Compiled twin of `_shear.refine`: one bin of a line per SIMD lane, offsets as in `_compiled`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._jit import exact, fast
from kymflow.core.analysis.velocity._plan import MINIMUM_WEIGHT

_Floats = NDArray[np.float32]
_Doubles = NDArray[np.float64]
_Integers = NDArray[np.int64]

_At = np.uintp
_ONE = np.float32(1.0)
#: Rows of a window are padded to a multiple of the widest SIMD register.
_REGISTER = 16


def refine(
    lines: _Floats, starts: _Integers, window_lines: int, velocity: _Doubles
) -> tuple[_Doubles, _Doubles, _Doubles]:
    """Twin of `_shear.refine`: one bin of a line per SIMD lane."""
    order = np.argsort(velocity, kind="stable")
    out = np.zeros((3, starts.size))
    _refine(
        lines, starts, window_lines, velocity, order, np.float32(MINIMUM_WEIGHT), _REGISTER, out
    )
    return out[0], out[1], out[2]


@fast
def _refine(
    lines: _Floats,
    starts: _Integers,
    w: int,
    velocity: _Doubles,
    order: _Integers,
    minimum_weight: np.float32,
    register: int,
    out: _Doubles,
) -> None:
    n = lines.shape[1]
    # Rows have an empty bin on both sides of a moved line, and are padded.
    width = (n + 3 + register - 1) // register * register
    size = w * width
    first, carry = np.empty(w, np.int64), np.empty(w, np.float32)
    row = np.zeros(width + 1, np.float32)
    share, inverse_others = np.empty((w, width), np.float32), np.empty((w, width), np.float32)
    # c, c (t - s) and c (t - s)**2, zero where there is no prediction.
    trust = np.empty((3, w, width), np.float32)
    moved, predicted = np.zeros(size, np.float32), np.zeros(size, np.float32)
    total = np.empty(0, np.float32)
    inverse_weight = total
    pixels, before = np.float32(0), np.nan
    own, inverse = share.reshape(size), inverse_others.reshape(size)
    trust0, trust1, trust2 = (
        trust[0].reshape(size),
        trust[1].reshape(size),
        trust[2].reshape(size),
    )
    half, one, two = np.float32(0.5), _At(1), _At(2)
    for g in order:
        if velocity[g] != before:
            before = velocity[g]
            _moved_bins(before, first, carry)
            total = np.empty(first.max() + width, np.float32)
            inverse_weight = np.zeros(total.size, np.float32)
            pixels = _geometry(
                n, first, carry, minimum_weight, share, inverse_weight, inverse_others, trust
            )
        total[:] = 0
        for t in range(w):
            line, c, k = lines[starts[g] + t], carry[t], _ONE - carry[t]
            m, p = _At(t * width), _At(first[t])
            for x in range(n):
                row[_At(x + 2)] = line[x]
            for j in range(width - 1):
                moved[m + _At(j)] = k * row[_At(j + 1)] + c * row[_At(j)]
            for j in range(width):
                total[p + _At(j)] += moved[m + _At(j)]
        explained = np.float32(0)
        for u in range(total.size):
            explained += total[u] * total[u] * inverse_weight[u]
        out[2, g] = explained

        for t in range(w):
            m, p = _At(t * width), _At(first[t])
            for j in range(width):
                at = m + _At(j)
                predicted[at] = (total[p + _At(j)] - moved[at]) * inverse[at]
        top, bottom, residual = np.float32(0), np.float32(0), np.float32(0)
        for j in range(size - 2):
            at = _At(j)
            slope = half * (predicted[at + two] - predicted[at])
            error = moved[at + one] - own[at + one] * predicted[at + one]
            top -= trust1[at + one] * slope * error
            bottom += trust2[at + one] * slope * slope
            residual += trust0[at + one] * error * error
        if bottom > 0 and residual > 0:
            out[0, g] = top / bottom
            out[1, g] = bottom * pixels / residual


@exact
def _moved_bins(velocity: float, first: _Integers, carry: _Floats) -> None:
    """Twin of `_plan.moved_bins`."""
    least = min(0.0, -velocity * (first.size - 1))
    for t in range(first.size):
        shift = -velocity * t - least
        first[t] = np.int64(np.floor(shift))
        carry[t] = np.float32(shift - np.floor(shift))


@fast
def _geometry(
    n: int,
    first: _Integers,
    carry: _Floats,
    minimum_weight: np.float32,
    share: _Floats,
    inverse_weight: _Floats,
    inverse_others: _Floats,
    trust: _Floats,
) -> np.float32:
    """Fill in what does not depend on pixels, and return how many pixels are predicted."""
    w = first.size
    share[:], trust[:] = 0, 0
    weight, moment = np.zeros_like(inverse_weight), np.zeros_like(inverse_weight)
    for t in range(w):
        row, low, time = share[t], _At(first[t]), np.float32(t)
        row[1] = _ONE - carry[t]
        row[2 : n + 1] = 1
        row[n + 1] = carry[t]
        for j in range(row.size):
            weight[low + _At(j)] += row[_At(j)]
            moment[low + _At(j)] += row[_At(j)] * time
    for u in range(weight.size):
        inverse_weight[u] = _ONE / weight[u] if weight[u] > np.float32(1e-4) else np.float32(0)
    pixels = np.float32(0)
    for t in range(w):
        row, inverse, low, time = share[t], inverse_others[t], _At(first[t]), np.float32(t)
        trust0, trust1, trust2 = trust[0, t], trust[1, t], trust[2, t]
        for j in range(row.size):
            others = weight[low + _At(j)] - row[_At(j)]
            inverse[_At(j)] = _ONE / others if others > minimum_weight else np.float32(0)
        for j in range(n + 1):
            at = _At(j + 1)
            known = inverse[_At(j)] * inverse[at] * inverse[_At(j + 2)] > 0
            own = row[at] if known else np.float32(0)
            share_trusted = _ONE / (_ONE + inverse[at]) if known else np.float32(0)
            lever = own * (time - (moment[low + at] - time * row[at]) * inverse[at])
            trust0[at] = share_trusted
            trust1[at] = share_trusted * lever
            trust2[at] = share_trusted * lever * lever
            pixels += own * own
    return pixels
