"""Computations of `_kernels`, compiled: the same sums as in NumPy, without its passes.

Offsets are unsigned (`_At`): with signed ones every access would be checked for a negative index,
which keeps loops from being turned into SIMD instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._jit import exact, fast
from kymflow.core.analysis.velocity._plan import ShearPlan
from kymflow.core.analysis.velocity._preprocess import Columns
from kymflow.core.analysis.velocity._tracking import JUMP_COST, LOCAL_COST

_Floats = NDArray[np.float32]
_Integers = NDArray[np.int64]

_At = np.uintp
#: Windows scanned side by side; so many keep every buffer in a core's own cache.
_LANES = 192


def flatten(pixels: NDArray[np.generic], columns: Columns) -> _Floats:
    """Twin of `_preprocess.flatten`."""
    out = np.empty(pixels.shape, np.float32)
    share = columns.common_share / max(1, int((~columns.dead).sum()))
    _flatten(pixels, columns.mean, columns.inverse_scale, columns.dead, np.float32(share), out)
    return out


@fast
def _flatten(
    pixels: NDArray[Any],
    mean: _Floats,
    inverse_scale: _Floats,
    dead: NDArray[np.bool_],
    share: np.float32,
    out: _Floats,
) -> None:
    lines, n = pixels.shape
    row = np.empty(n, np.float32)
    quarter, half = np.float32(0.25), np.float32(0.5)
    for t in range(lines):
        for x in range(n):
            row[x] = (np.float32(pixels[t, x]) - mean[x]) * inverse_scale[x]
        for x in range(n):
            if dead[x]:
                row[x] = 0
        if share > 0:
            total = np.float32(0)
            for x in range(n):
                total += row[x]
            for x in range(n):
                row[x] -= share * total
            for x in range(n):
                if dead[x]:
                    row[x] = 0
        out[t, 0] = row[0]
        out[t, n - 1] = row[n - 1]
        for x in range(1, n - 1):
            out[t, x] = quarter * (row[x - 1] + row[x + 1]) + half * row[x]


def scan(lines: _Floats, plan: ShearPlan) -> _Floats:
    """Twin of `_shear.scan`: one window per SIMD lane."""
    windows = len(lines) // plan.step - 3
    explained = np.empty((windows, plan.coarse.size), np.float32)
    lanes = min(_LANES, windows + 3)
    _scan(lines, lanes, plan.line_bin, plan.quarter_bin, plan.inverse_weight, explained)
    return explained


@fast
def _scan(
    lines: _Floats,
    lanes: int,
    line_bin: _Integers,
    quarter_bin: _Integers,
    inverse_weight: _Floats,
    out: _Floats,
) -> None:
    n = lines.shape[1]
    windows, candidates = out.shape
    step = line_bin.shape[1]
    pixels = np.empty(step * n * lanes, np.float32)
    quarter = np.empty((line_bin.max() + n) * lanes, np.float32)
    explained = np.empty(lanes, np.float32)
    for first in range(0, windows, lanes - 3):
        count = min(lanes - 3, windows - first)
        for t in range(step):
            for b in range(count + 3):
                for x in range(n):
                    pixels[_At((t * n + x) * lanes + b)] = lines[(first + b) * step + t, x]
        for i in range(candidates):
            rows = line_bin[i].max() + n
            _sum_moved(quarter, rows, lanes, pixels, n, line_bin[i])
            explained[:] = 0
            _add_windows(explained, quarter, rows, quarter_bin[i], inverse_weight[i])
            for b in range(count):
                out[first + b, i] = explained[b]


@exact
def _stretch(begin: int, length: int, moved: _Integers, size: int) -> tuple[int, int, int]:
    """Return which parts of this `size` reach bin `begin`, as a range, and until which bin."""
    low, high, end = moved.size, 0, length
    for k in range(moved.size):
        if moved[k] <= begin < moved[k] + size:
            low, high, end = min(low, k), max(high, k + 1), min(end, moved[k] + size)
        elif moved[k] > begin:
            end = min(end, moved[k])
    return low, high, end


@fast
def _sum_moved(
    out: _Floats, rows: int, lanes: int, values: _Floats, size: int, moved: _Integers
) -> None:
    """Sum the parts of `values`, of `size` rows each, moved by so many rows; up to four at once."""
    begin = 0
    while begin < rows:
        low, high, end = _stretch(begin, rows, moved, size)
        if low >= high:
            out[begin * lanes : end * lanes] = 0
        o, count = _At(begin * lanes), (end - begin) * lanes
        for k in range(low, high, 4):
            left = high - k
            a = _At((k * size + begin - moved[k]) * lanes)
            b = _At(((k + 1) * size + begin - moved[k + 1]) * lanes) if left > 1 else a
            c = _At(((k + 2) * size + begin - moved[k + 2]) * lanes) if left > 2 else a
            d = _At(((k + 3) * size + begin - moved[k + 3]) * lanes) if left > 3 else a
            if left == 1:
                _sum(out, o, count, values, (a,), k > low)
            elif left == 2:
                _sum(out, o, count, values, (a, b), k > low)
            elif left == 3:
                _sum(out, o, count, values, (a, b, c), k > low)
            else:
                _sum(out, o, count, values, (a, b, c, d), k > low)
        begin = end


@fast
def _sum(
    out: _Floats, to: np.uintp, count: int, values: _Floats, starts: tuple[np.uintp, ...], add: bool
) -> None:
    """Sum stretches of `values`; compiled for each number of `starts`."""
    for j in range(count):
        total = out[to + _At(j)] if add else np.float32(0)
        for start in starts:
            total += values[start + _At(j)]
        out[to + _At(j)] = total


@fast
def _add_windows(
    out: _Floats, quarter: _Floats, rows: int, moved: _Integers, inverse_weight: _Floats
) -> None:
    """Add the weighted squares of windows; quarter `m` of the one in lane `b` is in `b + m`."""
    begin, bins, lanes = 0, moved.max() + rows, out.size
    while begin < bins:
        low, high, end = _stretch(begin, bins, moved, rows)
        count, weight = high - low, inverse_weight[begin:end]
        a = _At((begin - moved[low]) * lanes + low) if count > 0 else _At(0)
        b = _At((begin - moved[low + 1]) * lanes + low + 1) if count > 1 else a
        c = _At((begin - moved[low + 2]) * lanes + low + 2) if count > 2 else a
        d = _At((begin - moved[low + 3]) * lanes + low + 3) if count > 3 else a
        if count == 1:
            _add_squares(out, quarter, (a,), weight)
        elif count == 2:
            _add_squares(out, quarter, (a, b), weight)
        elif count == 3:
            _add_squares(out, quarter, (a, b, c), weight)
        elif count == 4:
            _add_squares(out, quarter, (a, b, c, d), weight)
        begin = end


@fast
def _add_squares(
    out: _Floats, values: _Floats, starts: tuple[np.uintp, ...], weight: _Floats
) -> None:
    """Add the weighted squares of sums, four rows at a time; compiled as `_sum` is."""
    one, two, three = _At(out.size), _At(2 * out.size), _At(3 * out.size)
    by_four = weight.size // 4 * 4
    for u in range(0, by_four, 4):
        row = _At(u) * one
        a, b, c, d = weight[u], weight[u + 1], weight[u + 2], weight[u + 3]
        for j in range(out.size - 3):
            p = q = r = s = np.float32(0)
            for start in starts:
                at = start + row + _At(j)
                p += values[at]
                q += values[at + one]
                r += values[at + two]
                s += values[at + three]
            out[_At(j)] += (p * p * a + q * q * b) + (r * r * c + s * s * d)
    for u in range(by_four, weight.size):
        row = _At(u) * one
        for j in range(out.size - 3):
            p = np.float32(0)
            for start in starts:
                p += values[start + row + _At(j)]
            out[_At(j)] += p * p * weight[u]


def best_path(score: _Floats) -> _Integers:
    """Twin of `_tracking.best_path`."""
    path = np.empty(len(score), np.int64)
    _best_path(score, path, LOCAL_COST, JUMP_COST)
    return path


@exact
def _best_path(score: _Floats, path: _Integers, local: float, jump: float) -> None:
    windows, candidates = score.shape
    reach = int(np.ceil(jump / local)) - 1
    # How far each candidate is below the best one, with some on both sides that cannot be it.
    below = np.full(candidates + 2 * reach, -np.inf)
    best = np.empty(candidates, np.float64)
    top = np.empty(windows, np.int64)
    for k in range(windows):
        row = score[k]
        if k > 0:
            for j in range(candidates):
                best[j] = -jump
            for d in range(-reach, reach + 1):
                start, cost = _At(reach + d), local * abs(d)
                for j in range(candidates):
                    value = below[start + _At(j)] - cost
                    best[j] = value if value > best[j] else best[j]
            for j in range(candidates):
                row[j] = np.float32(np.float64(row[j]) + best[j])
        at = 0
        for j in range(1, candidates):
            at = j if row[j] > row[at] else at
        top[k] = at
        for j in range(candidates):
            below[reach + j] = np.float64(row[j]) - np.float64(row[at])
    at = top[windows - 1]
    path[windows - 1] = at
    for k in range(windows - 2, -1, -1):
        here, at = at, top[k]
        most = np.float64(score[k, at]) - min(local * abs(at - here), jump)
        for j in range(max(0, here - reach), min(candidates, here + reach + 1)):
            value = np.float64(score[k, j]) - local * abs(j - here)
            if value > most:
                most, at = value, j
        path[k] = at
