"""One recording as the page shows it: axes, regions, results, and velocity over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Final, TypedDict

import numpy as np

from kymflow.cli.viewer.messages import BadRequestError
from kymflow.cli.viewer.tiles import TILE_COLUMNS, pixels_per_row
from kymflow.core.analysis import (
    RegionResult,
    RegionStatus,
    StoredResults,
    calibration_of,
    image_status,
    load_result_table,
    load_results,
)
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.decisions import read_decisions
from kymflow.core.metadata import image_extent, load_metadata

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr import JsonValue, ZarrDataset, ZarrImageRecord

__all__ = ["RecordingView", "RegionView", "Stretch", "describe_recording", "read_trace"]

_SMOOTHED_SHARE: Final = 1 / 150
_FEWEST_SMOOTHED: Final = 5


class Stretch(TypedDict):
    """A stretch of lines in which something is the case: a stall, or no evidence."""

    kind: str
    start: float
    stop: float


class RegionView(TypedDict):
    """One region and its result; ``values`` is None if it has none."""

    channel: int
    roi: int | None
    name: str
    z: int
    lines: tuple[int, int]
    pixels: tuple[int, int]
    state: str
    causes: list[str]
    reason: str
    values: Mapping[str, JsonValue] | None
    stretches: list[Stretch]


class RecordingView(TypedDict):
    """One recording. Steps are None where they are unknown.

    ``fields`` are what people wrote down, ``decisions`` is a `kymflow.core.decisions.Decisions`.
    """

    id: str
    channels: int
    lines: int
    pixels: int
    seconds_per_line: float | None
    um_per_pixel: float | None
    tile_columns: int
    pixels_per_row: int
    regions: list[RegionView]
    fields: Mapping[str, JsonValue]
    decisions: Mapping[str, object]


def describe_recording(dataset: ZarrDataset, image_id: str) -> RecordingView:
    """What the page shows of a recording, velocity over time apart.

    Raises:
        ImageNotFoundError: There is no such image.
        RegionError: It is no kymograph.
        MetadataError: Its metadata or results are damaged.
        CorruptDataError: Something of it is damaged.
    """
    record = dataset.record(image_id)
    metadata = load_metadata(record)
    status = image_status(record, VELOCITY)
    stored = load_results(record, VELOCITY)
    intervals = load_result_table(record, VELOCITY, "intervals") if stored.results else None
    extent, calibration = image_extent(record), calibration_of(record, metadata)
    names = {roi.id: roi.name for roi in metadata.rois}
    return RecordingView(
        id=image_id,
        channels=extent.channels,
        lines=extent.dim0,
        pixels=extent.dim1,
        seconds_per_line=calibration.seconds_per_line,
        um_per_pixel=calibration.um_per_pixel,
        tile_columns=TILE_COLUMNS,
        pixels_per_row=pixels_per_row(extent.dim1),
        regions=[
            _region(one, names.get(one.region.roi_id or 0, ""), _result_of(stored, one), intervals)
            for one in status.regions
        ],
        fields=metadata.experiment.to_json(),
        decisions=asdict(read_decisions(record)),
    )


def read_trace(record: ZarrImageRecord, *, channel: int, roi: int | None) -> bytes:
    """Velocity over time in one region.

    Returns:
        Little-endian float64 of shape ``(6, windows)`` in C order: middle of the window in lines,
        velocity in mm/s (px/line where the calibration is unknown), its running median, velocity in
        px/line, evidence (adjusted r²), and 1 where it may be aliased.

    Raises:
        BadRequestError: The region has no result.
        ArtifactNotFoundError: The trace was removed.
    """
    stored = load_results(record, VELOCITY)
    found = next((entry for entry in stored.results if entry.place == (channel, roi)), None)
    if found is None:
        raise BadRequestError("this region has no result")
    rows = _rows_of(load_result_table(record, VELOCITY, "trace"), found)
    in_mm = rows["velocity_mm_s"].notna().any()
    velocity = rows["velocity_mm_s" if in_mm else "velocity_px_per_line"]
    columns = (
        rows["center_line"],
        velocity,
        _running_median(velocity),
        rows["velocity_px_per_line"],
        rows["r2adj"],
        rows["status"].eq("alias"),
    )
    return np.stack([column.to_numpy(dtype="<f8") for column in columns]).tobytes()


def _running_median(velocity: pd.Series[float]) -> pd.Series[float]:
    """A median over about a 150th of the recording; none where a window has no evidence."""
    windows = max(_FEWEST_SMOOTHED, round(len(velocity) * _SMOOTHED_SHARE) // 2 * 2 + 1)
    median = velocity.rolling(windows, center=True, min_periods=windows // 3 + 1).median()
    return median.where(velocity.notna())


def _region(
    status: RegionStatus, name: str, result: RegionResult | None, intervals: pd.DataFrame | None
) -> RegionView:
    region = status.region
    return RegionView(
        channel=region.channel,
        roi=region.roi_id,
        name=name,
        z=region.z,
        lines=region.lines,
        pixels=region.pixels,
        state=status.state,
        causes=list(status.causes),
        reason=status.reason,
        values=None if result is None else result.values,
        stretches=[] if result is None or intervals is None else _stretches(intervals, result),
    )


def _result_of(stored: StoredResults, status: RegionStatus) -> RegionResult | None:
    places = {entry.place: entry for entry in stored.results}
    return places.get(status.region.place)


def _stretches(intervals: pd.DataFrame, result: RegionResult) -> list[Stretch]:
    rows = _rows_of(intervals, result)
    found = zip(rows["kind"], rows["start_line"], rows["stop_line"], strict=True)
    return [
        Stretch(kind=str(kind), start=float(start), stop=float(stop)) for kind, start, stop in found
    ]


def _rows_of(frame: pd.DataFrame, result: RegionResult) -> pd.DataFrame:
    """A region's rows, of the very parameters that its summary names."""
    roi = frame["roi_id"]
    same_roi = roi.isna() if result.roi_id is None else roi.eq(result.roi_id).fillna(value=False)
    wanted = same_roi & frame["channel"].eq(result.channel)
    wanted &= frame["params_hash"].eq(result.params_hash)
    return frame[wanted.to_numpy(dtype=bool)]
