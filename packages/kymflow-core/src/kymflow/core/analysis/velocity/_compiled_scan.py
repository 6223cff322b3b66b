"""Compiled twin of `_shear.scan`: the same sums, one window per SIMD lane."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._grid import ShearPlan
from kymflow.core.analysis.velocity._jit import fast

_Floats = NDArray[np.float32]
_Integers = NDArray[np.int64]

#: Windows that are worked on side by side; so many keep every buffer in a core's own cache.
_LANES = 96
_ONE = np.float32(1.0)


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


@fast
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


@fast
def _add_line(
    out: _Floats, here: _Floats, before: _Floats, keep: np.float32, carry: np.float32
) -> None:
    for j in range(out.size):
        out[j] += keep * here[j] + carry * before[j]


@fast
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


@fast
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


@fast
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


@fast
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
