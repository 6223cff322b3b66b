"""What is done with images right after they were ingested."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset

__all__ = ["settle_new_images"]

logger = logging.getLogger(__name__)


def settle_new_images(dataset: ZarrDataset, image_ids: Sequence[str]) -> None:
    """Carry decisions over to files that have changed, and warn of metadata that are malformed.

    Args:
        dataset: The dataset, writable.
        image_ids: The new images.
    """
    from kymflow.core.decisions import carry_over
    from kymflow.core.errors import MetadataError
    from kymflow.core.metadata import load_metadata, load_source

    for image_id in image_ids:
        record = dataset.record(image_id)
        try:
            load_metadata(record)
        except MetadataError as error:
            logger.warning("%s: %s", load_source(record).file or image_id, error)
    for carried in carry_over(dataset, image_ids):
        file = load_source(dataset.record(carried.image_id)).file or carried.image_id
        if carried.error is not None:
            logger.warning("%s: decisions were not carried over: %s", file, carried.error)
        for roi_id in carried.left_out:
            logger.warning("%s: ROI %s does not fit the changed file", file, roi_id)
