"""The state of an analysis' results over all images of a dataset."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kymflow.core.analysis.current_images import CurrentImages
from kymflow.core.analysis.status import Cause, RegionStatus, State, image_status
from kymflow.core.errors import KymflowCoreError
from kymflow_zarr import KymflowZarrError

if TYPE_CHECKING:
    from kymflow.core.analysis.definition import Analysis
    from kymflow_zarr import ZarrDataset

_WORST_FIRST: Final[tuple[State, ...]] = ("failed", "outdated", "missing", "current")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageState:
    """The state of the results of one image.

    Attributes:
        state: That of the region that stands worst: ``failed``, ``outdated``, ``missing``, then
            ``current``.
        causes: What has changed since results were computed.
        reason: Why the last run failed, or why the image cannot be analysed; "" if neither.
    """

    state: State
    causes: tuple[Cause, ...] = ()
    reason: str = ""


def survey_images(
    dataset: ZarrDataset, analysis: Analysis[Any], image_ids: Collection[str], *, label: str = ""
) -> dict[str, ImageState]:
    """The state of the results of images, whatever their parameters.

    Images that were found to be current before, and have not changed since, are not opened. That is
    remembered if the dataset is writable.

    Args:
        dataset: The dataset.
        analysis: The analysis.
        image_ids: The images.
        label: The label of the results; "" for none.
    """
    name = f"status/{analysis.name}" + (f"/{label}" if label else "")
    current = CurrentImages(name=name, identity=analysis.version)
    known = current.known(dataset, image_ids)
    found = {image_id: ImageState(state="current") for image_id in known}
    stamps = dataset.artifact_stamps(i for i in image_ids if i not in known)
    found |= {image_id: _state_of(dataset, analysis, image_id, label) for image_id in stamps}
    if stamps and dataset.mode != "r":
        fresh = {i: stamp for i, stamp in stamps.items() if found[i].state == "current"}
        current.remember(dataset, fresh, other=stamps.keys() - fresh.keys())
    return {image_id: found[image_id] for image_id in image_ids}


def used_labels(dataset: ZarrDataset, analyses: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """The labels under which any image has results or failures, by analysis; "" stands for none.

    Args:
        dataset: The dataset.
        analyses: The names of analyses; those that never ran are left out.
    """
    found: dict[str, set[str]] = {name: set() for name in analyses}
    entries = dataset.load_manifest(include_analysis_keys=True).entries.values()
    for key in (key for entry in entries for key in entry.analysis_keys or ()):
        match key.partition("/analysis/")[2].split("/"):
            case [name, "summary.json"] if name in found:
                found[name].add("")
            case [name, label, "summary.json"] if name in found:
                found[name].add(label)
    return {name: tuple(sorted(labels)) for name, labels in found.items() if labels}


def _state_of(
    dataset: ZarrDataset, analysis: Analysis[Any], image_id: str, label: str
) -> ImageState:
    try:
        regions = image_status(dataset.record(image_id), analysis, label=label).regions
    except (KymflowCoreError, KymflowZarrError, OSError) as error:
        return ImageState(state="failed", reason=str(error))
    worst = min(regions, key=_rank)
    return ImageState(
        state=worst.state,
        causes=tuple(dict.fromkeys(cause for region in regions for cause in region.causes)),
        reason="; ".join(f"{one.region}: {one.reason}" for one in regions if one.reason),
    )


def _rank(region: RegionStatus) -> int:
    return _WORST_FIRST.index(region.state)
