"""Compiled twins of `_preprocess.flatten` and `_tracking.best_path`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._jit import exact, fast
from kymflow.core.analysis.velocity._preprocess import Columns
from kymflow.core.analysis.velocity._tracking import JUMP_COST, LOCAL_COST

_Floats = NDArray[np.float32]
_Integers = NDArray[np.int64]


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


def best_path(score: _Floats) -> _Integers:
    """Twin of `_tracking.best_path`."""
    path = np.empty(len(score), np.int64)
    _best_path(score, path, LOCAL_COST, JUMP_COST)
    return path


@exact
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
