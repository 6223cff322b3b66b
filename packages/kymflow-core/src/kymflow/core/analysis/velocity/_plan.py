"""Candidate velocities and everything about them that does not depend on the pixels.

A window has ``w`` lines of ``N`` pixels. For a candidate velocity ``v`` (px/line) line ``t`` is
moved back by ``v * t`` and summed into bins ``u``: ``P(u)`` is the sum of pixels, ``W(u)`` the sum
of their weights, and the explained sum of squares is ``S(v) = sum_u P(u)**2 / W(u)``. The scan
moves lines by whole pixels, the correction shares each pixel between two bins.

Two facts about a candidate are needed beside the shifts: ``1 / W(u)``, and ``K(v)``, the value of
``S(v)`` expected for white noise of unit variance. ``K(v)`` is how many degrees of freedom a
texture that moves at ``v`` has to fit noise with; without it the fastest candidates would win
every window that holds nothing but noise.

Derived here: a moved line is ``b = A H e`` where ``e`` is white noise, ``H`` the [1 2 1]/4 filter
of the preprocessing (edge pixels untouched) and ``A`` the taps ``a_j`` that a pixel is shared by,
so ``var b(u) = sum_jk a_j a_k G[u-j, u-k]`` with ``G = H H'``; lines are independent, hence
``K(v) = sum_u (sum_t var b_t(u)) / W(u)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_T = TypeVar("_T", bound=np.generic)

#: Largest displacement per line that is searched, as a share of the line's length. Cells are as
#: long as much of a narrow line, and so still in view when they have moved farther: enough for
#: windows that are estimated together, while a single one cannot be told from chance there.
_SEARCH_FRACTION, _NARROW_SEARCH_FRACTION = 0.6, 0.75
#: Beyond this share of the line per line, what is seen may be another cell: status ``alias``.
ALIAS_FRACTION = 0.45
#: Fine candidates per coarse candidate; refinement works on the fine ones.
REFINEMENT = 6
#: Coarse candidates this far from another are different velocities, not its flank.
RIVALS_APART = 4
#: Spacing of the coarse candidates in px of misalignment across the window (or across the line).
COARSE_STEP_PX = 6.0
#: Narrow lines have fewer pixels to tell candidates apart; they get denser candidates.
NARROW_LINE_PX = 20
NARROW_DENSITY = 1.5
#: A pixel needs this weight of other lines before it can be predicted from them.
MINIMUM_WEIGHT = 0.3
#: Candidates handled at once while weights are computed: bounds memory, changes nothing else.
_CHUNK_ELEMENTS = 50_000


def fastest_searched(n_pixels: int, *, tracked: bool) -> float:
    """Return the largest displacement that is searched unless one is given, px/line."""
    farther = tracked and n_pixels < NARROW_LINE_PX
    return (_NARROW_SEARCH_FRACTION if farther else _SEARCH_FRACTION) * n_pixels


def candidate_velocities(
    n_pixels: int, window_lines: int, max_px_per_line: float
) -> NDArray[np.float64]:
    """Return the coarse candidates in px/line, ascending, symmetric about an exact zero.

    The spacing follows what a window can resolve. A slow texture stays in sight for all ``w``
    lines, so two candidates differ once ``dv * w`` is a few pixels; a fast one leaves the line
    after ``N / |v|`` lines, so they differ once ``dv * N / |v|`` is. Hence
    ``dv = 6 px * max(1 / w, |v| / N)``.

    Args:
        n_pixels: Pixels per line.
        window_lines: Lines per window.
        max_px_per_line: The search ends at the first candidate at or above this.
    """
    density = NARROW_DENSITY if n_pixels < NARROW_LINE_PX else 1.0
    step_px = COARSE_STEP_PX / density
    positive = [0.0]
    while positive[-1] < max_px_per_line:
        last = positive[-1]
        positive.append(last + step_px * max(1.0 / window_lines, last / n_pixels))
    rising = np.array(positive)
    return np.concatenate([-rising[:0:-1], rising])


@dataclass(frozen=True, slots=True, kw_only=True)
class ShearPlan:
    """Shifts, weights and noise expectation of every candidate for one window geometry.

    The scan sums in two levels: ``step`` lines into a quarter, four quarters into a window, because
    a quarter serves the four windows that contain it. Shapes use ``m`` coarse candidates, ``s``
    lines per quarter and ``f = 6 (m - 1) + 1`` fine candidates; every sixth is coarse.

    Attributes:
        n_pixels: Pixels per line ``N``.
        window_lines: Lines per window ``w``, a multiple of four.
        step: Lines between windows, ``w / 4``.
        coarse: Coarse candidates in px/line, float64 ``(m,)``.
        fine: Fine candidates in px/line, float64 ``(f,)``.
        line_bin: First bin of each line inside its quarter, int64 ``(m, s)``.
        quarter_bin: First bin of each quarter inside the window, int64 ``(m, 4)``.
        inverse_weight: ``1 / W(u)`` of the scan, zero where no line reaches, float32
            ``(m, bins)``.
        noise_sum: ``K(v)`` of the scan, float64 ``(m,)``.
        fine_noise_sum: ``K(v)`` of the correction at the fine candidates, float64 ``(f,)``.
        degrees: ``n``, expected sum of squares of a window of filtered unit white noise.
    """

    n_pixels: int
    window_lines: int
    step: int
    coarse: NDArray[np.float64]
    fine: NDArray[np.float64]
    line_bin: NDArray[np.int64]
    quarter_bin: NDArray[np.int64]
    inverse_weight: NDArray[np.float32]
    noise_sum: NDArray[np.float64]
    fine_noise_sum: NDArray[np.float64]
    degrees: float

    def nearest_fine(self, velocity: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the index of the fine candidate nearest to each velocity (px/line)."""
        middle = 0.5 * (self.fine[1:] + self.fine[:-1])
        return np.searchsorted(middle, velocity).astype(np.int64)


@lru_cache(maxsize=32)
def shear_plan(n_pixels: int, window_lines: int, max_px_per_line: float) -> ShearPlan:
    """Return the plan for windows of this geometry (cached: recordings share geometries).

    Args:
        n_pixels: Pixels per line.
        window_lines: Lines per window, a multiple of four.
        max_px_per_line: Fastest velocity to search, px/line.
    """
    coarse = candidate_velocities(n_pixels, window_lines, max_px_per_line)
    parts = np.arange(REFINEMENT) / REFINEMENT
    fine = np.append((coarse[:-1, None] + np.diff(coarse)[:, None] * parts).ravel(), coarse[-1])
    step = window_lines // 4

    line_bin = _whole_shifts(coarse, np.arange(step))
    quarter_bin = _whole_shifts(coarse, step * np.arange(4))
    starts = (line_bin[:, None, :] + quarter_bin[:, :, None]).reshape(coarse.size, -1)
    weight, noise = _weight_and_noise(starts, np.ones((*starts.shape, 1)), n_pixels)

    # Noise has no direction: K(-v) = K(v). A correction's changes little between candidates.
    rising = np.append(coarse[coarse.size // 2 : -1 : 2], coarse[-1])
    first, carry = _shifts(rising, np.arange(window_lines))
    shares = np.stack([1.0 - carry, carry], axis=-1)
    shared_noise = _weight_and_noise(first, shares, n_pixels)[1]

    return ShearPlan(
        n_pixels=n_pixels,
        window_lines=window_lines,
        step=step,
        coarse=_fixed(coarse),
        fine=_fixed(fine),
        line_bin=_fixed(line_bin),
        quarter_bin=_fixed(quarter_bin),
        inverse_weight=_fixed(_inverse(weight).astype(np.float32)),
        noise_sum=_fixed(noise),
        fine_noise_sum=_fixed(np.interp(np.abs(fine), rising, shared_noise)),
        degrees=float(window_lines * np.trace(_filter_covariance(n_pixels))),
    )


def _fixed(array: NDArray[_T]) -> NDArray[_T]:
    array.flags.writeable = False
    return array


def _inverse(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(1.0, weight, out=np.zeros_like(weight), where=weight > 1e-4)


def _whole_shifts(velocity: NDArray[np.float64], lines: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first bin of every line moved back by ``v * t`` in whole pixels, all >= 0."""
    shift = np.rint(-velocity[:, None] * lines).astype(np.int64)
    shift -= shift.min(axis=1, keepdims=True)
    return shift


def _shifts(
    velocity: NDArray[np.float64], lines: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return first bin and next-bin weight of every line moved back by ``v * t``, all bins >= 0."""
    shift = -velocity[:, None] * lines
    shift -= shift.min(axis=1, keepdims=True)
    first = np.floor(shift)
    return first.astype(np.int64), shift - first


def moved_bins(velocity: float, lines: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return first bin and next-bin weight of lines ``0 .. lines - 1`` moved back by ``v * t``."""
    first, carry = _shifts(np.array([velocity]), np.arange(lines))
    return first[0], carry[0].astype(np.float32)


def line_sum_variance(n_pixels: int) -> float:
    """Return the variance of the sum over a line of filtered unit white noise."""
    return float(_filter_covariance(n_pixels).sum())


def _filter_covariance(n_pixels: int) -> NDArray[np.float64]:
    """Return ``G = H H'`` of the [1 2 1]/4 filter that leaves both edge pixels alone."""
    h = np.zeros((n_pixels, n_pixels))
    inner = np.arange(1, n_pixels - 1)
    h[inner, inner - 1] = h[inner, inner + 1] = 0.25
    h[inner, inner] = 0.5
    h[0, 0] = h[-1, -1] = 1.0
    return h @ h.T


def _weight_and_noise(
    starts: NDArray[np.int64], taps: NDArray[np.float64], n_pixels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``W(u)`` as ``(candidates, bins)`` and ``K(v)`` as ``(candidates,)``.

    Args:
        starts: First bin of each line, ``(candidates, lines)``.
        taps: How each line's pixels are shared by bins, ``(candidates, lines, taps)``.
        n_pixels: Pixels per line.
    """
    candidates, lines, n_taps = taps.shape
    width = n_pixels + n_taps - 1
    bins = int(starts.max()) + width
    g = _filter_covariance(n_pixels)
    # Row (j, k) holds G[u-j, u-k] over u, so that all variances are one matrix product.
    padded = np.zeros((n_pixels + 2 * n_taps, n_pixels + 2 * n_taps))
    padded[n_taps : n_taps + n_pixels, n_taps : n_taps + n_pixels] = g
    u = np.arange(width) + n_taps
    pairs = [(j, k) for j in range(n_taps) for k in range(n_taps)]
    covariance = np.stack([padded[u - j, u - k] for j, k in pairs])
    inside = np.zeros((n_taps, width))
    for j in range(n_taps):
        inside[j, j : j + n_pixels] = 1.0

    # Every line adds a near-box to its bins. Differences of a box vanish but at its ends: add
    # those up, then one running sum gives all bins.
    weight = np.empty((candidates, bins))
    noise = np.empty(candidates)
    chunk = max(1, _CHUNK_ELEMENTS // max(bins, lines * len(pairs)))
    for low in range(0, candidates, chunk):
        part = taps[low : low + chunk]
        products = np.stack([part[..., j] * part[..., k] for j, k in pairs], axis=-1)
        first = starts[low : low + chunk]
        total = _sum_boxes(first, part, inside, bins)
        variance = _sum_boxes(first, products, covariance, bins)
        weight[low : low + chunk] = total
        noise[low : low + chunk] = (variance * _inverse(total)).sum(axis=1)
    return weight, noise


def _sum_boxes(
    starts: NDArray[np.int64],
    amounts: NDArray[np.float64],
    shapes: NDArray[np.float64],
    bins: int,
) -> NDArray[np.float64]:
    """Return ``sum_lines amounts @ shapes`` placed at each line's start, ``(candidates, bins)``."""
    steps = np.diff(shapes, axis=1, prepend=0.0, append=0.0)
    (columns,) = np.nonzero(steps.any(axis=0))
    count, row = len(starts), bins + 1
    # One plain matrix product: a stack of small ones would be several times slower.
    heights = amounts.reshape(-1, len(shapes)) @ steps[:, columns]
    where = (starts + row * np.arange(count)[:, None]).reshape(-1, 1) + columns
    edges = np.bincount(where.ravel(), heights.ravel(), count * row).astype(np.float64, copy=False)
    return np.cumsum(edges.reshape(count, row), axis=1)[:, :bins]
