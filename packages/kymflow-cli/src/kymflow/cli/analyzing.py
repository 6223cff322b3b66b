"""Run an analysis on many images: in this process or others, each image on its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from kymflow.core.analysis_base import BaseAnalysis
    from kymflow_zarr import ZarrDataset

__all__ = ["Analysed", "analyze_images"]

_IMAGES_PER_TASK = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysed:
    """What became of one image.

    Attributes:
        image_id: The image.
        status: ``skipped`` if it had results of these parameters.
        reason: Why it failed; None if it did not.
    """

    image_id: str
    status: Literal["ok", "skipped", "failed"]
    reason: str | None = None


class _AnalysisFailedError(Exception):
    """An analysis raised; the message says what."""


def analyze_images(
    dataset: ZarrDataset,
    analysis: BaseAnalysis,
    image_ids: Sequence[str],
    *,
    executor: Executor | None,
) -> Iterator[Analysed]:
    """Run an analysis on images. One that fails stops only itself.

    Args:
        dataset: The dataset, writable.
        analysis: The analysis; for an executor it must survive pickling.
        image_ids: The images.
        executor: Where to work; here, if None.

    Yields:
        What became of each image, in order, as soon as it is known.
    """
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
) -> list[Analysed]:
    return [_analyze(dataset, analysis, image_id) for image_id in image_ids]


def _analyze(dataset: ZarrDataset, analysis: BaseAnalysis, image_id: str) -> Analysed:
    from kymflow.core.analysis.velocity_analysis import VelocityRun

    try:
        made = _run(dataset, analysis, image_id)
    except _AnalysisFailedError as error:
        return Analysed(image_id=image_id, status="failed", reason=str(error))
    skipped = isinstance(made, VelocityRun) and not made.computed
    return Analysed(image_id=image_id, status="skipped" if skipped else "ok")


def _run(dataset: ZarrDataset, analysis: BaseAnalysis, image_id: str) -> object:
    from kymflow.core import KymflowCoreError
    from kymflow_zarr import KymflowZarrError

    try:
        return analysis.run(dataset.record(image_id))
    except (KymflowCoreError, KymflowZarrError) as error:
        raise _AnalysisFailedError(str(error)) from error
    except Exception as error:
        # An analysis may be anyone's code: whatever it raises is about this image, and no other.
        raise _AnalysisFailedError(f"{type(error).__name__}: {error}") from error
