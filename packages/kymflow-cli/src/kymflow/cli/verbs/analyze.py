"""Compute results from the pixels of many images."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from kymflow.cli.opening import find_image, open_writer, source_of
from kymflow.cli.options import ProgressParam, Workers, default_workers
from kymflow.cli.plugins import load_analysis
from kymflow.cli.progress import SILENT
from kymflow.cli.results import AnalysedImage, AnalyzeResult
from kymflow.cli.workers import worker_processes

if TYPE_CHECKING:
    from kymflow.core.analysis.run import AnalysisOutcome
    from kymflow.core.analysis_base import BaseAnalysis
    from kymflow_zarr import ZarrDataset

__all__ = ["analyses_of", "analyze"]

_VELOCITY = "velocity"
_WORTH_A_PROCESS = 16
"""A process takes about as long to start as this many images to analyze."""


def analyze(
    dataset: str,
    analysis: str,
    /,
    *,
    image: Annotated[tuple[str, ...], Parameter(name=["--image", "-i"])] = (),
    missing: Annotated[bool, Parameter(name=["--missing", "-m"])] = False,
    window: Annotated[int | None, Parameter(validator=Number(gte=8, modulo=4))] = None,
    method: Literal["shear", "radon"] | None = None,
    workers: Workers = None,
    progress: ProgressParam = SILENT,
) -> AnalyzeResult:
    """Compute results from the pixels, such as the flow velocity.

    Results are kept with each image; kymflow index makes tables of them. An image that fails stops
    only itself.

    Args:
        dataset: Path or URL of the dataset.
        analysis: Which one: velocity, or another that kymflow plugins lists.
        image: Just this image: its id, the first characters of it, or its source file; may be
            given several times.
        missing: Leave alone what has results of these parameters.
        window: For velocity: lines per window, a multiple of 4, at least 8; 16 if not given.
        method: For velocity: shear, the default, or radon, for comparison.
        workers: In how many processes to work.
        progress: Who is told how it goes.

    Returns:
        What was done.

    Raises:
        UnknownNameError: There is no such analysis or image, or an option that it does not have.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    chosen = load_analysis(analysis, missing=missing, window=window, method=method)
    opened = open_writer(dataset)
    image_ids = [find_image(opened, name) for name in image] or opened.list_image_ids()
    asked = list(dict.fromkeys(image_ids))
    done: frozenset[str] = frozenset()
    if missing and analysis != _VELOCITY:  # which tells for itself, parameter by parameter
        done = frozenset(image for image in asked if analysis in analyses_of(opened, image))
    items = _run(opened, chosen, asked, done=done, workers=workers, progress=progress)
    count = Counter(item.status for item in items)
    return AnalyzeResult(
        dataset=dataset,
        analysis=analysis,
        images=count["ok"] + count["skipped"],
        analyzed=count["ok"],
        skipped=count["skipped"],
        failed=count["failed"],
        items=tuple(items),
    )


def analyses_of(dataset: ZarrDataset, image_id: str) -> frozenset[str]:
    """The analyses that an image has results of, of whatever parameters."""
    names = (
        key.partition("/analysis/")[2] for key in dataset.record(image_id).list_analysis_keys()
    )
    return frozenset(
        name.removesuffix("/params.json") for name in names if name.endswith("/params.json")
    )


def _run(
    dataset: ZarrDataset,
    analysis: BaseAnalysis,
    image_ids: list[str],
    *,
    done: frozenset[str],
    workers: int | None,
    progress: ProgressParam,
) -> list[AnalysedImage]:
    """Analyze images, but for those that are done, telling of each."""
    from kymflow.core.analysis.run import AnalysisOutcome, run_analysis

    progress.begin(f"analyzing: {analysis.name}", len(image_ids))
    sources = dataset.load_manifest().entries
    items: list[AnalysedImage] = []

    def add(outcome: AnalysisOutcome) -> None:
        items.append(_item(outcome, source_of(sources.get(outcome.image_id))))
        progress.tell(items[-1])
        progress.step()

    for image_id in image_ids:
        if image_id in done:
            add(AnalysisOutcome(image_id=image_id, error=None, skipped=True))
    todo = [image_id for image_id in image_ids if image_id not in done]
    most = max(1, math.ceil(len(todo) / _WORTH_A_PROCESS)) if workers is None else workers
    with worker_processes(min(default_workers(workers), most)) as executor:
        for outcome in run_analysis(dataset, analysis, image_ids=todo, executor=executor):
            add(outcome)
    return items


def _item(outcome: AnalysisOutcome, source: str | None) -> AnalysedImage:
    if outcome.error is not None:
        return AnalysedImage(
            image_id=outcome.image_id, source=source, status="failed", reason=outcome.error.reason
        )
    status: Literal["ok", "skipped"] = "skipped" if outcome.skipped else "ok"
    return AnalysedImage(image_id=outcome.image_id, source=source, status=status, reason=None)
