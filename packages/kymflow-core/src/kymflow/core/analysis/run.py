"""Run an analysis on many images: here, in other processes, or on a cluster."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from kymflow.core.analysis.current_images import CurrentImages
from kymflow.core.analysis.definition import Analysis
from kymflow.core.analysis.inputs import load_inputs
from kymflow.core.analysis.params import check_params, params_json
from kymflow.core.analysis.regions import (
    Region,
    calibration_of,
    has_line_times,
    region_pixels,
    regions_of,
)
from kymflow.core.analysis.status import image_status, parameter_documents
from kymflow.core.analysis.storage import (
    ComputedRegion,
    RegionFailure,
    RegionResult,
    load_results,
    save_results,
    summary_values,
)
from kymflow.core.batches import run_batches
from kymflow.core.errors import (
    AnalysisFailedError,
    KymflowCoreError,
    NotAKymographError,
    OtherParametersError,
    UnknownKeyError,
)
from kymflow.core.metadata import ImageMetadata, load_metadata
from kymflow.core.provenance import params_hash
from kymflow.core.run_log import Run, log_run, now
from kymflow_zarr import InvalidNameError, KymflowZarrError, ReadOnlyError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from numpy.typing import NDArray

    from kymflow.core.provenance import Params
    from kymflow_zarr import ZarrDataset, ZarrImageRecord

_IMAGES_PER_TASK: Final = 4

P = TypeVar("P", bound="DataclassInstance")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisOutcome:
    """What became of one image.

    Attributes:
        image_id: The image.
        computed: The regions that have new results.
        current: The regions whose results were current, and were left alone; empty if all were
            known to be.
        error: What failed, the regions by name; None if nothing did.
        left_out: Why the image is not a kymograph, and was left out; empty if it was not.
        assumed: Whether it was taken for a kymograph without a line period, an axis of time or a
            ROI that says so.
    """

    image_id: str
    computed: tuple[Region, ...] = ()
    current: tuple[Region, ...] = ()
    error: AnalysisFailedError | None = None
    left_out: str = ""
    assumed: bool = False

    @property
    def status(self) -> Literal["ok", "skipped", "left out", "failed"]:
        """In a word: ``skipped`` if there was nothing to compute."""
        if self.error is not None:
            return "failed"
        if self.left_out:
            return "left out"
        return "ok" if self.computed else "skipped"


def run_analysis(
    dataset: ZarrDataset,
    analysis: Analysis[P],
    *,
    params: P | None = None,
    label: str = "",
    image_ids: Sequence[str] | None = None,
    roi_ids: Collection[int] | None = None,
    recompute: bool = False,
    overwrite: bool = False,
    executor: Executor | None = None,
) -> Iterator[AnalysisOutcome]:
    """Run an analysis on the regions of images whose results are not current.

    A region that fails stops only itself, and its failure is remembered. Results are kept with each
    image as soon as its outcome is yielded, so they are kept even if the caller stops early.

    Args:
        dataset: The dataset, writable. For processes or a cluster it must have been opened by its
            path or URL.
        analysis: The analysis.
        params: Its parameters; the defaults if None.
        label: A person's name for these results, so that several sets of parameters can be
            compared; "" for none.
        image_ids: The images; all if None.
        roi_ids: Only these ROIs; all regions if None.
        recompute: Compute current results again, too.
        overwrite: Whether results of other parameters under the same label may be replaced.
        executor: Where to work; in this thread, if None.

    Yields:
        What became of each image, in order, as soon as it is known.

    Raises:
        ReadOnlyError: The dataset was opened with ``mode="r"``.
        AnalysisParameterError: A parameter is outside its range.
        InvalidNameError: The label cannot be the name of a folder.
        OtherParametersError: There are results of other parameters under this label.
        WorkerError: The executor could not do the work.
    """
    if dataset.mode == "r":
        raise ReadOnlyError(f"run the analysis {analysis.name!r}")
    if "/" in label:
        raise InvalidNameError(label, kind="label", reason="it has a slash")
    chosen = analysis.params() if params is None else params
    check_params(chosen)
    job = _Job(
        dataset=dataset,
        analysis=analysis,
        params=chosen,
        label=label,
        roi_ids=None if roi_ids is None else frozenset(roi_ids),
        recompute=recompute,
    )
    wanted = dataset.list_image_ids() if image_ids is None else list(image_ids)
    current: frozenset[str] = frozenset()
    if not recompute and roi_ids is None:
        current = job.current_images.known(dataset, dataset.artifact_stamps(wanted))
    todo = [image_id for image_id in wanted if image_id not in current]
    others = [] if overwrite else [i for i in todo if _has_other_parameters(job, i)]
    if others:
        raise OtherParametersError(analysis.name, label, others)
    return _outcomes(job, wanted, todo, executor)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job(Generic[P]):
    """What to do with each image; see `run_analysis`."""

    dataset: ZarrDataset
    analysis: Analysis[P]
    params: P
    label: str
    roi_ids: frozenset[int] | None
    recompute: bool

    @property
    def current_images(self) -> CurrentImages:
        """What is known of images that need no look."""
        name = f"analysis/{self.analysis.name}" + (f"/{self.label}" if self.label else "")
        chosen = {"version": self.analysis.version, "params": params_json(self.params)}
        return CurrentImages(name=name, identity=params_hash(chosen))


def _has_other_parameters(job: _Job[P], image_id: str) -> bool:
    try:
        stored = load_results(job.dataset.record(image_id), job.analysis, label=job.label)
    except (KymflowCoreError, KymflowZarrError, OSError):
        return False  # the run itself reports what is wrong with the image
    chosen = params_json(job.params)
    return any(document.get("parameters") != chosen for document in stored.params.values())


def _outcomes(
    job: _Job[P], image_ids: Sequence[str], todo: Sequence[str], executor: Executor | None
) -> Iterator[AnalysisOutcome]:
    started = now()
    counts = Counter[str]()
    stamps: dict[str, str] = {}
    size = 1 if executor is None else _IMAGES_PER_TASK
    asked = frozenset(todo)
    batches = run_batches(partial(_analyze_batch, job), todo, executor=executor, batch_size=size)
    try:
        with closing(batches):
            computed = chain.from_iterable(batches)
            for image_id in image_ids:
                outcome = AnalysisOutcome(image_id=image_id)
                if image_id in asked:
                    outcome, stamps[image_id] = next(computed)
                counts[outcome.status] += 1
                yield outcome
    finally:
        # Also for a run that was stopped early: its results are kept.
        job.current_images.remember(
            job.dataset, stamps, other=[i for i, stamp in stamps.items() if not stamp]
        )
        log_run(
            job.dataset,
            Run(
                action="analyze",
                name=job.analysis.name,
                version=job.analysis.version,
                started=started,
                label=job.label,
                params=params_json(job.params),
                counts={"images": len(image_ids), **counts},
            ),
        )


def _analyze_batch(
    job: _Job[P], image_ids: tuple[str, ...], on_image: Callable[[], None] | None = None
) -> list[tuple[AnalysisOutcome, str]]:
    """What became of each image, and its stamp if all its results are current now."""
    outcomes = []
    for image_id in image_ids:
        try:
            outcome = _own_failure(job, image_id, partial(_analyze, job, image_id))
            stamp = ""
            if not outcome.left_out:
                stamp = _own_failure(job, image_id, partial(_stamp_if_current, job, image_id))
        except AnalysisFailedError as error:
            outcome, stamp = AnalysisOutcome(image_id=image_id, error=error), ""
        outcomes.append((outcome, stamp))
        if on_image is not None:
            on_image()
    return outcomes


def _stamp_if_current(job: _Job[P], image_id: str) -> str:
    # Before it is looked at: a change that comes between must not go unnoticed.
    stamp = job.dataset.artifact_stamps([image_id])[image_id]
    rec = job.dataset.record(image_id)
    status = image_status(rec, job.analysis, params=job.params, label=job.label)
    current = all(region.state == "current" for region in status.regions) and not status.gone
    return stamp if current else ""


def _analyze(job: _Job[P], image_id: str) -> AnalysisOutcome:
    """Analyze one image: decide which regions to compute, compute them, store what came of it."""
    rec = job.dataset.record(image_id)
    metadata = load_metadata(rec)
    try:
        regions = regions_of(rec, metadata)
    except NotAKymographError as error:
        return AnalysisOutcome(image_id=image_id, left_out=error.reason)
    wanted = [r for r in regions if job.roi_ids is None or r.roi_id in job.roi_ids]
    if job.roi_ids is not None and not wanted:
        known = (region.roi_id for region in regions if region.roi_id is not None)
        raise UnknownKeyError("ROI", min(job.roi_ids, default=0), known)
    current: set[Region] = set()
    has_gone = False
    if not job.recompute:
        status = image_status(rec, job.analysis, params=job.params, label=job.label)
        current = {one.region for one in status.regions if one.state == "current"}
        has_gone = bool(status.gone)
    todo = tuple(region for region in wanted if region not in current)
    documents = parameter_documents(rec, metadata, todo, job.analysis, job.params, label=job.label)
    load_pixels = cache(rec.load_array)
    computed: list[ComputedRegion] = []
    errors: dict[Region, AnalysisFailedError] = {}
    for region in todo:
        compute = partial(_compute, job, rec, metadata, load_pixels, region, documents[region])
        try:
            computed.append(_own_failure(job, image_id, compute))
        except AnalysisFailedError as error:
            errors[region] = error
    if todo or has_gone:
        save_results(
            rec,
            job.analysis,
            label=job.label,
            computed=computed,
            failures=[
                RegionFailure(
                    channel=region.channel,
                    roi_id=region.roi_id,
                    params=documents[region],
                    analysis_version=job.analysis.version,
                    reason=error.reason,
                )
                for region, error in errors.items()
            ],
            places={region.place for region in regions},
        )
    return AnalysisOutcome(
        image_id=image_id,
        computed=tuple(region for region in todo if region not in errors),
        current=tuple(region for region in wanted if region in current),
        error=_joined(job, image_id, errors),
        assumed=not has_line_times(rec, metadata),
    )


def _compute(
    job: _Job[P],
    rec: ZarrImageRecord,
    metadata: ImageMetadata,
    load_pixels: Callable[[], NDArray[Any]],
    region: Region,
    document: Params,
) -> ComputedRegion:
    inputs = load_inputs(rec, job.analysis, document)
    pixels = region_pixels(rec, metadata, load_pixels(), region)
    calibration = calibration_of(rec, metadata)
    result = job.analysis.compute(pixels, calibration, job.params, region, inputs)
    return ComputedRegion(
        entry=RegionResult(
            channel=region.channel,
            roi_id=region.roi_id,
            params_hash=params_hash(document),
            analysis_version=job.analysis.version,
            values=summary_values(result.summary),
        ),
        params=document,
        result=result,
    )


def _own_failure(job: _Job[P], image_id: str, call: Callable[[], T]) -> T:
    """Call third-party code: whatever it raises is a failure of this image only."""
    try:
        return call()
    except Exception as error:
        own = isinstance(error, KymflowCoreError | KymflowZarrError)
        raise AnalysisFailedError(
            image_id=image_id,
            analysis=job.analysis.name,
            reason=str(error) if own else f"{type(error).__name__}: {error}",
            details="".join(traceback.format_exception(error)),
        ) from error


def _joined(
    job: _Job[P], image_id: str, errors: dict[Region, AnalysisFailedError]
) -> AnalysisFailedError | None:
    if not errors:
        return None
    return AnalysisFailedError(
        image_id=image_id,
        analysis=job.analysis.name,
        reason="; ".join(f"{region}: {error.reason}" for region, error in errors.items()),
        details="\n".join(error.details for error in errors.values()),
    )
