"""A figure of what is on the screen: kymograph, velocity and stalls, as SVG for a paper."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from kymflow.cli.report.themes import LIGHT
from kymflow.cli.viewer.messages import BadRequestError
from kymflow.cli.viewer.recording import describe_recording, read_trace
from kymflow.core.plotting import plot_kymograph

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset

__all__ = ["draw_figure"]


def draw_figure(
    dataset: ZarrDataset,
    image_id: str,
    *,
    channel: int,
    roi: int | None,
    lines: tuple[int, int],
) -> bytes:
    """Draw a stretch of a recording with the velocity of one region under it.

    Args:
        dataset: The dataset.
        image_id: The recording.
        channel: The channel of the region, from 1.
        roi: The ROI; None for the whole picture.
        lines: First line, and the one after the last.

    Returns:
        An SVG file.

    Raises:
        BadRequestError: There is no such region, or it has no result.
        RegionError: The recording has no such lines.
    """
    from matplotlib.figure import Figure

    recording = describe_recording(dataset, image_id)
    places = {(one["channel"], one["roi"]): one for one in recording["regions"]}
    region = places.get((channel, roi))
    if region is None:
        raise BadRequestError("this region no longer exists")
    record = dataset.record(image_id)
    trace = np.frombuffer(read_trace(record, channel=channel, roi=roi), "<f8").reshape(6, -1)
    seconds = recording["seconds_per_line"]
    calibrated = seconds is not None and recording["um_per_pixel"] is not None
    time, velocity, smooth = trace[0] * (seconds or 1.0), trace[1], trace[2]

    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    plot_kymograph(record, channel=channel, z=region["z"], lines=lines, rois=False, ax=upper)
    upper.set_xlabel("")
    lower.plot(time, velocity, color=LIGHT.velocity, linewidth=0.5, alpha=0.5)
    lower.plot(time, smooth, color=LIGHT.velocity, linewidth=1.5)
    lower.axhline(0.0, color=LIGHT.ink, linewidth=0.7)
    for stretch in region["stretches"]:
        if stretch["kind"] == "stall":
            span = (stretch["start"] * (seconds or 1.0), stretch["stop"] * (seconds or 1.0))
            lower.axvspan(*span, facecolor=LIGHT.stall, alpha=0.22, linewidth=0)
    lower.set_xlabel("line" if seconds is None else "time (s)")
    lower.set_ylabel("velocity (mm/s)" if calibrated else "velocity (px/line)")
    stream = io.BytesIO()
    figure.savefig(stream, format="svg")
    return stream.getvalue()
