"""`velocity` and `velocity_intervals`: what the velocity analysis found, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kymflow.core.analysis.velocity_analysis import VELOCITY_VERSION
from kymflow.core.analysis.velocity_results import (
    RegionSummary,
    load_intervals,
    load_summaries,
)
from kymflow.core.errors import RegionError
from kymflow.core.provenance import params_hash

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kymflow_zarr import ZarrImageRecord

__all__ = ["VelocityIntervalsTable", "VelocityTable"]

_NUMBERS = (
    "median_mm_s",
    "mean_mm_s",
    "p5_mm_s",
    "p95_mm_s",
    "standard_error_mm_s",
    "median_px_per_line",
    "mean_px_per_line",
    "p5_px_per_line",
    "p95_px_per_line",
    "standard_error_px_per_line",
    "cv",
    "share_unknown",
    "share_alias",
    "share_stalled",
    "median_r2adj",
    "static_share",
    "resolution_px_per_line",
    "seconds_per_line",
    "um_per_pixel",
)
_COUNTS = ("n_windows", "n_known", "window_lines")
_TEXTS = ("direction", "method")


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityTable:
    """One row per image, channel and ROI, in which velocity was analysed.

    ``roi_id`` is null for a whole picture. Columns in mm/s are null without calibration, which is
    in ``seconds_per_line`` and ``um_per_pixel``; ``share_stalled`` is null without a line period.
    The statistics are those of `kymflow.core.analysis.velocity.VelocitySummary`.
    """

    name: ClassVar[str] = "velocity"

    def columns(self) -> pa.Schema:
        """The columns."""
        import pyarrow as pa

        types: dict[str, pa.DataType] = {"channel": pa.int64(), "roi_id": pa.int64()}
        types |= dict.fromkeys(_NUMBERS, pa.float64())
        types |= dict.fromkeys(_COUNTS, pa.int64())
        types |= dict.fromkeys(_TEXTS, pa.string())
        return pa.schema(types)

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """One row per region; none if the image was not analysed.

        Raises:
            RegionError: The results are of another version of the analysis.
        """
        import pandas as pd

        entries = _current_summaries(rec)
        if not entries:
            return pd.DataFrame()
        rows = pd.DataFrame(
            [
                {name: entry.values[name] for name in (*_NUMBERS, *_COUNTS, *_TEXTS)}
                for entry in entries
            ]
        )
        return rows.astype(dict.fromkeys(_NUMBERS, "float64")).assign(**_place_columns(entries))

    def row_params_hashes(self, rec: ZarrImageRecord) -> frozenset[str]:
        """The hashes of all regions."""
        return frozenset(entry.params_hash for entry in load_summaries(rec))

    def params_hash(self, rec: ZarrImageRecord) -> str:
        """The hash of all regions' hashes."""
        return _hash_of_all(rec)

    def analysis_version(self) -> str:
        """The version of the velocity analysis."""
        return VELOCITY_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityIntervalsTable:
    """One row per stall, transient, or time without evidence.

    ``kind`` is ``"stall"``, ``"transient"`` or ``"unknown"``; ``start_line`` and ``stop_line`` are
    in lines of the recording, ``start_s``, ``stop_s`` and ``duration_s`` are null without a line
    period.
    """

    name: ClassVar[str] = "velocity_intervals"

    def columns(self) -> pa.Schema:
        """The columns."""
        import pyarrow as pa

        types: dict[str, pa.DataType] = {
            "channel": pa.int64(),
            "roi_id": pa.int64(),
            "kind": pa.string(),
            "start_s": pa.float64(),
            "stop_s": pa.float64(),
            "duration_s": pa.float64(),
            "start_line": pa.float64(),
            "stop_line": pa.float64(),
            "first_window": pa.int64(),
            "stop_window": pa.int64(),
        }
        return pa.schema(types)

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """One row per interval, in the order of their beginning in each region.

        Raises:
            RegionError: The results are of another version of the analysis.
        """
        import pandas as pd

        current = {entry.params_hash for entry in _current_summaries(rec)}
        if not current:
            return pd.DataFrame()
        intervals = load_intervals(rec)
        return intervals[intervals["params_hash"].isin(current)]

    def row_params_hashes(self, rec: ZarrImageRecord) -> frozenset[str]:
        """The hashes of all regions."""
        return frozenset(entry.params_hash for entry in load_summaries(rec))

    def params_hash(self, rec: ZarrImageRecord) -> str:
        """The hash of all regions' hashes."""
        return _hash_of_all(rec)

    def analysis_version(self) -> str:
        """The version of the velocity analysis."""
        return VELOCITY_VERSION


def _current_summaries(rec: ZarrImageRecord) -> list[RegionSummary]:
    entries = load_summaries(rec)
    for entry in entries:
        if entry.analysis_version != VELOCITY_VERSION:
            raise RegionError(
                rec.image_id,
                f"its velocity results are of version {entry.analysis_version!r}, this is "
                f"{VELOCITY_VERSION!r}; run the analysis again",
            )
    return entries


def _place_columns(entries: list[RegionSummary]) -> dict[str, Any]:
    import pandas as pd

    return {
        "channel": [entry.channel for entry in entries],
        "roi_id": pd.array([entry.roi_id for entry in entries], dtype="Int64"),
        "params_hash": [entry.params_hash for entry in entries],
    }


def _hash_of_all(rec: ZarrImageRecord) -> str:
    return params_hash({"regions": sorted(entry.params_hash for entry in load_summaries(rec))})
