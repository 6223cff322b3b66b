"""What the pulse analysis finds: the columns of its summary and of its tables."""

from __future__ import annotations

from typing import Final

from kymflow.core.analysis.definition import Column
from kymflow.core.analysis.estimates import STATUS_COLUMNS, interval_columns

SUMMARY: Final = (
    *STATUS_COLUMNS,
    *interval_columns("rate", "mean heart rate", unit="Hz", ending="hz"),
    Column("rate_error_hz", float, "standard error of the mean rate while it was recorded", "Hz"),
    *interval_columns("rate", "mean heart rate", unit="1/min", ending="per_min"),
    Column("false_alarm", float, "probability that noise alone has such a peak in the band"),
    *interval_columns("pulsatility", "pulsatility index, (max - min) / mean of a beat"),
    *interval_columns("resistance", "resistance index, (max - min) / max of a beat"),
    Column("harmonics", int, "harmonics of the waveform that rise above the noise"),
    Column("band_low_hz", float, "lowest rate that was searched", "Hz"),
    Column("band_high_hz", float, "highest rate that was searched", "Hz"),
)
SEGMENTS: Final = (
    Column("start_s", float, "beginning", "s"),
    Column("stop_s", float, "end", "s"),
    *interval_columns("rate", "heart rate", unit="Hz", ending="hz"),
    Column("rate_per_min", float, "heart rate", "1/min"),
    Column("false_alarm", float, "probability that noise alone has such a peak in the band"),
    Column("status", str, "ok or unknown"),
)
WAVEFORM: Final = (
    Column("phase", float, "middle of the bin, as a share of the beat from its fastest moment on"),
    Column("fitted_px_per_line", float, "velocity by the fit", "px/line"),
    Column("mean_px_per_line", float, "mean of the windows in the bin", "px/line"),
    Column("standard_error_px_per_line", float, "of that, from the windows' spread", "px/line"),
    Column("fitted_mm_s", float, "velocity by the fit", "mm/s"),
    Column("mean_mm_s", float, "mean of the windows in the bin", "mm/s"),
    Column("windows", int, "windows in the bin"),
)
