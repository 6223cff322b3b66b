"""Compute results from the pixels of many images."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from kymflow.cli.opening import find_image, open_writer, source_of
from kymflow.cli.options import ProgressParam, Workers, default_workers
from kymflow.cli.plugins import analysis_params, load_analysis
from kymflow.cli.progress import SILENT
from kymflow.cli.results import AnalysedImage, AnalyzeResult
from kymflow.cli.workers import worker_processes

if TYPE_CHECKING:
    from kymflow.core.analysis import AnalysisOutcome

__all__ = ["analyze"]

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
    label: str = "",
    overwrite: bool = False,
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
        missing: Leave alone what has current results of these parameters.
        window: For velocity: lines per window, a multiple of 4, at least 8; 16 if not given.
        method: For velocity: shear, the default, or radon, for comparison.
        label: A name for these results, to compare them with those of other parameters.
        overwrite: Replace results of other parameters that have the same label, or none.
        workers: In how many processes to work.
        progress: Who is told how it goes.

    Returns:
        What was done.

    Raises:
        UnknownNameError: There is no such analysis or image, or an option that it does not have.
        kymflow_zarr.NotADatasetError: There is no dataset there.
        kymflow.core.errors.OtherParametersError: There are results of other parameters.
    """
    from kymflow.core.analysis import make_params, run_analysis

    chosen = load_analysis(analysis)
    params = analysis_params(chosen, {"window": window, "method": method})
    opened = open_writer(dataset)
    image_ids = [find_image(opened, name) for name in image] or opened.list_image_ids()
    asked = list(dict.fromkeys(image_ids))
    sources = opened.load_manifest().entries
    items: list[AnalysedImage] = []
    most = max(1, math.ceil(len(asked) / _WORTH_A_PROCESS)) if workers is None else workers
    with worker_processes(min(default_workers(workers), most)) as executor:
        outcomes = run_analysis(
            opened,
            chosen,
            params=make_params(chosen.params, params),
            label=label,
            image_ids=asked,
            recompute=not missing,
            overwrite=overwrite,
            executor=executor,
        )
        progress.begin(f"analyzing: {analysis}", len(asked))
        for outcome in outcomes:
            items.append(_item(outcome, source_of(sources.get(outcome.image_id))))
            progress.tell(items[-1])
            progress.step()
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


def _item(outcome: AnalysisOutcome, source: str | None) -> AnalysedImage:
    return AnalysedImage(
        image_id=outcome.image_id,
        source=source,
        status=outcome.status,
        reason=None if outcome.error is None else outcome.error.reason,
    )
