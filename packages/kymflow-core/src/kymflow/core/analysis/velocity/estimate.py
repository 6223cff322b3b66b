"""`estimate_velocity`: from pixels and calibration to velocity over time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow.core.analysis.velocity._evidence import MOST_SATURATED, is_empty
from kymflow.core.analysis.velocity._inputs import (
    check_dwell,
    cropped,
    fill_missing_lines,
    finite_columns,
    optional_positive,
    window_lengths,
)
from kymflow.core.analysis.velocity._kernels import Backend, load_kernels
from kymflow.core.analysis.velocity._methods import by_radon, by_shear
from kymflow.core.analysis.velocity._plan import ALIAS_FRACTION, fastest_searched, shear_plan
from kymflow.core.analysis.velocity._preprocess import column_statistics
from kymflow.core.analysis.velocity._tracking import POOL_REACH
from kymflow.core.analysis.velocity._windows import windows_of
from kymflow.core.analysis.velocity.result import Method, VelocityResult, WindowStatus
from kymflow.core.errors import AnalysisParameterError


def estimate_velocity(
    kymograph: ArrayLike,
    *,
    seconds_per_line: float | None,
    um_per_pixel: float | None,
    window_lines: int | None = 16,
    method: Method = "shear",
    tracked: bool = True,
    line_range: tuple[int, int] | None = None,
    pixel_range: tuple[int, int] | None = None,
    dwell_seconds: float | None = None,
    max_px_per_line: float | None = None,
    unknown_below: float | None = None,
    backend: Backend = "auto",
) -> VelocityResult:
    """Estimate velocity in windows of lines, with the evidence for it.

    The model is a texture that moves, ``y(t, x) = f(x - v t) + noise`` with unknown ``f``. ``y`` is
    what a pixel adds to its column's mean over the recording, in units of that mean, smoothed by
    [1 2 1]/4 along the line; columns beside the vessel are left out. For a candidate ``v`` every
    line of a window is moved back by ``v t`` and summed into bins: ``P(u)``, of ``W(u)`` pixels.
    Then::

        S(v)     = sum_u P(u)**2 / W(u)                         explained sum of squares
        R2adj(v) = 1 - (1 - S(v) / SST) * n / (n - K(v))        K(v) = E[S(v)] for white noise

    Candidates lie ``6 px * max(1 / w, |v| / N)`` apart (``w`` lines per window, ``N`` pixels), from
    ``-max_px_per_line`` to ``+max_px_per_line``. The chosen candidate is corrected by predicting
    each line from the others and fitting how far it is displaced. Windows start every
    ``window_lines / 4`` lines. All of this is derived here; see docs/velocity.md.

    Sign: positive velocity is motion towards growing pixel index.

    It computes in the calling thread and releases the GIL when compiled: for several recordings
    use an executor of threads or processes.

    Args:
        kymograph: Pixels of one channel, ``(time, space)``, integers or floats.
        seconds_per_line: Line period; None if not known: then `time_s` and `velocity_mm_s` of the
            result are None. A calibration is never assumed.
        um_per_pixel: Pixel size along the line; None if not known: `velocity_mm_s` is None.
        window_lines: Lines per window, a multiple of 4. Longer windows resolve slower flow and
            endure more noise; shorter ones follow faster changes. None takes 16, 64 or 256 for the
            recording, whichever is likeliest: with longer windows fewer velocities explain it.
        method: ``"shear"``, or ``"radon"``: the method in common use, for comparison (thousands
            of times slower, extra ``kymflow-core[radon]``).
        tracked: Choose the candidates of all windows together, as a path that seldom jumps, and
            average neighbouring windows as far as flow is steady. False estimates every window
            on its own. Ignored by ``method="radon"``.
        line_range: First line and line after the last to analyze.
        pixel_range: First pixel and pixel after the last to analyze.
        dwell_seconds: Time from one pixel to the next while a line is scanned. Given, velocity
            is corrected for the scan that moves with, or against, the flow: a cell at apparent
            velocity ``a`` px/line moves at ``a / (1 + a * dwell_seconds / seconds_per_line)``.
        max_px_per_line: Fastest velocity to search; by default 0.6 of the line per line; if
            `tracked`, 0.75 of one below 20 pixels.
        unknown_below: Windows with less R²adj are ``"unknown"``, like those in which lines that
            flicker as a whole explain more, or the best velocity is at the end of the search.
            By default a window is known that stands out from the recording's own lines in random
            order, of which fewer than 1 % do; in recordings that are too short for that, or in
            which texture rests, from ``max(0.2, 3.4 / sqrt(n))`` on, with ``n`` about
            ``0.375 w N``, which at most 2 % of windows of white noise reach.
        backend: ``"numba"`` (extra ``kymflow-core[fast]``), ``"numpy"``, or ``"auto"``: numba if
            installed. Results are equal to rounding.

    Returns:
        Velocity, evidence and status per window, and facts about the recording.

    Raises:
        InvalidKymographError: The pixels cannot be analyzed: wrong shape or type, a line or
            recording that is too short, no light, or too few columns of finite numbers.
        AnalysisParameterError: A parameter is outside its range.
        MissingExtraError: An optional dependency that was asked for is not installed.
    """
    lengths = window_lengths(window_lines)
    period = optional_positive("seconds_per_line", seconds_per_line)
    pixel_um = optional_positive("um_per_pixel", um_per_pixel)
    dwell = optional_positive("dwell_seconds", dwell_seconds)
    if method not in ("shear", "radon"):
        raise AnalysisParameterError("method", method, "'shear' or 'radon'")
    if unknown_below is not None and not 0.0 <= unknown_below < 1.0:
        raise AnalysisParameterError("unknown_below", unknown_below, "a number from 0 to below 1")
    array: NDArray[np.generic] = np.asarray(kymograph)
    pixels = fill_missing_lines(cropped(array, line_range, pixel_range, lengths[0]))
    check_dwell(dwell, period, pixels=array.shape[1])
    columns = column_statistics(pixels, finite_columns(pixels))
    pixels = pixels[:, columns.first : columns.stop]
    lines, n = pixels.shape
    tracked = tracked and method == "shear"
    fastest = optional_positive("max_px_per_line", max_px_per_line)
    fastest = fastest or fastest_searched(n, tracked=tracked)
    kernels = load_kernels(backend)
    flat = kernels.flatten(pixels, columns)
    found = max(
        (
            by_radon(pixels, windows, kernels, unknown_below)
            if method == "radon"
            else by_shear(windows, kernels, unknown_below, tracked=tracked)
            for windows in (
                windows_of(flat, shear_plan(n, w, fastest)) for w in lengths if w <= lines
            )
        ),
        key=lambda findings: findings.merit,
    )
    plan = found.windows.plan
    apparent, rival, error = found.velocity, found.rival, found.error

    status = np.full(apparent.size, WindowStatus.OK.value, dtype="<U7")
    alias_above = ALIAS_FRACTION * n
    status[(np.abs(apparent) > alias_above) | found.ambiguous] = WindowStatus.ALIAS.value
    status[~found.known | np.isnan(apparent)] = WindowStatus.UNKNOWN.value
    if columns.saturated_share > MOST_SATURATED:
        status[:] = WindowStatus.UNKNOWN.value
    empty = is_empty(found.windows.variation, found.r2adj, status != WindowStatus.UNKNOWN.value)
    candidate = apparent
    if dwell is not None and period is not None:
        stretch = 1.0 + apparent * (dwell / period)
        candidate = apparent / stretch
        error = error / stretch**2  # the slope of the correction
        rival = rival / (1.0 + rival * (dwell / period))
    velocity = np.where(status == WindowStatus.UNKNOWN.value, np.nan, candidate)
    second = np.where((status == WindowStatus.ALIAS.value) & found.ambiguous, rival, np.nan)

    first_line = 0 if line_range is None else line_range[0]
    center = first_line + found.windows.starts + (plan.window_lines - 1) / 2.0
    mm_s = None
    if period is not None and pixel_um is not None:
        mm_s = velocity * (pixel_um / period / 1000.0)
    return VelocityResult(
        center_line=_fixed(center),
        time_s=None if period is None else _fixed(center * period),
        velocity_px_per_line=_fixed(velocity),
        velocity_mm_s=None if mm_s is None else _fixed(mm_s),
        r2adj=_fixed(found.r2adj),
        status=_fixed(status),
        candidate_px_per_line=_fixed(candidate),
        standard_error_px_per_line=_fixed(error),
        second_px_per_line=_fixed(second),
        empty=_fixed(empty),
        dispersion=found.dispersion,
        method=method,
        tracked=tracked,
        backend=kernels.name,
        window_lines=plan.window_lines,
        step_lines=plan.step,
        support_lines=plan.window_lines + (2 * POOL_REACH * plan.step if tracked else 0),
        n_lines=lines,
        n_pixels=n,
        first_pixel=columns.first + (0 if pixel_range is None else pixel_range[0]),
        seconds_per_line=period,
        um_per_pixel=pixel_um,
        dwell_seconds=dwell,
        static_share=columns.static_share,
        saturated_share=columns.saturated_share,
        resolution_px_per_line=0.5 / plan.window_lines,
        unknown_below=found.threshold,
        alias_above_px_per_line=alias_above,
    )


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array
