"""What a report needs of one image, read part by part: what is damaged stops only itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from kymflow.cli.errors import explain
from kymflow.core import KymflowCoreError
from kymflow.core.analysis import (
    Region,
    RegionResult,
    is_current,
    load_result_table,
    load_results,
    regions_of,
)
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.errors import RegionError
from kymflow.core.metadata import ImageMetadata, load_metadata
from kymflow.core.plotting import KymographPicture, load_picture
from kymflow_zarr import JsonValue, KymflowZarrError

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr import ZarrDataset, ZarrImageRecord

__all__ = [
    "ImageReading",
    "RegionReading",
    "Stretch",
    "Trace",
    "number",
    "read_image",
]

_T = TypeVar("_T")

_SMOOTHED_OVER = 1 / 150
_FEWEST_SMOOTHED = 5
_DETAIL_LINES = 240
# No more than a figure has pixels there, so that nothing is left out when it is drawn.
_COLUMNS = 1296
_ROWS = 187


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Velocity over time in one region. All arrays have shape ``(windows,)``.

    Attributes:
        line: Middle of each window, in lines of the recording.
        velocity: Velocity in `unit`, NaN where there is no evidence.
        smooth: Its running median over `smooth_windows`, NaN left out.
        px_per_line: Velocity in pixels per line.
        r2adj: The evidence.
        r2adj_smooth: Its running median.
        alias: Which windows may be mistaken for faster or slower ones.
        unit: ``mm/s``, or ``px/line`` where the calibration is unknown.
        smooth_windows: Windows that a running median is over.
        smooth_lines: Lines between its first and last window.
    """

    line: NDArray[np.float64]
    velocity: NDArray[np.float64]
    smooth: NDArray[np.float64]
    px_per_line: NDArray[np.float64]
    r2adj: NDArray[np.float64]
    r2adj_smooth: NDArray[np.float64]
    alias: NDArray[np.bool_]
    unit: str
    smooth_windows: int
    smooth_lines: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of a recording in which something is the case.

    Attributes:
        kind: ``stall``, ``transient`` or ``unknown``.
        start: Where it begins, in lines of the recording.
        stop: Where it ends.
    """

    kind: str
    start: float
    stop: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionReading:
    """What the velocity analysis found in one region, or in several with the same borders.

    Attributes:
        summary: Its numbers.
        roi_ids: The ROIs that it is the result of; empty for a whole channel.
        region: The region as it is now; None if it no longer exists.
        params: All that decided the result; None if that is lost.
        outdated: Whether region, calibration, pixels or the analysis are others now.
        trace: Velocity over time; None if it cannot be read.
        stretches: Stalls, transients, and times without evidence.
    """

    summary: RegionResult
    roi_ids: tuple[int, ...]
    region: Region | None
    params: Mapping[str, JsonValue] | None
    outdated: bool
    trace: Trace | None
    stretches: tuple[Stretch, ...]

    @property
    def name(self) -> str:
        """What people call the region."""
        if not self.roi_ids:
            return f"channel {self.summary.channel}"
        return f"ROI {', '.join(str(number) for number in self.roi_ids)}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageReading:
    """One image, as far as it can be read.

    Attributes:
        image_id: Its id.
        source: The file that it was made of; None if that is not known.
        record: The image; None if not even that can be opened.
        metadata: Its metadata; None if they cannot be read.
        pictures: The whole recording, by channel (from 1) and slice.
        details: A few lines from its middle, each of them drawn, likewise.
        regions: The regions with results, those with the same borders as one.
        without_results: Regions that have none yet.
        problems: What is wrong with the image, a line each.
        remarks: What else a reader should know.
    """

    image_id: str
    source: str | None
    record: ZarrImageRecord | None
    metadata: ImageMetadata | None
    pictures: Mapping[tuple[int, int], KymographPicture]
    details: Mapping[tuple[int, int], KymographPicture]
    regions: tuple[RegionReading, ...]
    without_results: tuple[Region, ...]
    problems: tuple[str, ...]
    remarks: tuple[str, ...]


def read_image(dataset: ZarrDataset, image_id: str, *, source: str | None) -> ImageReading:
    """Read what a report shows of an image.

    Args:
        dataset: The dataset.
        image_id: The image.
        source: The file that it was made of, if that is known.
    """
    problems: list[str] = []
    remarks: list[str] = []
    record = _attempt("the image", lambda: dataset.record(image_id), problems)
    if record is None:
        return ImageReading(
            image_id=image_id,
            source=source,
            record=None,
            metadata=None,
            pictures={},
            details={},
            regions=(),
            without_results=(),
            problems=tuple(problems),
            remarks=(),
        )
    metadata = _attempt("its metadata", lambda: load_metadata(record), problems)
    regions = () if metadata is None else _regions(record, metadata, remarks)
    pictures: dict[tuple[int, int], KymographPicture] = {}
    details: dict[tuple[int, int], KymographPicture] = {}
    if metadata is not None and _has_lines(record):
        _read_pictures(record, regions, pictures, details, problems)
    readings = _attempt("its velocity", lambda: _read_results(record, regions, problems), problems)
    there = {
        (reading.summary.channel, roi_id)
        for reading in readings or ()
        for roi_id in reading.roi_ids or (None,)
    }
    return ImageReading(
        image_id=image_id,
        source=source,
        record=record,
        metadata=metadata,
        pictures=pictures,
        details=details,
        regions=readings or (),
        without_results=tuple(
            region for region in regions if (region.channel, region.roi_id) not in there
        ),
        problems=tuple(problems),
        remarks=tuple(remarks),
    )


def number(values: Mapping[str, JsonValue], name: str) -> float | None:
    """A number of a summary; None if it has none."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def _attempt(what: str, read: Callable[[], _T], problems: list[str]) -> _T | None:
    """Read something; what keeps it from being read goes to the problems."""
    try:
        return read()
    except (KymflowZarrError, KymflowCoreError, OSError) as error:
        problems.append(f"{what} cannot be read: {explain(error).message}")
        return None


def _regions(
    record: ZarrImageRecord, metadata: ImageMetadata, remarks: list[str]
) -> tuple[Region, ...]:
    try:
        return regions_of(record, metadata)
    except RegionError as error:
        remarks.append(f"no velocity: {error.reason}")
        return ()


def _has_lines(record: ZarrImageRecord) -> bool:
    """Whether there are lines and pixels to draw; if not, a remark says so already."""
    return sum(axis not in {"c", "z"} for axis in record.get_axes()) == 2


def _read_pictures(
    record: ZarrImageRecord,
    regions: Sequence[Region],
    pictures: dict[tuple[int, int], KymographPicture],
    details: dict[tuple[int, int], KymographPicture],
    problems: list[str],
) -> None:
    places = sorted({(region.channel, region.z) for region in regions}) or [(1, 0)]
    for channel, z in places:
        read = partial(
            load_picture, record, channel=channel, z=z, max_columns=_COLUMNS, max_rows=_ROWS
        )
        whole = _attempt(f"channel {channel}", read, problems)
        if whole is None:
            continue
        pictures[channel, z] = whole
        if whole.lines_per_column == 1:
            continue
        start = (whole.lines[0] + whole.lines[1] - _DETAIL_LINES) // 2
        read = partial(read, lines=(start, start + _DETAIL_LINES))
        detail = _attempt(f"channel {channel}", read, problems)
        if detail is not None:
            details[channel, z] = detail


# --- results ----------------------------------------------------------------------------------


def _read_results(
    record: ZarrImageRecord, regions: Sequence[Region], problems: list[str]
) -> tuple[RegionReading, ...]:
    stored = load_results(record, VELOCITY)
    if not stored.results:
        return ()
    traces, intervals = (
        _attempt(title, partial(load_result_table, record, VELOCITY, table), problems)
        for title, table in (("the velocity trace", "trace"), ("the intervals", "intervals"))
    )
    now = {region.place: region for region in regions}
    return _merged(
        _read_region(
            record,
            entry,
            region=now.get(entry.place),
            params=stored.params.get(entry.params_hash),
            traces=traces,
            intervals=intervals,
        )
        for entry in stored.results
    )


def _merged(readings: Iterable[RegionReading]) -> tuple[RegionReading, ...]:
    """Regions whose results come from the same pixels and parameters as one, as they are equal."""
    found: dict[object, RegionReading] = {}
    for reading in readings:
        summary = reading.summary
        of = summary.channel, summary.params_hash, summary.analysis_version
        key = (*of, summary.roi_id is None, reading.region is None, reading.outdated)
        first = found.get(key)
        found[key] = (
            reading if first is None else replace(first, roi_ids=(*first.roi_ids, *reading.roi_ids))
        )
    return tuple(found.values())


def _read_region(
    record: ZarrImageRecord,
    summary: RegionResult,
    *,
    region: Region | None,
    params: Mapping[str, JsonValue] | None,
    traces: pd.DataFrame | None,
    intervals: pd.DataFrame | None,
) -> RegionReading:
    outdated = params is not None and (
        region is None or is_current(record, region, VELOCITY).state == "outdated"
    )
    rows = None if traces is None else _rows_of(traces, summary)
    trace = None if rows is None or not len(rows) else _trace(rows, summary)
    return RegionReading(
        summary=summary,
        roi_ids=() if summary.roi_id is None else (summary.roi_id,),
        region=region,
        params=params,
        outdated=outdated,
        trace=trace,
        stretches=() if intervals is None else _stretches(_rows_of(intervals, summary)),
    )


def _rows_of(frame: pd.DataFrame, summary: RegionResult) -> pd.DataFrame:
    """A region's rows, of the very parameters that its summary names."""
    roi = frame["roi_id"]
    same_roi = roi.isna() if summary.roi_id is None else roi.eq(summary.roi_id).fillna(value=False)
    wanted = (
        same_roi
        & frame["channel"].eq(summary.channel)
        & frame["params_hash"].eq(summary.params_hash)
    )
    return frame[wanted.to_numpy(dtype=bool)]


def _trace(rows: pd.DataFrame, summary: RegionResult) -> Trace:
    calibrated = number(summary.values, "um_per_pixel") and number(
        summary.values, "seconds_per_line"
    )
    name = "velocity_mm_s" if calibrated else "velocity_px_per_line"
    velocity = rows[name].to_numpy(dtype=np.float64)
    line = rows["center_line"].to_numpy(dtype=np.float64)
    windows = max(_FEWEST_SMOOTHED, round(len(rows) * _SMOOTHED_OVER) // 2 * 2 + 1)
    step = float(np.median(np.diff(line))) if len(line) > 1 else 0.0

    def smoothed(name: str) -> NDArray[np.float64]:
        few = windows // 3 + 1
        median = rows[name].rolling(windows, center=True, min_periods=few).median()
        return median.to_numpy(dtype=np.float64)

    return Trace(
        line=line,
        velocity=velocity,
        # A window without evidence has no velocity, whatever its neighbours have.
        smooth=np.where(np.isfinite(velocity), smoothed(name), np.nan),
        px_per_line=rows["velocity_px_per_line"].to_numpy(dtype=np.float64),
        r2adj=rows["r2adj"].to_numpy(dtype=np.float64),
        r2adj_smooth=smoothed("r2adj"),
        alias=rows["status"].eq("alias").to_numpy(dtype=bool),
        unit="mm/s" if calibrated else "px/line",
        smooth_windows=windows,
        smooth_lines=step * windows,
    )


def _stretches(rows: pd.DataFrame) -> tuple[Stretch, ...]:
    found = zip(rows["kind"], rows["start_line"], rows["stop_line"], strict=True)
    return tuple(
        Stretch(kind=str(kind), start=float(start), stop=float(stop)) for kind, start, stop in found
    )
