"""From raw pixels to what a texture that moves adds to or takes from its column.

``y(t, x) = (I(t, x) - m(x)) / a(x)``, less what a whole line has in common, then [1 2 1]/4 along
``x``. ``m`` is the column's mean over the recording, so that uneven illumination, which never
moves, is gone, while a texture that stands still for a while (a stall) stays. The filter takes out
noise finer than the optics; the two edge pixels are left alone, because a padded filter would drag
texture towards the edges.

Derived here, all from the recording itself:

- A line weighs in ``m`` by how much it differs from those `_APART_LINES` away. Texture that stands
  still for most of a recording would otherwise become a part of the mean, and its negative would
  then stand still wherever blood flows.
- Neighbouring pixels of a line share texture but no noise, so their covariance over time is the
  variance of the texture ``s(x)**2``. The scale ``a`` is the mean, as brightness is a factor,
  unless texture varies by more than light can: then a background was subtracted, and ``a``
  follows ``s``.
- The columns used are those, side by side, that make the texture stand out most:
  ``sum s**2 / sqrt(sum (s**2 + noise)**2)``. A line may run beyond the vessel.
- Pixels far apart on a line share no texture. What they share is an offset of the line (laser,
  amplifier); the best linear estimate of it, a share of the line's mean, is taken out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity._inputs import MINIMUM_PIXELS
from kymflow.core.errors import InvalidKymographError

_Doubles = NDArray[np.float64]

#: The filter leaves neighbouring pixels' noise alike: a sum over a smooth slope has the variance of
#: unfiltered noise, while residuals show this share of it (the sum of the squared filter taps).
NOISE_VARIANCE_SHARE = 0.375
#: A column darker than this share of the mean pixel has no signal to divide by.
_DEAD_FRACTION = 1e-3
#: Texture of standard deviation ``s`` has a mean of about ``1.5 s`` or more, as there is no light
#: below black.
_SMALLEST_MEAN = 1.5
#: Pixels converted at once: bounds memory, and a block stays in the processor's cache.
_BLOCK_PIXELS = 1 << 17
#: Lines are compared in groups of so many, with those so far away.
_GROUP_LINES = 5
_APART_LINES = 20
#: Rests are looked for by the 100th part of a recording. Lines rest that move less than 0.08 of
#: what others do; the mean is only spoilt if 0.02 of them rest, and noise does not hide it.
_RESTS, _AT_REST, _REST_SHARE, _WORTH_SEEING = 100, 0.08, 0.02, 0.2
#: Lines at rest differ along the line by this share of what texture that passes does.
_UNEVEN = 0.25
#: Lines that covariances are taken from, spread over the recording.
_SAMPLE_LINES, _PRODUCT_LINES = 2048, 64
#: Fewer lines say nothing about which columns show a texture.
_FEWEST_LINES = 500
#: Pixels so far apart are not of the same cell.
_FAR_PIXELS = 15
#: Columns are left out only if texture then stands out by this factor more.
_WORTHWHILE = 1.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a recording's columns have in common over time. Arrays are of the columns used.

    Attributes:
        first: First column used.
        stop: Column after the last one used.
        mean: ``m(x)``, float32 ``(space,)``.
        inverse_scale: ``1 / a(x)``, float32 ``(space,)``; zero where `dead`.
        dead: Columns without any light, or with values that are not numbers, bool ``(space,)``:
            flattened to zero.
        common_share: Share of a line's mean that is an offset of the line, 0 to 1.
        static_share: Share of the recording's variance that never moves, 0 to 1: the variance
            over ``x`` of the column means, divided by the variance of all pixels.
        saturated_share: Share of pixels at the recording's brightest value.
    """

    first: int
    stop: int
    mean: NDArray[np.float32]
    inverse_scale: NDArray[np.float32]
    dead: NDArray[np.bool_]
    common_share: float
    static_share: float
    saturated_share: float


def column_statistics(pixels: NDArray[np.generic], finite: NDArray[np.bool_]) -> Columns:
    """Return the statistics of all columns.

    Args:
        pixels: The recording, ``(time, space)``.
        finite: Columns in which every pixel is a number, bool ``(space,)``.

    Raises:
        InvalidKymographError: The mean of the pixels is not positive.
    """
    lines, n = pixels.shape
    brightest = pixels.max() if finite.all() else pixels[:, finite].max()
    saturated, squares = 0, 0.0
    # Sums of squares are taken about a pivot: far from zero they would cancel.
    pivot = np.float32(pixels[: min(lines, 64), finite].astype(np.float64).mean())
    groups = np.zeros((-(-lines // _GROUP_LINES), n), np.float32)
    per_block = max(1, _BLOCK_PIXELS // n // _GROUP_LINES)
    for low in range(0, len(groups), per_block):
        raw = pixels[low * _GROUP_LINES : (low + per_block) * _GROUP_LINES]
        saturated += int(np.count_nonzero(raw == brightest))
        block = raw.astype(np.float32)
        block -= pivot
        block[:, ~finite] = 0.0
        # Line-sized pieces keep single precision harmless, and this is one fast pass.
        squares += float(np.einsum("tx,tx->t", block, block).sum(dtype=np.float64))
        whole = len(block) // _GROUP_LINES
        pieces = block[: whole * _GROUP_LINES].reshape(whole, _GROUP_LINES, n)
        np.einsum("gtx->gx", pieces, out=groups[low : low + whole])
        groups[low + whole : low + per_block] = block[whole * _GROUP_LINES :].sum(axis=0)
    total = np.einsum("gx->x", groups.astype(np.float64))
    groups = groups[: lines // _GROUP_LINES]
    groups /= np.float32(_GROUP_LINES)
    live = np.count_nonzero(finite)
    mean = total / lines
    variance = squares / (lines * live) - float(mean[finite].mean()) ** 2
    spread = float(mean[finite].var())
    overall = float(mean[finite].mean()) + float(pivot)
    if not overall > 0:
        raise InvalidKymographError(
            f"its mean is {overall:.6g}; velocity is estimated from brightness relative to the "
            "mean of each column, so give pixels that are positive where there is light"
        )
    if variance <= 1e-12 * max(overall * overall, 1e-300):
        static = 1.0
    else:
        static = float(min(1.0, spread / variance))
    pairs = _line_pairs(pixels, finite)
    mean, weight = _moving_mean(groups, pairs, mean, float(pivot))
    mean += float(pivot)
    pairs -= np.where(finite, mean, 0.0)
    # Where texture rests, columns differ by where its cells happen to be.
    spread_out = np.linspace(0, len(weight) - 1, pairs.shape[1]).astype(np.int64)
    covariance = _covariance(pairs[0], weight[spread_out])
    offset = _offset_variance(covariance, np.einsum("ptx->pt", pairs))
    texture = np.sqrt(_texture_variance(covariance - offset))
    scale = np.maximum(mean, _SMALLEST_MEAN * texture)
    dead = ~finite | (scale <= _DEAD_FRACTION * overall)
    inverse = np.divide(1.0, scale, out=np.zeros(n), where=~dead)
    covariance *= np.outer(inverse, inverse)
    first, stop = 0, n
    common = 0.0
    if lines >= _FEWEST_LINES:
        first, stop = _columns_with_texture(covariance, offset * np.outer(inverse, inverse))
        used = slice(first, stop)
        of_means = float(covariance[used, used].mean())
        shared = _offset_variance(covariance[used, used], pairs[..., used] @ inverse[used])
        common = min(shared / of_means, 1.0) if of_means > 0 else 0.0
    used = slice(first, stop)
    return Columns(
        first=first,
        stop=stop,
        mean=mean[used].astype(np.float32),
        inverse_scale=inverse[used].astype(np.float32),
        dead=dead[used],
        common_share=common,
        static_share=static,
        saturated_share=saturated / (lines * live),
    )


def _moving_mean(
    groups: NDArray[np.float32], pairs: _Doubles, mean: _Doubles, pivot: float
) -> tuple[_Doubles, _Doubles]:
    """Return the mean of all columns over lines that differ from those `_APART_LINES` away.

    The second value is what groups weigh in it, ``(groups,)``.

    Args:
        groups: Means of `_GROUP_LINES` lines, less the pivot, ``(groups, space)``.
        pairs: Lines and those that follow them, ``(2, pairs, space)``.
        mean: The plain mean, less the pivot, for recordings too short to compare, or that
            hardly stand still.
        pivot: What brightness is relative to here.
    """
    apart = _APART_LINES // _GROUP_LINES
    evenly = np.ones(max(1, len(groups)))
    if len(groups) < _FEWEST_LINES // _GROUP_LINES:
        return mean, evenly
    # A rest that spoils the mean is long: single cells do not count.
    reach = max(5, len(groups) // _RESTS)
    change = _smooth(np.square(groups[apart:] - groups[:-apart]).mean(axis=1), reach)
    # What noise changes, from where neighbouring lines are most alike.
    jitter = np.square(pairs[1] - pairs[0]).mean(axis=1)
    noise = float(np.percentile(_smooth(jitter, max(5, len(jitter) // _RESTS)), 2.0)) / _GROUP_LINES
    motion = np.maximum(change - noise, 0.0)
    most = float(np.percentile(motion, 98.0))
    if most <= _WORTH_SEEING * noise or (motion < _AT_REST * most).mean() < _REST_SHARE:
        return mean, evenly
    middle = np.arange(motion.size) + (apart + reach - 1) / 2.0
    every = np.interp(np.arange(len(groups)), middle, motion)
    weight = np.square(every) + 1e-6 * most**2
    moving: _Doubles = (weight @ groups) / weight.sum()
    # Where no cell is in view nothing changes either. Then lines are even, and spoil no mean.
    standing = groups[every < _AT_REST * most].mean(axis=0) - moving
    texture = np.sqrt((weight @ np.square(groups - moving.astype(np.float32))) / weight.sum())
    light = np.maximum(moving + pivot, texture)
    if (standing / light).std() <= _UNEVEN * (texture / light).mean():
        return mean, evenly
    return moving, weight


def _smooth(values: NDArray[np.floating[Any]], reach: int) -> _Doubles:
    """Return means of `reach` values, ``(values - reach + 1,)``."""
    total = np.insert(np.cumsum(values, dtype=np.float64), 0, 0.0)
    smooth: _Doubles = (total[reach:] - total[:-reach]) / reach
    return smooth


def _line_pairs(pixels: NDArray[np.generic], finite: NDArray[np.bool_]) -> _Doubles:
    """Return lines spread over the recording, and those that follow them, ``(2, pairs, space)``."""
    first = np.arange(0, len(pixels) - 1, max(1, len(pixels) // _SAMPLE_LINES))
    pairs = np.stack([pixels[first], pixels[first + 1]]).astype(np.float64)
    pairs[..., ~finite] = 0.0
    return pairs


def _covariance(lines: _Doubles, weight: _Doubles) -> _Doubles:
    """Return the covariance of all columns over lines that weigh so much, ``(space, space)``."""
    weight = weight / weight.sum()
    lines = (lines - weight @ lines) * np.sqrt(weight)[:, None]
    # A large product would be spread over threads, which wait for each other on a busy machine.
    parts = np.array_split(lines, -(-len(lines) // _PRODUCT_LINES))
    covariance: _Doubles = np.sum([part.T @ part for part in parts], axis=0)
    return covariance


def _texture_variance(covariance: _Doubles) -> _Doubles:
    """Return ``s**2`` of each column: the covariance with its neighbours."""
    beside = np.diagonal(covariance, 1)
    both = np.append(beside, beside[-1]) + np.insert(beside, 0, beside[0])
    return np.maximum(both / 2.0, 0.0)


def _columns_with_texture(covariance: _Doubles, offset: _Doubles) -> tuple[int, int]:
    """Return first and last-plus-one of the columns in which texture stands out most.

    Args:
        covariance: Of all columns.
        offset: What an offset of the whole line adds to it; that is not texture.
    """
    n = len(covariance)
    texture = np.insert(np.cumsum(_texture_variance(covariance - offset)), 0, 0.0)
    squares = np.insert(np.cumsum(np.square(np.diagonal(covariance))), 0, 0.0)
    if n <= MINIMUM_PIXELS or not squares[-1] > 0:
        return 0, n
    low, high = np.triu_indices(n + 1, MINIMUM_PIXELS)
    power = squares[high] - squares[low]
    standing = np.divide(
        texture[high] - texture[low], np.sqrt(power), out=np.zeros(low.size), where=power > 0
    )
    best = int(standing.argmax())
    if standing[best] <= _WORTHWHILE * texture[-1] / np.sqrt(squares[-1]):
        return 0, n
    return int(low[best]), int(high[best])


def _offset_variance(covariance: _Doubles, line_sums: _Doubles) -> float:
    """Return the variance of the offset that the pixels of a line have in common.

    Args:
        covariance: Of the columns.
        line_sums: Of lines and of those that follow them, ``(2, pairs)``.
    """
    n = len(covariance)
    apart = np.abs(np.subtract.outer(np.arange(n), np.arange(n))).ravel()
    by_lag = np.bincount(apart, covariance.ravel()) / np.bincount(apart)
    far = by_lag[max(n // 2, _FAR_PIXELS) : n - 2]
    if not far.size:
        return 0.0
    # The offset is new in each line, while texture stays: it cannot be more than what changes.
    changes = float(np.square(line_sums[1] - line_sums[0]).mean()) / (2.0 * n * n)
    return max(min(float(far.min()), changes), 0.0)


def flatten(pixels: NDArray[np.generic], columns: Columns) -> NDArray[np.float32]:
    """Return ``y`` of some lines, float32 ``(time, space)``.

    Args:
        pixels: Lines of the recording, the columns used, ``(time, space)``.
        columns: The recording's columns.
    """
    flat = pixels.astype(np.float32)
    flat[:, columns.dead] = 0.0  # some are not numbers
    flat -= columns.mean
    flat *= columns.inverse_scale
    if columns.common_share:
        share = np.float32(columns.common_share / max(1, int((~columns.dead).sum())))
        flat -= share * flat.sum(axis=1, keepdims=True)
        flat[:, columns.dead] = 0.0
    return smoothed(flat)


def smoothed(flat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return lines filtered by [1 2 1]/4, their edge pixels as they were; `flat` is overwritten."""
    smooth = flat.copy()
    inner = smooth[:, 1:-1]
    np.add(flat[:, :-2], flat[:, 2:], out=inner)
    inner *= np.float32(0.25)
    flat *= np.float32(0.5)
    inner += flat[:, 1:-1]
    return smooth
