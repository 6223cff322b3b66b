"""Bring a dataset that a prototype wrote to the current format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from kymflow.cli.blocks import Block, Screen, counted
from kymflow.cli.opening import open_writer
from kymflow.cli.options import DEFAULT_WAIT_S, Wait
from kymflow.cli.results import DatasetResult
from kymflow.cli.safe_text import show


def upgrade(dataset: str, /, *, wait: Wait = DEFAULT_WAIT_S) -> UpgradeResult:
    """Bring a dataset of an older format to the current one.

    It is done in place. If it is interrupted, the dataset still opens, and the next run continues.
    Keep a copy if you also want to open it with the software that wrote it.

    Args:
        dataset: Path or URL of the dataset.
        wait: How many seconds to wait for another writer.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeResult(DatasetResult):
    """What an upgrade did.

    Attributes:
        format_before: The version of its format before.
        format_version: The version that it has now.
        upgraded: How many images were upgraded.
        items: These images.
    """

    verb: ClassVar[str] = "upgrade"
    format_before: int
    format_version: int
    upgraded: int
    items: tuple[UpgradedImage, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:  # noqa: ARG002
        """See `Result`."""
        if self.format_before == self.format_version:
            yield Block(lines=[f"{show(self.dataset)} has format {self.format_version} already"])
            return
        yield Block(
            lines=[
                f"{show(self.dataset)}: {counted(self.upgraded, 'image')} "
                f"upgraded from format {self.format_before} to {self.format_version}"
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradedImage:
    """One image that was brought to the current format.

    Attributes:
        image_id: The image.
    """

    type: ClassVar[str] = "image"
    image_id: str
