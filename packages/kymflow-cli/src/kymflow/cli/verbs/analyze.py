"""Compute results from the pixels of many images."""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from cyclopts import Group, Parameter

from kymflow.cli.blocks import Block, Screen, counted, remark, sentence
from kymflow.cli.guesses import require_known
from kymflow.cli.image_failures import ImageOutcome, image_failures
from kymflow.cli.opening import find_image, open_writer, source_of
from kymflow.cli.options import ProgressParam, Workers
from kymflow.cli.progress import SILENT
from kymflow.cli.results import BatchResult
from kymflow.cli.safe_text import command, show
from kymflow.cli.workers import worker_processes

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from kymflow.core.analysis import Analysis, AnalysisOutcome, ParamInfo
    from kymflow_zarr import ZarrDataset

_WORTH_A_PROCESS = 16
"""A process takes about as long to start as this many images to analyze."""


def analyze(
    dataset: str,
    analysis: str,
    /,
    *,
    image: Annotated[tuple[str, ...], Parameter(name=["--image", "-i"])] = (),
    missing: Annotated[bool, Parameter(name=["--missing", "-m"])] = False,
    label: str = "",
    overwrite: bool = False,
    workers: Workers = None,
    progress: ProgressParam = SILENT,
    **parameters: Annotated[object, Parameter(show=False)],
) -> AnalyzeResult:
    """Compute results from the pixels.

    Results are kept with each image; kymflow index makes tables of them. An image that fails stops
    only itself. For the parameters of an analysis: kymflow analyze DATASET ANALYSIS --help

    Args:
        dataset: Path or URL of the dataset.
        analysis: Which one; kymflow plugins lists them.
        image: Just this image: its id, the first characters of it, or its source file; may be
            given several times.
        missing: Skip what has up-to-date results with these parameters.
        label: A name for these results, to compare them with those of other parameters.
        overwrite: Replace results with other parameters under the same label.
        workers: How many processes to use.
        progress: Shows how far the work is.
        parameters: Parameters of the analysis by name; ``__`` is the dot in that of a nested one.

    Raises:
        UnknownNameError: There is no such analysis or image.
        kymflow_zarr.NotADatasetError: There is no dataset there.
        kymflow.core.errors.AnalysisParameterError: It has no such parameter, or not this value.
        kymflow.core.errors.OtherParametersError: There are results of other parameters.
    """
    from kymflow.core.analysis import make_params

    chosen = load_analysis(analysis)
    given = {
        name.replace("__", "."): value for name, value in parameters.items() if value is not None
    }
    params = make_params(chosen.params, given)
    opened = open_writer(dataset)
    image_ids = [find_image(opened, name) for name in image] or opened.list_image_ids()
    asked = list(dict.fromkeys(image_ids))
    items = analyze_images(
        opened,
        chosen,
        params,
        asked,
        label=label,
        recompute=not missing,
        overwrite=overwrite,
        workers=workers,
        progress=progress,
    )
    count = Counter(item.status for item in items)
    return AnalyzeResult(
        dataset=dataset,
        analysis=analysis,
        images=count["ok"] + count["skipped"],
        analyzed=count["ok"],
        skipped=count["skipped"],
        left_out=count["left out"],
        assumed=sum(item.assumed for item in items),
        failed=count["failed"],
        items=tuple(items),
    )


def analyze_images(
    dataset: ZarrDataset,
    analysis: Analysis[Any],
    params: DataclassInstance,
    image_ids: Sequence[str],
    *,
    label: str = "",
    recompute: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
    progress: ProgressParam = SILENT,
) -> list[AnalysedImage]:
    """Run an analysis on images, telling what became of each as soon as it is known."""
    from kymflow.core.analysis import run_analysis

    sources = dataset.load_manifest().entries
    items: list[AnalysedImage] = []
    images = len(image_ids)
    with worker_processes(workers, images=images, per_process=_WORTH_A_PROCESS) as executor:
        outcomes = run_analysis(
            dataset,
            analysis,
            params=params,
            label=label,
            image_ids=image_ids,
            recompute=recompute,
            overwrite=overwrite,
            executor=executor,
        )
        progress.begin(f"analyzing: {analysis.name}", images)
        for outcome in outcomes:
            items.append(_item(outcome, source_of(sources.get(outcome.image_id))))
            progress.tell(items[-1])
            progress.step()
    return items


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeResult(BatchResult):
    """What a run of `analyze` did.

    Attributes:
        analysis: The analysis.
        images: How many of the images asked for have results now, new ones or older ones.
        analyzed: How many were analyzed.
        skipped: How many had results of these parameters, and were left alone.
        left_out: How many are not kymographs.
        assumed: How many were taken for kymographs, though nothing says that they are.
        items: The images that were asked for.
    """

    streamed: ClassVar[bool] = True
    verb: ClassVar[str] = "analyze"
    analysis: str
    images: int
    analyzed: int
    skipped: int
    left_out: int
    assumed: int
    items: tuple[AnalysedImage, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        for what, status in [("could not be analyzed", "failed"), ("left out", "left out")]:
            items = [item for item in self.items if item.status == status]
            yield from image_failures(what, items, screen)
        yield sentence(
            f"{show(self.analysis)}: {counted(self.analyzed, 'image')} analyzed",
            **{"left alone": self.skipped, "left out": self.left_out, "failed": self.failed},
        )
        if self.assumed:
            yield remark(
                f"nothing says that the rows of {counted(self.assumed, 'image')} are lines over "
                f"time; if they are, give the line period: "
                f"{command('calibrate', self.dataset, '--line-ms', 'MS')}"
            )
        if self.analyzed:
            yield remark(f"to make tables of them: {command('index', self.dataset)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysedImage(ImageOutcome):
    """What became of one image.

    Attributes:
        status: ``skipped``: it had results of these parameters, and was left alone.
        assumed: Whether it was taken for a kymograph, though nothing says that its rows are lines
            over time.
    """

    status: Literal["ok", "skipped", "left out", "failed"]
    assumed: bool


def _item(outcome: AnalysisOutcome, source: str | None) -> AnalysedImage:
    return AnalysedImage(
        image_id=outcome.image_id,
        source=source,
        status=outcome.status,
        reason=outcome.left_out or None if outcome.error is None else outcome.error.reason,
        assumed=outcome.assumed,
    )


def load_analysis(name: str) -> Analysis[Any]:
    """An analysis.

    Raises:
        UnknownNameError: There is none of that name.
        kymflow.core.errors.PluginError: It cannot be used.
    """
    from kymflow.core import plugins as core

    require_known(name, core.find_analyses(), what="analysis")
    return core.load_analysis(name)


def with_options(words: Sequence[str]) -> Callable[..., AnalyzeResult]:
    """`analyze` with the parameters of an analysis as options.

    Args:
        words: A command line that may name the analysis.

    Returns:
        `analyze` itself if no analysis that can be used is named.
    """
    from kymflow.core import plugins
    from kymflow.core.analysis import describe_params
    from kymflow.core.errors import PluginError

    known = plugins.find_analyses()
    named = next((word for word in words if word in known), None)
    try:
        chosen = None if named is None else plugins.load_analysis(named)
    except PluginError:
        chosen = None  # to run it says why
    if chosen is None:
        return analyze
    group = Group(f"Parameters of {chosen.name}", sort_key=1)
    signature = inspect.signature(analyze, eval_str=True)
    kept = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    options = [_option(info, group) for info in describe_params(chosen.params)]

    @functools.wraps(analyze)
    def specialized(*args: object, **named: object) -> AnalyzeResult:
        run: Callable[..., AnalyzeResult] = analyze
        return run(*args, **named)

    parameters = (*kept, *options)
    # What Cyclopts reads.
    vars(specialized)["__signature__"] = signature.replace(parameters=parameters)
    specialized.__annotations__ = {
        **{parameter.name: parameter.annotation for parameter in parameters},
        "return": AnalyzeResult,
    }
    return specialized


def _option(info: ParamInfo, group: Group) -> inspect.Parameter:
    name = "--" + info.name.replace("_", "-")

    def check(_: object, value: object) -> None:
        if value is not None and not info.accepts(value):
            raise ValueError(f"give {info.rule()}")

    kind: Any = Literal[info.choices] if info.choices else info.type
    about = Parameter(
        name=name,
        negative=f"--no-{name[2:]}" if info.type is bool else (),
        group=group,
        help=_help(info),
        validator=check,
        show_default=lambda _: str(info.default),
    )
    return inspect.Parameter(
        info.name.replace(".", "__"),
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, about],
    )


def _help(info: ParamInfo) -> str:
    unit, rule = info.about.unit, info.about.rule()
    said = f"{info.about.doc} ({unit})" if unit else info.about.doc
    return f"{said}; {rule}." if rule else f"{said}."
