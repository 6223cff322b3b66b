"""What the pulse analysis finds: the columns of its summary and of its tables."""

from __future__ import annotations

from typing import Final

from kymflow.core.analysis.definition import Column

SUMMARY: Final = (
    Column("status", str, "ok or unknown"),
    Column("reason", str, "why it is unknown"),
    Column("rate_hz", float, "mean heart rate", "Hz"),
    Column("rate_low_hz", float, "lower end of its 95 % interval", "Hz"),
    Column("rate_high_hz", float, "upper end", "Hz"),
    Column("rate_per_min", float, "mean heart rate", "1/min"),
    Column("rate_low_per_min", float, "lower end of its 95 % interval", "1/min"),
    Column("rate_high_per_min", float, "upper end", "1/min"),
    Column("false_alarm", float, "probability that noise alone has such a peak in the band"),
    Column("pulsatility", float, "pulsatility index, (max - min) / mean of a beat"),
    Column("pulsatility_low", float, "lower end of its 95 % interval"),
    Column("pulsatility_high", float, "upper end"),
    Column("resistance", float, "resistance index, (max - min) / max of a beat"),
    Column("resistance_low", float, "lower end of its 95 % interval"),
    Column("resistance_high", float, "upper end"),
    Column("harmonics", int, "harmonics of the waveform that rise above the noise"),
    Column("band_low_hz", float, "lowest rate that was searched", "Hz"),
    Column("band_high_hz", float, "highest rate that was searched", "Hz"),
)
SEGMENTS: Final = (
    Column("start_s", float, "beginning", "s"),
    Column("stop_s", float, "end", "s"),
    Column("rate_hz", float, "heart rate", "Hz"),
    Column("rate_low_hz", float, "lower end of its 95 % interval", "Hz"),
    Column("rate_high_hz", float, "upper end", "Hz"),
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
