"""Checks of what a caller hands in. Behind this module, pixels and parameters are what they say."""

from __future__ import annotations

import math
import operator

import numpy as np
from numpy.typing import NDArray

from kymflow.core.errors import AnalysisParameterError, InvalidKymographError

#: Fewer pixels cannot show a texture and its motion at the same time.
MINIMUM_PIXELS = 5
_BLOCK = 1 << 20
#: Window lengths of which the likeliest is taken unless one is given.
_SCALES = (16, 64, 256)


def cropped(
    kymograph: NDArray[np.generic],
    line_range: tuple[int, int] | None,
    pixel_range: tuple[int, int] | None,
    window_lines: int,
) -> NDArray[np.generic]:
    """Return the checked crop of the recording as a view, ``(time, space)``.

    Raises:
        InvalidKymographError: These pixels cannot be analyzed.
        AnalysisParameterError: A range does not fit the recording.
    """
    pixels = np.asarray(kymograph)
    if pixels.ndim != 2:
        raise InvalidKymographError(
            f"it has {pixels.ndim} dimensions; give one channel of shape (time, space)"
        )
    if pixels.dtype.kind not in "uif":
        raise InvalidKymographError(
            f"its pixels are {pixels.dtype}; give integers or real floating-point numbers"
        )
    rows = _range("line_range", line_range, pixels.shape[0])
    columns = _range("pixel_range", pixel_range, pixels.shape[1])
    pixels = pixels[rows, columns]
    lines, n = pixels.shape
    if n < MINIMUM_PIXELS:
        raise InvalidKymographError(
            f"a line of {n} pixels is too short; give at least {MINIMUM_PIXELS} pixels"
        )
    if lines < window_lines:
        raise InvalidKymographError(
            f"a window of {window_lines} lines is longer than the recording of {lines} lines; "
            "give shorter windows or more lines"
        )
    if not pixels.dtype.isnative:
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    return pixels


def fill_missing_lines(pixels: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the recording with lines that hold no number at all replaced by the columns' means.

    There they hold no texture, and so no motion. Without such lines the recording itself is
    returned; where they are most of it, too.
    """
    if pixels.dtype.kind != "f":
        return pixels
    rows = max(1, _BLOCK // pixels.shape[1])
    parts = [pixels[low : low + rows] for low in range(0, len(pixels), rows)]
    missing = np.concatenate([~np.isfinite(part).any(axis=1) for part in parts])
    if not 0.0 < missing.mean() <= 0.5:
        return pixels
    with np.errstate(invalid="ignore"):  # columns with single values that are not numbers
        mean = pixels[~missing].mean(axis=0, dtype=np.float64)
    filled = pixels.copy()
    filled[missing] = mean
    return filled


def finite_columns(pixels: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return which columns hold nothing but numbers, bool ``(space,)``.

    Raises:
        InvalidKymographError: Too few do.
    """
    finite = np.ones(pixels.shape[1], bool)
    if pixels.dtype.kind != "f":
        return finite
    rows = max(1, _BLOCK // pixels.shape[1])
    for low in range(0, len(pixels), rows):
        finite &= np.isfinite(pixels[low : low + rows]).all(axis=0)
    if np.count_nonzero(finite) < MINIMUM_PIXELS:
        line = int(np.flatnonzero(~np.isfinite(pixels).all(axis=1))[0])
        pixel = int(np.flatnonzero(~np.isfinite(pixels[line]))[0])
        raise InvalidKymographError(
            f"pixel {pixel} of line {line} is not finite but {pixels[line, pixel]}, and only "
            f"{np.count_nonzero(finite)} columns hold nothing but numbers; replace such pixels, or "
            "leave them out with a range"
        )
    return finite


def _range(name: str, given: tuple[int, int] | None, size: int) -> slice:
    if given is None:
        return slice(0, size)
    start, stop = given
    if not 0 <= start < stop <= size:
        raise AnalysisParameterError(name, given, f"0 <= start < stop <= {size}")
    return slice(start, stop)


def optional_positive(name: str, value: float | None) -> float | None:
    """Return a positive finite number as float, or None.

    Raises:
        AnalysisParameterError: It is neither.
    """
    if value is None:
        return None
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise AnalysisParameterError(name, value, "a positive finite number, or None if not known")
    return number


def check_dwell(dwell: float | None, period: float | None, *, pixels: int) -> None:
    """Refuse a dwell time at which the pixels of a line take longer than the line.

    Raises:
        AnalysisParameterError: They do, or there is a dwell time without a line period.
    """
    if dwell is None:
        return
    if period is None:
        raise AnalysisParameterError(
            "dwell_seconds", dwell, "seconds_per_line too, which the correction needs"
        )
    if dwell * pixels > period * (1.0 + 1e-6):  # equal but for rounding is fine
        raise AnalysisParameterError(
            "dwell_seconds",
            dwell,
            f"at most {period / pixels:.6g}, since {pixels} pixels are scanned within the line "
            f"period of {period:.6g} s",
        )


def window_lengths(window_lines: int | None) -> tuple[int, ...]:
    """Return the window lengths to try, the shortest first.

    Raises:
        AnalysisParameterError: The one given is not a multiple of four, or shorter than eight.
        TypeError: It is not a whole number.
    """
    if window_lines is None:
        return _SCALES
    lines = operator.index(window_lines)
    if lines < 8 or lines % 4:
        raise AnalysisParameterError("window_lines", window_lines, "a multiple of 4, at least 8")
    return (lines,)
