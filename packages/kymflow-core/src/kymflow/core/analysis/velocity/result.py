"""What a velocity estimate consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from kymflow.core.errors import AnalysisParameterError

if TYPE_CHECKING:
    import pandas as pd

Method = Literal["shear", "radon"]


class WindowStatus(StrEnum):
    """What a window's velocity is worth. Members compare equal to their plain text.

    Attributes:
        OK: The texture of the window moves at this velocity.
        UNKNOWN: No velocity explains the window: its velocity is absent, which is not zero flow.
        ALIAS: A velocity explains it, but one cell may be mistaken for the next: texture crosses so
            much of the line between two lines, or cells are so evenly spaced that another velocity
            explains it as well, or it is far from what is known around it. It may be right or
            wrong.
    """

    OK = "ok"
    UNKNOWN = "unknown"
    ALIAS = "alias"


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityResult:
    """Velocity over time, one value per window, and facts about the recording.

    Positive velocity is motion towards growing pixel index. All arrays have shape ``(windows,)``
    and are read-only. Where `status` is ``"unknown"`` the velocities are NaN, which stands for "no
    value" (a table stores null there): `status` names the failure itself.

    Attributes:
        center_line: Middle of each window in lines from the start of the array that was given
            (not of the crop), float64. Line ``i`` is taken to happen at ``i``.
        time_s: The same in seconds, float64; None without ``seconds_per_line``.
        velocity_px_per_line: Velocity in pixels per line period, float64.
        velocity_mm_s: Velocity in mm/s, float64; None unless both calibrations are given.
        r2adj: Evidence, float64, about 0 for noise and 1 for a texture that only moves: the share
            of the window's variance that motion at this velocity explains, adjusted for the
            share that it would explain of noise. Can be slightly negative.
        status: A `WindowStatus` value per window, fixed-width text (``<U7``).
        candidate_px_per_line: The velocity that fits best whether there is evidence or not,
            float64; NaN where nothing moves at all. For diagnosis and benchmarks: where `status`
            is ``"unknown"`` it is as good as random.
        standard_error_px_per_line: Standard error of this window's velocity, float64, given that
            the right candidate was found: from the fit's residuals, times `dispersion`. NaN for
            ``method="radon"``, which has none.
        second_px_per_line: Where another velocity may be the right one, as with evenly spaced cells
            (status ``"alias"``): that velocity, float64, on the grid of candidates. NaN elsewhere.
        empty: Whether nothing is in view but noise, bool: no cell, as far as can be seen.
        dispersion: By how much velocities scatter more than residuals say, at least 1; learned from
            even and odd lines of the recording's windows.
        method: ``"shear"`` or ``"radon"``.
        tracked: Whether windows were estimated together.
        backend: ``"numpy"`` or ``"numba"``, what computed it.
        window_lines: Lines per window.
        step_lines: Lines between windows.
        support_lines: Lines that a value may draw on: windows that far apart are independent.
        n_lines: Lines analyzed.
        n_pixels: Pixels per line analyzed: those of the range that show a texture.
        first_pixel: The first of them, in the array that was given.
        seconds_per_line: The calibration used, or None.
        um_per_pixel: The calibration used, or None.
        dwell_seconds: The dwell time that the scan-speed correction used, or None.
        static_share: Share of the recording's variance that does not move, 0 to 1. Near 1 there is
            nothing to see moving, or flow stood still throughout.
        saturated_share: Share of pixels at the recording's brightest value.
        resolution_px_per_line: Slower than this, half a pixel per window, cannot be told from rest.
        unknown_below: Windows with less `r2adj` are ``"unknown"``; 0 where the recording's own
            lines in random order decide.
        alias_above_px_per_line: Faster windows are ``"alias"`` (before scan-speed correction).
    """

    center_line: NDArray[np.float64]
    time_s: NDArray[np.float64] | None
    velocity_px_per_line: NDArray[np.float64]
    velocity_mm_s: NDArray[np.float64] | None
    r2adj: NDArray[np.float64]
    status: NDArray[np.str_]
    candidate_px_per_line: NDArray[np.float64]
    standard_error_px_per_line: NDArray[np.float64]
    second_px_per_line: NDArray[np.float64]
    empty: NDArray[np.bool_]
    dispersion: float
    method: Method
    tracked: bool
    backend: Literal["numpy", "numba"]
    window_lines: int
    step_lines: int
    support_lines: int
    n_lines: int
    n_pixels: int
    first_pixel: int
    seconds_per_line: float | None
    um_per_pixel: float | None
    dwell_seconds: float | None
    static_share: float
    saturated_share: float
    resolution_px_per_line: float
    unknown_below: float
    alias_above_px_per_line: float

    @property
    def n_windows(self) -> int:
        """Number of windows."""
        return self.r2adj.size

    @property
    def mm_s_per_px_per_line(self) -> float | None:
        """Factor from px/line to mm/s, None unless both calibrations are given."""
        if self.seconds_per_line is None or self.um_per_pixel is None:
            return None
        return self.um_per_pixel / self.seconds_per_line / 1000.0

    def interval_mm_s(self, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return low and high ends of each window's confidence interval in mm/s, ``(windows,)``.

        They hold given that the right candidate was found, as `standard_error_px_per_line` does.
        All are NaN without both calibrations.

        Args:
            level: How often the true velocity lies inside, 0 to 1.

        Raises:
            AnalysisParameterError: The level is not such a number.
        """
        if not 0.0 < level < 1.0:
            raise AnalysisParameterError("level", level, "a number between 0 and 1")
        factor = self.mm_s_per_px_per_line
        if factor is None:
            absent = np.full(self.n_windows, np.nan)
            return absent, absent
        half = NormalDist().inv_cdf(0.5 + level / 2.0) * factor * self.standard_error_px_per_line
        middle = factor * self.velocity_px_per_line
        return middle - half, middle + half

    def windows(self) -> Mapping[str, NDArray[Any]]:
        """Velocity and evidence by column, one value per window; NaN where there is none."""
        absent = np.full(self.n_windows, np.nan)
        low, high = self.interval_mm_s()
        return {
            "center_line": self.center_line,
            "time_s": absent if self.time_s is None else self.time_s,
            "velocity_mm_s": absent if self.velocity_mm_s is None else self.velocity_mm_s,
            "velocity_px_per_line": self.velocity_px_per_line,
            "r2adj": self.r2adj,
            "status": self.status,
            "standard_error_px_per_line": self.standard_error_px_per_line,
            "velocity_low_mm_s": low,
            "velocity_high_mm_s": high,
            "second_px_per_line": self.second_px_per_line,
        }

    def to_pandas(self) -> pd.DataFrame:
        """`windows` as a data frame."""
        import pandas as pd

        return pd.DataFrame(self.windows())

    def __repr__(self) -> str:
        known = np.count_nonzero(self.status != WindowStatus.UNKNOWN)
        return f"<VelocityResult {self.n_windows} windows, {known} with evidence, {self.method}>"
