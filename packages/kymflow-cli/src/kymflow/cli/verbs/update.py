"""Bring a dataset up to date: files, results, tables and the report, where something changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from cyclopts import Parameter

from kymflow.cli.blocks import Block, Screen, counted, failure_blocks, remark, sentence
from kymflow.cli.file_issues import issue_blocks
from kymflow.cli.folders import choose_folders
from kymflow.cli.opening import open_writer
from kymflow.cli.options import (
    DEFAULT_PATTERNS,
    DEFAULT_WAIT_S,
    IngestFlags,
    ProgressParam,
    Wait,
    Workers,
)
from kymflow.cli.progress import SILENT
from kymflow.cli.results import BatchResult
from kymflow.cli.safe_text import command, show
from kymflow.cli.source_names import source_name
from kymflow.cli.survey import Survey, survey
from kymflow.cli.verbs.analyze import AnalysedImage, analyze_images
from kymflow.cli.verbs.index import ImageFailure, IndexedTable, run_indexer
from kymflow.cli.verbs.ingest import (
    FileOutcome,
    IngestResult,
    file_remarks,
    ingest_folders,
    rule_remarks,
)
from kymflow.cli.verbs.report import REPORT_LIMIT, report_place
from kymflow.cli.verbs.report import report as write_report

if TYPE_CHECKING:
    from kymflow.core.analysis import Analysis
    from kymflow_zarr import ZarrDataset


def update(
    dataset: str,
    /,
    *,
    report: Annotated[bool, Parameter(name="--report", negative="--no-report")] = True,
    workers: Workers = None,
    wait: Wait = DEFAULT_WAIT_S,
    progress: ProgressParam = SILENT,
) -> UpdateResult:
    """Bring a dataset up to date, in one go.

    New files in its folders are ingested, with the fields and the calibration that were decided for
    later images. Results that are missing or outdated are computed, with the parameters that they
    had. Then tables and the report follow. What is up to date is left alone: a second run does
    nothing. An analysis that was never run is not started, and one that failed is tried again only
    after something has changed.

    Args:
        dataset: Path or URL of the dataset.
        report: Whether to write the report.
        workers: How many processes to use.
        wait: How many seconds to wait for another writer.
        progress: Shows how far the work is.

    Raises:
        kymflow_zarr.NotADatasetError: There is no dataset there.
        kymflow_zarr.LockedError: Another writer is at work.
    """
    opened = open_writer(dataset, wait_s=wait)
    taken_in = _refresh(opened, dataset, workers=workers, progress=progress)
    analyzed, found = _analyze(opened, workers=workers, progress=progress)
    tables = _index(opened, found, progress=progress)
    place = report_place(dataset)
    has_changed = bool(analyzed) or any(isinstance(item, IndexedTable) for item in tables)
    is_written = report and (has_changed or not place.is_file())
    if is_written:
        write_report(
            dataset, place, workers=workers, pages=len(opened.list_image_ids()) > REPORT_LIMIT
        )
    return UpdateResult(
        dataset=dataset,
        taken_in=taken_in.taken_in,
        by_rule=taken_in.by_rule,
        analyzed=sum(item.status == "ok" for item in analyzed),
        tables=sum(isinstance(item, IndexedTable) for item in tables),
        failed=taken_in.failed
        + sum(item.status == "failed" for item in analyzed)
        + sum(isinstance(item, ImageFailure) for item in tables),
        report=str(place) if is_written else None,
        items=(*taken_in.items, *analyzed, *tables),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateResult(BatchResult):
    """What an update did.

    Attributes:
        taken_in: How many files are new images now.
        by_rule: How many new images have fields or a calibration that were decided for all to come.
        analyzed: How many times an image was analyzed.
        tables: How many tables were brought up to date.
        report: The report, if it was written; None if it was not.
        items: The files that were tried, the images that were analyzed, the tables.
    """

    streamed: ClassVar[bool] = True
    verb: ClassVar[str] = "update"
    taken_in: int
    by_rule: int
    analyzed: int
    tables: int
    report: str | None
    items: tuple[FileOutcome | AnalysedImage | IndexedTable | ImageFailure, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        failures = [
            (item.path if isinstance(item, FileOutcome) else _name(item), item.reason)
            for item in self.items
            if not isinstance(item, IndexedTable) and item.reason is not None
            if not (isinstance(item, FileOutcome) and item.status == "waiting")
        ]
        yield from failure_blocks(
            f"{counted(len(failures), 'failure')}", ("what", "reason"), failures, screen
        )
        if self.taken_in or self.analyzed or self.tables or self.failed or self.report:
            yield sentence(
                f"{show(self.dataset)}: {counted(self.taken_in, 'new image')}",
                f"{counted(self.analyzed, 'image')} analyzed" if self.analyzed else "",
                f"{counted(self.tables, 'table')} updated" if self.tables else "",
                failed=self.failed,
            )
        else:
            yield Block(lines=[f"{show(self.dataset)} is up to date"])
        files = [item for item in self.items if isinstance(item, FileOutcome)]
        yield from issue_blocks(issue for file in files for issue in file.issues)
        yield from file_remarks(files)
        yield from rule_remarks(self.by_rule, self.dataset)
        if any(file.status == "changed" for file in files):
            typed = command("refresh", self.dataset, "--changed")
            yield remark(f"to ingest changed files again: {typed}")
        if self.report:
            yield remark(f"the report: {show(self.report)}")
        if self.failed:
            yield remark(f"to see what failed: {command('status', self.dataset)}")


def _name(item: AnalysedImage | ImageFailure) -> str:
    return source_name(item.source) if item.source else item.image_id


def _refresh(
    dataset: ZarrDataset, location: str, *, workers: int | None, progress: ProgressParam
) -> IngestResult:
    folders = choose_folders(dataset, (), DEFAULT_PATTERNS, recursive=False)
    options = IngestFlags(workers=workers)
    return ingest_folders(
        dataset, folders, options, verb="update", location=location, progress=progress
    )


def _analyze(
    dataset: ZarrDataset, *, workers: int | None, progress: ProgressParam
) -> tuple[list[AnalysedImage], Survey]:
    """Compute what is not current, then what builds on it; the survey is of the time after that."""
    from kymflow.core.plugins import load_analyses

    analyses = load_analyses()
    latest: dict[tuple[str, str, str], AnalysedImage] = {}
    found = survey(dataset)
    for _ in analyses:
        done: dict[tuple[str, str, str], AnalysedImage] = {}
        for (name, label), states in found.states.items():
            todo = found.in_order(
                image_id
                for image_id, state in states.items()
                if state.state in {"outdated", "missing"}
            )
            for params, image_ids in _by_params(dataset, analyses[name], label, todo):
                analyzed = analyze_images(
                    dataset,
                    analyses[name],
                    params,
                    image_ids,
                    label=label,
                    workers=workers,
                    progress=progress,
                )
                done |= {(name, label, item.image_id): item for item in analyzed}
        if not done:
            break
        latest |= done
        found = survey(dataset)
    return list(latest.values()), found


def _by_params(
    dataset: ZarrDataset, analysis: Analysis[Any], label: str, image_ids: list[str]
) -> Iterator[tuple[Any, list[str]]]:
    """Images by the parameters of their results; those without any by those of the last run."""
    from kymflow.core import KymDataset
    from kymflow.core.analysis import load_results, params_from_json

    if not image_ids:
        return
    log = KymDataset(dataset).log()
    runs = log[(log["action"] == "analyze") & (log["name"] == analysis.name)]
    runs = runs[runs["label"] == label]
    latest = str(runs["params"].iloc[-1]) if len(runs) else "{}"
    groups: dict[str, list[str]] = {}
    for image_id in image_ids:
        stored = load_results(dataset.record(image_id), analysis, label=label)
        chosen = {json.dumps(one.get("parameters")) for one in stored.params.values()}
        groups.setdefault(min(chosen, default=json.dumps(json.loads(latest))), []).append(image_id)
    for document, members in groups.items():
        yield params_from_json(analysis.params, json.loads(document)), members


def _index(
    dataset: ZarrDataset, found: Survey, *, progress: ProgressParam
) -> list[IndexedTable | ImageFailure]:
    from kymflow.core import KymDataset, run_order
    from kymflow.core.plugins import load_indexers

    kymographs = KymDataset(dataset)
    done: list[IndexedTable | ImageFailure] = []
    indexers = load_indexers()
    for indexer in run_order([indexers[name] for name in found.outdated]):
        # A table that another one depends on may have changed by now.
        if kymographs.outdated_images(indexer) if done else found.outdated[indexer.name]:
            done += run_indexer(kymographs, indexer, mode="incremental", progress=progress)
    if done:
        dataset.update_manifest()
    for item in done:
        progress.tell(item)
    return done
