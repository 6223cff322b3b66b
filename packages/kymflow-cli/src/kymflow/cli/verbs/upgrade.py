"""Bring a dataset that a prototype wrote to the current format."""

from __future__ import annotations

from kymflow.cli.opening import open_writer
from kymflow.cli.options import DEFAULT_WAIT_S, Wait
from kymflow.cli.results import UpgradedImage, UpgradeResult

__all__ = ["upgrade"]


def upgrade(dataset: str, /, *, wait: Wait = DEFAULT_WAIT_S) -> UpgradeResult:
    """Bring a dataset of an older format to the current one.

    It is done in place. If it is cut off, the dataset still opens, and the next run continues.
    Keep a copy if you also want to open it with the software that wrote it.

    Args:
        dataset: Path or URL of the dataset.
        wait: For how many seconds to wait for another writer.

    Returns:
        What was upgraded.

    Raises:
        kymflow_zarr.NotADatasetError: There is no dataset there.
        kymflow_zarr.CorruptDataError: An image cannot be read; those before it are upgraded.
    """
    opened = open_writer(dataset, wait_s=wait)
    before = opened.schema.version
    done = opened.upgrade()
    return UpgradeResult(
        dataset=dataset,
        format_before=before,
        format_version=opened.schema.version,
        upgraded=len(done),
        items=tuple(UpgradedImage(image_id=image_id) for image_id in done),
    )
