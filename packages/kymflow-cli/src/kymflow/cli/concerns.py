"""What a person should know about single images: failures, exclusions, copies, calibrations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from kymflow.cli.copies import copies_of
from kymflow.cli.survey import Survey

Concern = Literal["failed", "left out", "excluded", "uncalibrated", "duplicate"]
CONCERNS: Final[Mapping[Concern, str]] = {
    "failed": "not analyzed",
    "left out": "left out",
    "excluded": "excluded",
    "uncalibrated": "without calibration",
    "duplicate": "with the pixels of another",
}
"""Each of them, as it stands behind a number of images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConcern:
    """Something about an image that a person should know.

    Attributes:
        image_id: The image.
        source: The file that it was made of; None if there is none.
        concern: ``failed``: an analysis failed; ``left out``: an analysis leaves it out;
            ``excluded``: a person excluded it; ``uncalibrated``: line period or pixel size are
            unknown; ``duplicate``: other images have the same pixels.
        why: The reason, or what is unknown, or which images.
    """

    type: ClassVar[str] = "image"
    image_id: str
    source: str | None
    concern: Concern
    why: str


def concerns_of(found: Survey) -> Iterator[ImageConcern]:
    """What there is to look at in a dataset, images in the order of their files."""
    for (analysis, label), states in found.states.items():
        what = f"{analysis} ({label})" if label else analysis
        unanalyzed: dict[str, Concern] = {
            image_id: "failed" if state.state == "failed" else "left out"
            for image_id, state in states.items()
            if state.state in {"failed", "left out"}
        }
        for image_id in found.in_order(unanalyzed):
            why = f"{what}: {states[image_id].reason}"
            yield _concern(found, image_id, unanalyzed[image_id], why)
    ordered = found.in_order(found.images)
    for image_id in ordered:
        image = found.images[image_id]
        unknown = [name for name, known in image.calibration.items() if not known]
        if unknown:
            yield _concern(found, image_id, "uncalibrated", f"no {' and no '.join(unknown)}")
        if image.excluded is not None:
            yield _concern(found, image_id, "excluded", image.excluded)
    names = found.names
    included = {
        image_id: found.images[image_id].digest
        for image_id in ordered
        if found.images[image_id].excluded is None
    }
    for image_id, first in copies_of(included).items():
        same = names.get(first, first)
        yield _concern(found, image_id, "duplicate", f"the same pixels as {same}")


def _concern(found: Survey, image_id: str, concern: Concern, why: str) -> ImageConcern:
    return ImageConcern(
        image_id=image_id, source=found.images[image_id].source, concern=concern, why=why
    )
