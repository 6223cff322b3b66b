"""One recording as the page shows it: axes, regions, results, and velocity over time."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, TypedDict

import numpy as np

from kymflow.cli.viewer.messages import BadRequestError
from kymflow.cli.viewer.tiles import TILE_COLUMNS, pixels_per_row
from kymflow.core.analysis import (
    RegionData,
    RegionStatus,
    calibration_of,
    image_status,
    load_region_data,
)
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.analysis.velocity.display import running_median
from kymflow.core.decisions import read_decisions
from kymflow.core.metadata import image_extent, load_metadata
from kymflow.core.result_plot import plot_result

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr import JsonValue, ZarrDataset, ZarrImageRecord


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
        RegionError: It is not a kymograph.
        MetadataError: Its metadata or results are damaged.
        CorruptDataError: Something of it is damaged.
    """
    record = dataset.record(image_id)
    metadata = load_metadata(record)
    status = image_status(record, VELOCITY)
    results = {data.region.place: data for data in load_region_data(record, VELOCITY)}
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
            _region(one, names.get(one.region.roi_id or 0, ""), results.get(one.region.place))
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
    """
    found = {data.region.place: data.tables for data in load_region_data(record, VELOCITY)}
    if "trace" not in found.get((channel, roi), {}):
        raise BadRequestError("this region has no result")
    rows = found[channel, roi]["trace"]
    in_mm = rows["velocity_mm_s"].notna().any()
    velocity = rows["velocity_mm_s" if in_mm else "velocity_px_per_line"]
    columns = (
        rows["center_line"],
        velocity,
        running_median(velocity).where(velocity.notna()),
        rows["velocity_px_per_line"],
        rows["r2adj"],
        rows["status"].eq("alias"),
    )
    return np.stack([column.to_numpy(dtype="<f8") for column in columns]).tobytes()


def draw_figure(
    record: ZarrImageRecord, *, channel: int, roi: int | None, lines: tuple[int, int]
) -> bytes:
    """A figure of a stretch of a recording with the velocity in one region, as SVG.

    Raises:
        ResultNotFoundError: The region has no result.
        RegionError: The recording has no such lines.
    """
    stream = io.BytesIO()
    figure = plot_result(record, VELOCITY, channel=channel, roi_id=roi, lines=lines)
    figure.savefig(stream, format="svg")
    return stream.getvalue()


def _region(status: RegionStatus, name: str, data: RegionData | None) -> RegionView:
    tables = {} if data is None else data.tables
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
        values=None if data is None else data.values,
        stretches=_stretches(tables["intervals"]) if "intervals" in tables else [],
    )


def _stretches(rows: pd.DataFrame) -> list[Stretch]:
    found = zip(rows["kind"], rows["start_line"], rows["stop_line"], strict=True)
    return [
        Stretch(kind=str(kind), start=float(start), stop=float(stop)) for kind, start, stop in found
    ]
