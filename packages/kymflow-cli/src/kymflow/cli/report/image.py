"""One image, from the dataset to what stands on the page: the job of a worker process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kymflow.cli.report.reading import read_image
from kymflow.cli.report.sections import image_row, image_section
from kymflow.cli.report.values import ImageRow, ImageSection
from kymflow.core.analysis import Analysis

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnImage:
    """An image, read and drawn.

    Attributes:
        image_id: The image.
        source: The file that it was made of; None if that is not known.
        regions: How many of its regions have results.
        problems: What of it cannot be read.
        row: Its row of the summary.
        section: Its part of the page.
    """

    image_id: str
    source: str | None
    regions: int
    problems: tuple[str, ...]
    row: ImageRow
    section: ImageSection


def draw_image(
    dataset: ZarrDataset,
    analyses: Sequence[Analysis[Any]],
    image_id: str,
    source: str | None,
    name: str,
) -> DrawnImage:
    """Read and draw an image.

    Args:
        dataset: The dataset.
        analyses: The analyses whose results are shown.
        image_id: The image.
        source: The file that it was made of, if that is known.
        name: What people call it.
    """
    reading = read_image(dataset, image_id, source=source, name=name, analyses=analyses)
    return DrawnImage(
        image_id=image_id,
        source=source,
        regions=len(
            {(one.entry.channel, roi) for one in reading.regions for roi in one.roi_ids or (None,)}
        ),
        problems=reading.problems,
        row=image_row(reading),
        section=image_section(reading),
    )
