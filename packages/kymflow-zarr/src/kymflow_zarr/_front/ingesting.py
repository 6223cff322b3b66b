"""Files ingested into an open dataset, batch by batch.

Each batch takes the lock ``ingest`` for itself: a caller that keeps a generator, or drops it, keeps
no other writer waiting. What other writers ingested in between is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from kymflow_zarr._catalog.failed_sources import FailedSource, load_failures
from kymflow_zarr._catalog.refresh_plan import (
    RefreshMode,
    RefreshPlan,
    missing_paths,
    plan_refresh,
)
from kymflow_zarr._catalog.source_details import SourceDetails
from kymflow_zarr._catalog.sources import FolderScan, SourceFile, rows_from_table, rows_to_table
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._front.access import Access
from kymflow_zarr._ingest.ledger import IngestLedger
from kymflow_zarr._ingest.outcome import IngestOutcome
from kymflow_zarr.errors import IncompleteImageError, UnreadableImageError
from kymflow_zarr.options import IngestOptions

if TYPE_CHECKING:
    import pyarrow as pa

    from kymflow_zarr._ingest.batch import BatchIngest

_ToIngest: TypeAlias = tuple[SourceFile, str | None]
"""A file, and the image that the one made of it supersedes."""


def plan(access: Access, scan: FolderScan, options: IngestOptions) -> RefreshPlan:
    """What a refresh of a folder would do; nothing is written."""
    known = SourcesIndex(access.blobs).rows_for_refresh()
    details, failures = SourceDetails(access.blobs), load_failures(access.blobs)
    return _plan(scan, known, details, failures, options)


def refresh(
    access: Access, scan: FolderScan, *, mode: RefreshMode, workers: int, options: IngestOptions
) -> Iterator[IngestOutcome]:
    """Ingest what is new in a folder; see `DatasetSources.iter_refresh`."""
    from kymflow_zarr._ingest.batch import BatchIngest, folders_of, in_batches
    from kymflow_zarr._ingest.known_pixels import KnownPixels

    action = f"ingest {scan.folder}"
    ledger = IngestLedger(access.blobs)
    known = SourcesIndex(access.blobs).rows_for_refresh()
    found = _plan(scan, known, ledger.details, ledger.failures, options)
    yield from _without_reading(found, mode)
    to_ingest = found.to_ingest(mode)
    ledger.forget_failures(missing_paths(ledger.failures, scan.listings))
    with ExitStack() as stack:
        stack.callback(_save, access, ledger, action)
        ingest = BatchIngest(
            blobs=access.blobs,
            folders=folders_of((file for file, _ in to_ingest), options),
            known=KnownPixels(
                access.blobs,
                rows_from_table(known) if to_ingest else [],
                ledger.details,
                new_copies=options.new_copies,
            ),
            options=options,
            executor=stack.enter_context(ThreadPoolExecutor(workers)) if workers > 1 else None,
        )
        for batch in in_batches(
            to_ingest,
            size_of=lambda item: item[0].size_bytes,
            one_by_one=access.durability == "record",
        ):
            with access.lock("ingest", action):
                left, reported = _left_of(ledger, batch, mode)
                reported += _ingest(ingest, ledger, left)
                _merge_if_full(access, ledger, action)
            yield from reported


def ingest_one(access: Access, path: Path, options: IngestOptions) -> IngestOutcome:
    """Ingest one file as a new image, of several the first; see `DatasetSources.ingest_file`.

    What this costs does not depend on how many images there are.
    """
    # First of all: what others ingest from here on is not ingested again.
    ledger = IngestLedger(access.blobs, since_ns=time.time_ns())
    from kymflow_zarr._ingest.batch import BatchIngest, folders_of
    from kymflow_zarr._ingest.scan import scan_file

    action = "ingest an image"
    with access.lock("ingest", action):
        file = scan_file(path, options=options)
        for row in ledger.later_rows([file]):  # of a writer that was waited for
            if (row.source_mtime_ns, row.source_size_bytes) == (
                file.held_mtime_ns,
                file.size_bytes,
            ):
                return IngestOutcome(path=path, image_id=row.image_id)
        folders = folders_of([file], options)
        ingest = BatchIngest(blobs=access.blobs, folders=folders, known=None, options=options)
        outcomes = _ingest(ingest, ledger, [(file, None)])
        ledger.save_failures()
        _merge_if_full(access, ledger, action)
    return next((item for item in outcomes if item.error is None), outcomes[0])


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
        # A clock that is ahead, as that of a server may be, makes no file wait for hours.
        unsettled_ns=range(now - rest + 1, now + rest),
    )


def _left_of(
    ledger: IngestLedger, batch: Sequence[_ToIngest], mode: RefreshMode
) -> tuple[Sequence[_ToIngest], list[IngestOutcome]]:
    """What other writers have left of a batch, and outcomes for files that changed since."""
    supersedes = dict(batch)
    states = tuple(supersedes)
    rows = ledger.later_rows(states)
    if not rows:
        return batch, []
    scan = FolderScan(folder=Path(), states=states, refused={}, listings={})
    later = rows_to_table(rows)
    found = plan_refresh(scan, later, beside_of=ledger.details.beside, failures={})
    left = [(file, image_id or supersedes[file]) for file, image_id in found.to_ingest(mode)]
    return left, list(_without_reading(found, mode))


def _ingest(
    ingest: BatchIngest, ledger: IngestLedger, files: Sequence[_ToIngest]
) -> list[IngestOutcome]:
    """Ingest a batch. The caller holds the lock ``ingest``."""
    if not files:
        return []
    jobs = [job for file, old in files for job in ingest.jobs_of(file, old)]
    done = zip((job.file for job in jobs), ingest.ingest(jobs), strict=True)
    return ledger.enter(done, strict=ingest.options.strict)


def _merge_if_full(access: Access, ledger: IngestLedger, action: str) -> None:
    if ledger.is_full:
        with access.lock("tables", action):
            ledger.save()


def _save(access: Access, ledger: IngestLedger, action: str) -> None:
    """Keep what a run has learned. What a crash takes of it is read from the records again."""
    if ledger.has_notes:
        with access.lock("ingest", action), access.lock("tables", action):
            ledger.save()


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
