"""What is done with images right after their files were ingested."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kymflow.cli.decided import images_where
from kymflow.cli.errors import MissingExtraError, QueryError

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset, ZarrImageRecord

logger = logging.getLogger(__name__)


def settle_image(dataset: ZarrDataset, image_id: str | None) -> frozenset[str]:
    """Carry decisions over to an image of a changed file, and warn of malformed metadata.

    Args:
        dataset: The dataset, writable.
        image_id: The image; None for a file that became none.

    Returns:
        What is not known of it if it is a kymograph: ``"line period"``, ``"pixel size"``.
    """
    if image_id is None:
        return frozenset()
    from kymflow.core.decisions import calibrate, carry_over, read_decisions
    from kymflow.core.errors import MetadataError
    from kymflow.core.metadata import load_source

    record = dataset.record(image_id)
    file = load_source(record).file or image_id
    for carried in carry_over(dataset, [image_id]):
        if carried.error is not None:
            logger.warning("%s: decisions were not carried over: %s", file, carried.error)
        for roi_id in carried.left_out:
            logger.warning("%s: ROI %s does not fit the changed file", file, roi_id)
    try:
        unknown = unknown_steps(record)
        # A header that came later may name the axes otherwise; what a person said still holds.
        if (given := read_decisions(record).calibration) is not None:
            calibrate(
                record,
                seconds_per_line=given.seconds_per_line,
                um_per_pixel=given.um_per_pixel,
                author=given.author,
            )
            unknown = unknown_steps(record)
    except MetadataError as error:
        logger.warning("%s: %s", file, error)
        return frozenset()
    return unknown


def unknown_steps(record: ZarrImageRecord) -> frozenset[str]:
    """What is not known of an image if it is a kymograph: ``"line period"``, ``"pixel size"``.

    Raises:
        kymflow.core.errors.MetadataError: Its metadata are malformed.
    """
    from kymflow.core.metadata import load_metadata

    header = load_metadata(record).header
    if len({*(header.axes or ())} - {"c", "z"}) != 2:
        return frozenset()
    steps = {"line period": header.step("t", "s"), "pixel size": header.step("x", "um")}
    return frozenset(name for name, step in steps.items() if step is None)


def apply_rules(dataset: ZarrDataset, image_ids: Sequence[str]) -> int:
    """Do with new images what was decided for all to come, in one step of `undo`.

    Args:
        dataset: The dataset, writable.
        image_ids: The images.

    Returns:
        How many of them a rule changed.
    """
    if not image_ids:
        return 0  # a second update reads no decision at all
    from kymflow.core.decisions import apply_rule, load_acts, load_rules, new_act_id
    from kymflow.core.errors import MetadataFileError

    # Where people decided already, on an older state of the file, that is what holds.
    fresh = [each for each in image_ids if not load_acts(dataset.record(each))]
    step = new_act_id()
    for rule in load_rules(dataset):
        try:
            met = None if rule.where is None else frozenset(images_where(dataset, rule.where))
            chosen = [each for each in fresh if met is None or each in met]
            for image_id, error in apply_rule(dataset, rule, chosen, step=step).items():
                logger.warning("image %s: %s", image_id, error)
        except (MetadataFileError, QueryError, MissingExtraError, OSError) as error:
            logger.warning("not applied to new images: %s: %s", rule, error)
    records = map(dataset.record, fresh)
    return sum(any(act.step == step for act in load_acts(record)) for record in records)
