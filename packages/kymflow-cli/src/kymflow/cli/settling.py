"""What is done with an image right after its file was ingested."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset

__all__ = ["settle_image"]

logger = logging.getLogger(__name__)


def settle_image(dataset: ZarrDataset, image_id: str | None) -> None:
    """Carry decisions over to an image of a changed file, and warn of malformed metadata.

    Args:
        dataset: The dataset, writable.
        image_id: The image; None for a file that became none.
    """
    if image_id is None:
        return
    from kymflow.core.decisions import calibrate, carry_over, read_decisions
    from kymflow.core.errors import MetadataError
    from kymflow.core.metadata import load_metadata, load_source

    record = dataset.record(image_id)
    file = load_source(record).file or image_id
    for carried in carry_over(dataset, [image_id]):
        if carried.error is not None:
            logger.warning("%s: decisions were not carried over: %s", file, carried.error)
        for roi_id in carried.left_out:
            logger.warning("%s: ROI %s does not fit the changed file", file, roi_id)
    try:
        load_metadata(record)
        # A header that came later may name the axes otherwise; what a person said still holds.
        if (given := read_decisions(record).calibration) is not None:
            calibrate(
                record,
                seconds_per_line=given.seconds_per_line,
                um_per_pixel=given.um_per_pixel,
                author=given.author,
            )
    except MetadataError as error:
        logger.warning("%s: %s", file, error)
