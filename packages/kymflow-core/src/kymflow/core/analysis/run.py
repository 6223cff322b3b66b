"""Run an analysis on many images: here, in other processes, or on a cluster."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from kymflow.core.analysis_base import TellsIfSkipped
from kymflow.core.errors import AnalysisFailedError
from kymflow_zarr import ReadOnlyError

if TYPE_CHECKING:
    from kymflow.core.analysis_base import BaseAnalysis
    from kymflow_zarr import ZarrDataset

__all__ = ["AnalysisOutcome", "run_analysis"]

_IMAGES_PER_TASK: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisOutcome:
    """What became of one image.

    Attributes:
        image_id: The image.
        error: Why it failed; None if it did not.
        skipped: Whether the analysis says that all results were there already (`TellsIfSkipped`).
    """

    image_id: str
    error: AnalysisFailedError | None
    skipped: bool = False


def run_analysis(
    dataset: ZarrDataset,
    analysis: BaseAnalysis,
    *,
    image_ids: Sequence[str] | None = None,
    executor: Executor | None = None,
) -> Iterator[AnalysisOutcome]:
    """Run an analysis on images. One that fails stops only itself.

    Results lie with each image as soon as it is told of: whoever stops early keeps them.

    Args:
        dataset: The dataset, writable.
        analysis: The analysis. For an executor of processes or a cluster it must survive pickling,
            and the dataset must have been opened by its path or URL.
        image_ids: The images; all if None.
        executor: Where to work; here, if None.

    Yields:
        What became of each image, in order, as soon as it is known.

    Raises:
        ReadOnlyError: The dataset was opened with ``mode="r"``.
    """
    if dataset.mode == "r":
        raise ReadOnlyError(f"run the analysis {analysis.name!r}")
    wanted = dataset.list_image_ids() if image_ids is None else list(image_ids)
    return _run(dataset, analysis, wanted, executor)


def _run(
    dataset: ZarrDataset,
    analysis: BaseAnalysis,
    image_ids: list[str],
    executor: Executor | None,
) -> Iterator[AnalysisOutcome]:
    if executor is None:
        for image_id in image_ids:
            yield _analyze(dataset, analysis, image_id)
        return
    tasks = [
        image_ids[start : start + _IMAGES_PER_TASK]
        for start in range(0, len(image_ids), _IMAGES_PER_TASK)
    ]
    for done in executor.map(partial(_analyze_some, dataset, analysis), tasks):
        yield from done


def _analyze_some(
    dataset: ZarrDataset, analysis: BaseAnalysis, image_ids: Sequence[str]
) -> list[AnalysisOutcome]:
    return [_analyze(dataset, analysis, image_id) for image_id in image_ids]


def _analyze(dataset: ZarrDataset, analysis: BaseAnalysis, image_id: str) -> AnalysisOutcome:
    try:
        skipped = _run_one(dataset, analysis, image_id)
    except AnalysisFailedError as error:
        return AnalysisOutcome(image_id=image_id, error=error)
    return AnalysisOutcome(image_id=image_id, error=None, skipped=skipped)


def _run_one(dataset: ZarrDataset, analysis: BaseAnalysis, image_id: str) -> bool:
    """Call the analysis, which may be anyone's code: what it raises is about this image only.

    Returns:
        Whether it left the image alone.
    """
    try:
        done = analysis.run(dataset.record(image_id))
        return isinstance(done, TellsIfSkipped) and done.skipped is True
    except Exception as error:
        raise AnalysisFailedError(
            image_id=image_id,
            analysis=analysis.name,
            reason=f"{type(error).__name__}: {error}",
            details="".join(traceback.format_exception(error)),
        ) from error
