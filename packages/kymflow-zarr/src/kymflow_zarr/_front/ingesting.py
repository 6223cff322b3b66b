"""Ingesting files into an open dataset, and what is remembered of them for the next run."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kymflow_zarr._catalog.failed_sources import (
    FailedSource,
    failure_of,
    load_failures,
    save_failures,
)
from kymflow_zarr._catalog.refresh_plan import (
    RefreshMode,
    RefreshPlan,
    missing_paths,
    plan_refresh,
)
from kymflow_zarr._catalog.source_details import SourceDetail, SourceDetails, source_detail
from kymflow_zarr._catalog.sources import (
    FolderScan,
    SourceFile,
    SourceRow,
    beside_to_text,
    rows_from_table,
)
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._front.access import Access
from kymflow_zarr._ingest.outcome import IngestJob, IngestOutcome
from kymflow_zarr._tables.tables import Tables
from kymflow_zarr.errors import IncompleteImageError, UnreadableImageError
from kymflow_zarr.options import IngestOptions

if TYPE_CHECKING:
    import pyarrow as pa

    from kymflow_zarr._ingest.known_pixels import KnownPixels


def plan(access: Access, scan: FolderScan, options: IngestOptions) -> RefreshPlan:
    """What a refresh of a folder would do; nothing is written."""
    known = SourcesIndex(access.blobs, Tables(access.blobs)).rows_for_refresh()
    details, failures = SourceDetails(access.blobs), load_failures(access.blobs)
    return _plan(scan, known, details, failures, options)


def refresh(
    access: Access, scan: FolderScan, *, mode: RefreshMode, workers: int, options: IngestOptions
) -> Iterator[IngestOutcome]:
    """Ingest what is new in a folder; see `DatasetSources.iter_refresh`."""
    from kymflow_zarr._ingest.known_pixels import KnownPixels

    blobs = access.blobs
    with access.lock("ingest", f"ingest {scan.folder}"):
        known = SourcesIndex(blobs, Tables(blobs)).rows_for_refresh()
        details, failures = SourceDetails(blobs), load_failures(blobs)
        found = _plan(scan, known, details, failures, options)
        yield from _without_reading(found, mode)
        jobs = found.to_ingest(mode)
        rows = rows_from_table(known) if jobs else []
        yield from _ingest(
            access,
            jobs,
            known=KnownPixels(blobs, rows, details, new_copies=options.new_copies),
            details=details,
            failures=_still_there(failures, scan),
            workers=workers,
            options=options,
        )


def ingest_one(access: Access, file: SourceFile, options: IngestOptions) -> IngestOutcome:
    """Ingest one file as a new image. The caller holds the ingest lock."""
    blobs = access.blobs
    (outcome,) = _ingest(
        access,
        [(file, None)],
        known=None,
        details=SourceDetails(blobs),
        failures=load_failures(blobs),
        workers=1,
        options=options,
    )
    return outcome


def _plan(
    scan: FolderScan,
    known: pa.Table,
    details: SourceDetails,
    failures: Mapping[str, FailedSource],
    options: IngestOptions,
) -> RefreshPlan:
    now, rest = time.time_ns(), round(options.settle_seconds * 1e9)
    remembered = {} if options.retry_failed else failures
    return plan_refresh(
        scan,
        known,
        beside_of=details.beside,
        failures={path: item for path, item in remembered.items() if not item.incomplete},
        # The clock of a server may be ahead: that must not make a file wait for hours.
        unsettled_ns=range(now - rest + 1, now + rest),
    )


def _ingest(
    access: Access,
    files: Iterable[tuple[SourceFile, str | None]],
    *,
    known: KnownPixels | None,
    details: SourceDetails,
    failures: dict[str, FailedSource],
    workers: int,
    options: IngestOptions,
) -> Iterator[IngestOutcome]:
    from kymflow_zarr._ingest.batch import ingest_jobs

    jobs = [IngestJob(image_id=str(uuid.uuid4()), file=file, supersedes=old) for file, old in files]
    fresh: dict[str, SourceRow] = {}
    try:
        outcomes = ingest_jobs(
            access.blobs,
            jobs,
            known=known,
            options=options,
            workers=workers,
            one_by_one=access.durability == "record",
        )
        for job, found in zip(jobs, outcomes, strict=True):
            outcome = _reported(found, job.file, failures)
            if options.strict:  # a file beside it may be at fault
                failures.pop(job.file.paths[0], None)
            if outcome.source is not None:
                fresh[outcome.image_id] = outcome.source
                details.put(_detail(outcome, job.file, details))
            yield outcome
    finally:
        # Once per call, not per batch: after a crash the rows come back from the records.
        if fresh or details.changed:
            _save(access, list(fresh.values()), details)
        if failures != load_failures(access.blobs):
            save_failures(access.blobs, failures)


def _save(access: Access, fresh: list[SourceRow], details: SourceDetails) -> None:
    index = SourcesIndex(access.blobs, Tables(access.blobs))
    with access.lock("tables", "update the sources index"):
        rows = index.rows_to_store(extra=fresh)
        if fresh:
            index.save(rows)
        details.save([row.image_id for row in rows])


def _without_reading(plan: RefreshPlan, mode: RefreshMode) -> Iterator[IngestOutcome]:
    """What a refresh reports of files that it does not open."""
    for path, error in plan.refused.items():
        yield IngestOutcome(path=path, image_id="", status="failed", error=error)
    for failure in plan.failed:
        path = Path(failure.path)
        reason = f"{failure.reason} (as before: it is not tried again until it changes)"
        error = UnreadableImageError(path, reason)
        yield IngestOutcome(path=path, image_id="", status="failed", error=error)
    for file in plan.waiting:
        error = IncompleteImageError(
            file.primary, "it changed a moment ago, may still be written, and waits for a later run"
        )
        yield IngestOutcome(path=file.primary, image_id="", status="waiting", error=error)
    for file, image_id in plan.changed if mode == "skip" else ():
        yield IngestOutcome(path=file.primary, image_id=image_id, status="changed")


def _reported(
    outcome: IngestOutcome, file: SourceFile, failures: dict[str, FailedSource]
) -> IngestOutcome:
    """An outcome as reported; failures are remembered, what is incomplete gets a second run."""
    path = file.paths[0]
    before = failures.pop(path, None)
    if outcome.error is None:
        return outcome
    again = before is not None and before.incomplete and before.is_of(file)
    incomplete = isinstance(outcome.error, IncompleteImageError) and not again
    reason = outcome.error.reason
    failures[path] = failure_of(file, reason, incomplete=incomplete)
    if not incomplete:
        return outcome
    reason = f"it is still being written, or was cut short, and waits for the next run: {reason}"
    return replace(outcome, status="waiting", error=IncompleteImageError(file.primary, reason))


def _detail(outcome: IngestOutcome, file: SourceFile, details: SourceDetails) -> SourceDetail:
    """What is known of an image after its file was read."""
    if outcome.status == "renewed":
        known = details.of([outcome.image_id])[outcome.image_id]
        return known if file.beside is None else known._replace(beside=beside_to_text(file.beside))
    digest = outcome.pixels_digest or details.of([outcome.image_id])[outcome.image_id].pixels_digest
    return source_detail(
        outcome.image_id, pixels_digest=digest, beside=file.beside, issues=outcome.issues
    )


def _still_there(failures: Mapping[str, FailedSource], scan: FolderScan) -> dict[str, FailedSource]:
    """The failures without those of files that are gone from a folder that was looked at."""
    gone = set(missing_paths(failures, scan.listings)) if failures else ()
    return {path: failure for path, failure in failures.items() if path not in gone}
