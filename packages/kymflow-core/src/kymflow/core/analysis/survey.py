"""The state of an analysis' results over all images of a dataset."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from kymflow.core.analysis.current_images import CurrentImages
from kymflow.core.analysis.status import Cause, RegionStatus, State, image_status
from kymflow.core.errors import KymflowCoreError, NotAKymographError
from kymflow_zarr import KymflowZarrError

if TYPE_CHECKING:
    from kymflow.core.analysis.definition import Analysis
    from kymflow_zarr import ZarrDataset


_RESULTS: Final = "status/results"
"""For each image its stamp, and in a second line the results that it has."""
_WORST_FIRST: Final[tuple[State, ...]] = ("failed", "outdated", "missing", "current")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageState:
    """The state of the results of one image.

    Attributes:
        state: That of the region that stands worst: ``failed``, ``outdated``, ``missing``, then
            ``current``; ``left out`` if the image is not a kymograph.
        causes: What has changed since results were computed.
        reason: Why the last run failed, why the image cannot be analyzed, or is left out; else "".
    """

    state: State | Literal["left out"]
    causes: tuple[Cause, ...] = ()
    reason: str = ""


def survey_images(
    dataset: ZarrDataset,
    analysis: Analysis[Any],
    image_ids: Collection[str],
    *,
    label: str = "",
    stamps: Mapping[str, str] | None = None,
) -> dict[str, ImageState]:
    """The state of the results of images, whatever their parameters.

    Images that were found to be current before, and have not changed since, are not opened. That is
    remembered if the dataset is writable.

    Args:
        dataset: The dataset.
        analysis: The analysis.
        image_ids: The images.
        label: The label of the results; "" for none.
        stamps: `ZarrDataset.artifact_stamps` of these images at least, where they were just read.
    """
    name = f"status/{analysis.name}" + (f"/{label}" if label else "")
    current = CurrentImages(name=name, identity=analysis.version)
    if stamps is None:
        stamps = dataset.artifact_stamps(image_ids)
    known = current.known(dataset, {image_id: stamps[image_id] for image_id in image_ids})
    found = {
        image_id: ImageState(state="current")
        if image_id in known
        else _state_of(dataset, analysis, image_id, label)
        for image_id in image_ids
    }
    looked_at = found.keys() - known
    if looked_at and dataset.mode != "r":
        fresh = {i: stamps[i] for i in looked_at if found[i].state == "current"}
        current.remember(dataset, fresh, other=looked_at - fresh.keys())
    return found


def used_labels(
    dataset: ZarrDataset, analyses: Iterable[str], *, stamps: Mapping[str, str] | None = None
) -> Mapping[str, tuple[str, ...]]:
    """The labels under which any image has results or failures, by analysis; "" stands for none.

    Images are listed again only where one has changed since this was last asked of a writable
    dataset.

    Args:
        dataset: The dataset.
        analyses: The names of analyses; those that never ran are left out.
        stamps: `ZarrDataset.artifact_stamps` of all images, where they were just read.
    """
    if stamps is None:
        stamps = dataset.artifact_stamps(dataset.list_image_ids())
    kept = dataset.load_derived(_RESULTS)
    if kept.keys() != stamps.keys() or any(
        not stamp or kept[image_id].partition("\n")[0] != stamp
        for image_id, stamp in stamps.items()
    ):
        fresh = {
            image_id: f"{stamps[image_id]}\n{' '.join(_results_of(entry.analysis_keys or ()))}"
            for image_id, entry in dataset.load_manifest(include_analysis_keys=True).entries.items()
            if image_id in stamps
        }
        if fresh != kept and dataset.mode != "r":
            dataset.save_derived(_RESULTS, fresh)
        kept = fresh
    found: dict[str, set[str]] = {name: set() for name in analyses}
    for result in {result for text in kept.values() for result in text.partition("\n")[2].split()}:
        name, _, label = result.partition("/")
        if name in found:
            found[name].add(label)
    return {name: tuple(sorted(labels)) for name, labels in found.items() if labels}


def _results_of(analysis_keys: Iterable[str]) -> Iterator[str]:
    """Those of an image's artifacts that are results: ``<analysis>`` or ``<analysis>/<label>``."""
    for key in analysis_keys:
        match key.partition("/analysis/")[2].split("/"):
            case [name, "summary.json"]:
                yield name
            case [name, label, "summary.json"]:
                yield f"{name}/{label}"


def _state_of(
    dataset: ZarrDataset, analysis: Analysis[Any], image_id: str, label: str
) -> ImageState:
    try:
        regions = image_status(dataset.record(image_id), analysis, label=label).regions
    except NotAKymographError as error:
        return ImageState(state="left out", reason=error.reason)
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
