"""The artifacts of the velocity analysis: how they lie in a record, and how regions replace theirs.

::

    velocity/params.json        per region: its parameter document, by hash
    velocity/summary.json       per region: a few numbers, and the hash of its parameters
    velocity/trace.parquet      per region and window: velocity and its evidence
    velocity/intervals.parquet  per region: stalls, transients, and times without evidence

The summary is what says that a region has results. It is written last, and before anything else is
replaced the region is taken out of it: whatever is cut off in between, no result is read with the
parameters of another one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kymflow.core.analysis.regions import Region
from kymflow.core.analysis.velocity import FlowIntervals, VelocityResult, VelocitySummary
from kymflow.core.errors import MetadataError
from kymflow_zarr import ArtifactNotFoundError

if TYPE_CHECKING:
    import pandas as pd

    from kymflow.core.provenance import Params
    from kymflow_zarr import JsonValue, ZarrImageRecord

__all__ = [
    "INTERVALS",
    "NAME",
    "RegionResult",
    "RegionSummary",
    "load_intervals",
    "load_params",
    "load_summaries",
    "load_trace",
    "save_results",
]

NAME: Final = "velocity"
_PARAMS: Final = f"{NAME}/params"
_SUMMARY: Final = f"{NAME}/summary"
_TRACE: Final = f"{NAME}/trace"
INTERVALS: Final = f"{NAME}/intervals"
_REMEDY: Final = "analyze all regions of the image again"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionResult:
    """What the analysis found in one region.

    Attributes:
        region: The region.
        params: All that decided the result, but the code.
        params_hash: The hash of `params`.
        analysis_version: The version of the code.
        velocity: Velocity over time.
        intervals: Stalls and times without evidence in it.
        summary: Both in a few numbers.
    """

    region: Region
    params: Params
    params_hash: str
    analysis_version: str
    velocity: VelocityResult
    intervals: FlowIntervals
    summary: VelocitySummary


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionSummary:
    """A region's entry in ``velocity/summary.json``.

    Attributes:
        channel: From 1.
        roi_id: The ROI; None for the whole picture.
        params_hash: The hash of what decided the result.
        analysis_version: The version of the code that computed it.
        values: Statistics by name; None where there is no value.
    """

    channel: int
    roi_id: int | None
    params_hash: str
    analysis_version: str
    values: Mapping[str, JsonValue]

    @property
    def place(self) -> tuple[int, int | None]:
        """What tells one region of an image from another."""
        return self.channel, self.roi_id


def save_results(
    rec: ZarrImageRecord,
    fresh: Sequence[RegionResult],
    *,
    places: Collection[tuple[int, int | None]],
) -> None:
    """Write regions' results, leaving those of all other regions as they are.

    Args:
        rec: The image, writable.
        fresh: The new results.
        places: Channel and ROI of each region that the image has now: results of others go.
    """
    new = {(result.region.channel, result.region.roi_id) for result in fresh}
    others = {place for place in places if place not in new}
    # Where everything is made anew, nothing old is read: so damaged results can be replaced.
    kept = [entry for entry in load_summaries(rec) if entry.place in others] if others else []
    params = load_params(rec) if kept else {}
    _save_summaries(rec, kept)
    rec.save_json(_PARAMS, {**params, **{result.params_hash: result.params for result in fresh}})
    staying = [entry.place for entry in kept]
    _replace_rows(rec, _TRACE, staying, [_trace_frame(result) for result in fresh])
    _replace_rows(rec, INTERVALS, staying, [_interval_frame(result) for result in fresh])
    entries = sorted(
        [*kept, *(_summary_of(result) for result in fresh)],
        key=lambda entry: (entry.channel, -1 if entry.roi_id is None else entry.roi_id),
    )
    _save_summaries(rec, entries)
    used = {entry.params_hash for entry in entries}
    documents = {result.params_hash: result.params for result in fresh} | dict(params)
    rec.save_json(_PARAMS, {digest: documents[digest] for digest in sorted(used)})


def load_summaries(rec: ZarrImageRecord) -> list[RegionSummary]:
    """The regions that have results; none if the analysis never ran.

    Raises:
        MetadataError: The artifact is there, but someone has damaged it.
    """
    said: Any = _load_json(rec, _SUMMARY)
    if said is None:
        return []
    try:
        return [
            RegionSummary(
                channel=entry["channel"],
                roi_id=entry["roi_id"],
                params_hash=entry["params_hash"],
                analysis_version=entry["analysis_version"],
                values=dict(entry["values"]),
            )
            for entry in said["regions"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise MetadataError(
            _SUMMARY, f"is no summary of regions ({error!r})", remedy=_REMEDY
        ) from error


def load_params(rec: ZarrImageRecord) -> dict[str, Params]:
    """The parameter documents of all regions by their hash; empty if the analysis never ran.

    Raises:
        MetadataError: The artifact is there, but someone has damaged it.
    """
    said = _load_json(rec, _PARAMS)
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise MetadataError(_PARAMS, "is no object", remedy=_REMEDY)
    documents: dict[str, Params] = {}
    for digest, document in said.items():
        if not isinstance(document, dict):
            raise MetadataError(f"{_PARAMS}.{digest}", "is no object", remedy=_REMEDY)
        documents[digest] = document
    return documents


def load_trace(rec: ZarrImageRecord) -> pd.DataFrame:
    """Velocity over time of all regions.

    Returns:
        Columns ``channel``, ``roi_id``, ``center_line``, ``time_s``, ``velocity_mm_s``,
        ``velocity_px_per_line``, ``r2adj``, ``status``, ``standard_error_px_per_line``,
        ``params_hash``; one row per region and window.

    Raises:
        ArtifactNotFoundError: The analysis never ran.
    """
    return rec.load_df_parquet(_TRACE)


def load_intervals(rec: ZarrImageRecord) -> pd.DataFrame:
    """Stalls, transients and times without evidence, of all regions.

    Returns:
        Columns ``channel``, ``roi_id``, ``kind``, ``first_window``, ``stop_window``,
        ``start_line``, ``stop_line``, ``start_s``, ``stop_s``, ``duration_s``, ``params_hash``.

    Raises:
        ArtifactNotFoundError: The analysis never ran.
    """
    return rec.load_df_parquet(INTERVALS)


def _load_json(rec: ZarrImageRecord, name: str) -> JsonValue:
    try:
        return rec.load_json(name)
    except ArtifactNotFoundError:
        return None


def _save_summaries(rec: ZarrImageRecord, entries: Sequence[RegionSummary]) -> None:
    rec.save_json(_SUMMARY, {"regions": [asdict(entry) for entry in entries]})


def _summary_of(result: RegionResult) -> RegionSummary:
    calibration = result.velocity
    values: dict[str, JsonValue] = {
        **asdict(result.summary),
        "seconds_per_line": calibration.seconds_per_line,
        "um_per_pixel": calibration.um_per_pixel,
        "window_lines": calibration.window_lines,
        "method": calibration.method,
        "static_share": calibration.static_share,
        "saturated_share": calibration.saturated_share,
        "resolution_px_per_line": calibration.resolution_px_per_line,
    }
    return RegionSummary(
        channel=result.region.channel,
        roi_id=result.region.roi_id,
        params_hash=result.params_hash,
        analysis_version=result.analysis_version,
        values=values,
    )


def _replace_rows(
    rec: ZarrImageRecord,
    name: str,
    staying: Collection[tuple[int, int | None]],
    fresh: Sequence[pd.DataFrame],
) -> None:
    """Write a table artifact of all regions: the rows of those that stay, then the new ones."""
    import pandas as pd

    parts = list(fresh)
    old = _old_rows(rec, name) if staying or not fresh else None
    if old is not None:
        places = zip(old["channel"], old["roi_id"].fillna(-1), strict=True)
        wanted = {(channel, -1 if roi_id is None else roi_id) for channel, roi_id in staying}
        mask = np.fromiter((place in wanted for place in places), dtype=bool, count=len(old))
        parts.insert(0, old[mask])
    filled = [part for part in parts if len(part)] or parts[:1]
    if filled:
        rec.save_df_parquet(name, pd.concat(filled, ignore_index=True))


def _old_rows(rec: ZarrImageRecord, name: str) -> pd.DataFrame | None:
    try:
        return rec.load_df_parquet(name)
    except ArtifactNotFoundError:
        return None


def _trace_frame(result: RegionResult) -> pd.DataFrame:
    import pandas as pd

    velocity = result.velocity
    return pd.DataFrame(
        {
            **_place_columns(result, velocity.n_windows),
            "center_line": velocity.center_line,
            "time_s": _or_null(velocity.time_s, velocity.n_windows),
            "velocity_mm_s": _or_null(velocity.velocity_mm_s, velocity.n_windows),
            "velocity_px_per_line": velocity.velocity_px_per_line,
            "r2adj": velocity.r2adj,
            "status": velocity.status,
            "standard_error_px_per_line": velocity.standard_error_px_per_line,
            "params_hash": result.params_hash,
        }
    ).astype({"status": "str", "params_hash": "str"})


def _interval_frame(result: RegionResult) -> pd.DataFrame:
    import pandas as pd

    found = result.intervals.intervals
    types = {
        "kind": "str",
        "first_window": "int64",
        "stop_window": "int64",
        "start_line": "float64",
        "stop_line": "float64",
        "start_s": "float64",
        "stop_s": "float64",
        "duration_s": "float64",
    }
    rows = pd.DataFrame(
        [
            {
                "kind": interval.kind.value,
                "first_window": interval.first_window,
                "stop_window": interval.stop_window,
                "start_line": interval.start_line,
                "stop_line": interval.stop_line,
                "start_s": interval.start_s,
                "stop_s": interval.stop_s,
                "duration_s": interval.duration_s,
            }
            for interval in found
        ],
        columns=list(types),
    ).astype(types)
    place = pd.DataFrame(_place_columns(result, len(found)))
    return (
        pd.concat([place, rows], axis=1)
        .assign(params_hash=result.params_hash)
        .astype({"params_hash": "str"})
    )


def _place_columns(result: RegionResult, rows: int) -> dict[str, Any]:
    import pandas as pd

    return {
        "channel": pd.array([result.region.channel] * rows, dtype="int64"),
        "roi_id": pd.array([result.region.roi_id] * rows, dtype="Int64"),
    }


def _or_null(values: Any, rows: int) -> Any:
    return np.full(rows, np.nan) if values is None else values
