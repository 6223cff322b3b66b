"""New borders of a vessel, and the velocity between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kymflow.core.analysis import (
    Calibration,
    Region,
    RegionResult,
    load_results,
    make_params,
    run_analysis,
)
from kymflow.core.analysis.velocity import VELOCITY, VelocityParams
from kymflow.core.metadata import (
    RoiChange,
    create_roi,
    edit_roi,
    image_extent,
    load_metadata,
    save_metadata,
)

if TYPE_CHECKING:
    from kymflow_zarr import JsonValue, ZarrDataset, ZarrImageRecord

__all__ = ["move_borders", "warm_up"]


def move_borders(
    dataset: ZarrDataset, image_id: str, *, channel: int, roi: int | None, pixels: tuple[int, int]
) -> None:
    """Give a region new borders, and compute its velocity with the parameters it had before.

    A failure of the computation is remembered as that of the region, as always.

    Args:
        dataset: The dataset, writable.
        image_id: The recording.
        channel: The channel of the region, from 1.
        roi: The ROI; None for a whole picture, which becomes a ROI.
        pixels: First pixel along the line, and the one after the last.

    Raises:
        RoiNotFoundError: There is no such ROI.
        RoiError: The borders do not fit the image.
        OtherParametersError: Other regions have results of other parameters.
    """
    record = dataset.record(image_id)
    params = _params_of(record, (channel, roi))
    metadata, extent = load_metadata(record), image_extent(record)
    change = RoiChange(dim1_start=pixels[0], dim1_stop=pixels[1])
    if roi is None:
        new = replace(change, channel=channel)
        rois = create_roi(metadata.rois, extent, new, last_id=metadata.last_roi_id)
        roi = rois[-1].id
    else:
        rois = edit_roi(metadata.rois, roi, extent, change)
    save_metadata(record, replace(metadata, rois=rois))
    for _ in run_analysis(dataset, VELOCITY, params=params, image_ids=[image_id], roi_ids=[roi]):
        pass


def warm_up() -> None:
    """Compile the analysis, so that nobody waits for that at the first border."""
    pixels = np.random.default_rng(0).poisson(20.0, (64, 32))
    region = Region(channel=1, roi_id=None, z=0, lines=(0, 64), pixels=(0, 32))
    unknown = Calibration(seconds_per_line=None, um_per_pixel=None, dwell_seconds=None)
    VELOCITY.compute(pixels, unknown, VelocityParams(), region)


def _params_of(record: ZarrImageRecord, place: tuple[int, int | None]) -> VelocityParams:
    """The parameters that a region's result has; of another region, or the defaults, if none."""
    stored = load_results(record, VELOCITY)

    def differs(entry: RegionResult) -> bool:
        return entry.place != place

    for entry in sorted(stored.results, key=differs):
        document = stored.params.get(entry.params_hash, {}).get("parameters")
        if isinstance(document, dict):
            return make_params(VelocityParams, dict(_flat(document)))
    return VelocityParams()


def _flat(values: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Nested parameters by names like ``stall_rule.merge_s``."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
