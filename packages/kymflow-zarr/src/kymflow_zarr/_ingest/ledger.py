"""What a run of ingest learns of files, noted batch by batch and kept for the next run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from kymflow_zarr._catalog.failed_sources import (
    FailedSource,
    failure_of,
    load_failures,
    save_failures,
)
from kymflow_zarr._catalog.recent_sources import RecentImage, RecentSources
from kymflow_zarr._catalog.refresh_plan import normalized
from kymflow_zarr._catalog.source_detail import SourceDetail, source_detail
from kymflow_zarr._catalog.source_details import SourceDetails
from kymflow_zarr._catalog.sources import SourceFile, SourceRow, beside_to_text, rows_from_table
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._ingest.outcome import IngestOutcome
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr.errors import IncompleteImageError


class IngestLedger:
    """The notes of one run. New images are noted with their batch, all else by `save`.

    Args:
        blobs: The dataset's key space.
        since_ns: What others ingested before, ns since 1970, does not concern this run.
    """

    def __init__(self, blobs: BlobStore, *, since_ns: int = 0) -> None:
        self._blobs = blobs
        self._since = since_ns
        self._later: dict[str, list[SourceRow]] = {}
        self._recent = RecentSources(blobs)
        self._details = SourceDetails(blobs)
        self._before = load_failures(blobs)
        self._failures: dict[str, FailedSource | None] = {}
        self._renewed: dict[str, SourceRow] = {}

    @property
    def details(self) -> SourceDetails:
        """What is known of images besides the sources index."""
        return self._details

    @property
    def failures(self) -> Mapping[str, FailedSource]:
        """The files that had failed before this run, by path."""
        return self._before

    @property
    def is_full(self) -> bool:
        """Whether it is time for `save`, so that one more image costs the same."""
        return self._recent.is_full

    def later_rows(self, files: Iterable[SourceFile]) -> list[SourceRow]:
        """The rows of these files in what other runs have ingested since this was made."""
        later = self._recent.later()
        if later is not None:
            rows = [image.row for image in later.added.values()]
        else:  # they have written the index, with what they ingested
            table = SourcesIndex(self._blobs).rows_for_refresh()
            rows = [row for row in rows_from_table(table) if row.ingested_epoch_ns >= self._since]
        for row in rows:
            self._later.setdefault(normalized(row.source_primary_path), []).append(row)
        return [
            row
            for file in files
            for path in file.paths
            for row in self._later.get(normalized(path), ())
        ]

    def forget_failures(self, paths: Iterable[str]) -> None:
        """Forget that files failed."""
        self._failures.update(dict.fromkeys(paths))

    def enter(
        self, batch: Iterable[tuple[SourceFile, IngestOutcome]], *, strict: bool
    ) -> list[IngestOutcome]:
        """Note the outcomes of a batch, and return them as they are to be reported.

        The caller holds the lock ``ingest``. If it is strict, a file beside an image may be at
        fault, and failures are not remembered.
        """
        reported: list[IngestOutcome] = []
        fresh: list[RecentImage] = []
        batch = [*batch]
        self.forget_failures(file.paths[0] for file, _ in batch)
        for file, found in batch:
            outcome, failure = _judge(found, file, self._before.get(file.paths[0]))
            reported.append(outcome)
            if failure is not None and not strict:
                self._failures[file.paths[0]] = failure
            if outcome.source is None:
                continue
            detail = self._detail(outcome, file)
            if outcome.status == "ingested":
                fresh.append(RecentImage(outcome.source, detail))
            else:
                self._renewed[outcome.image_id] = outcome.source
                self._details.put(detail)
        self._recent.add(fresh)
        return reported

    def save_failures(self) -> None:
        """Keep which files failed. The caller holds the lock ``ingest``."""
        if self._has_failures:
            merged = {**load_failures(self._blobs), **self._failures}
            kept = {path: failed for path, failed in merged.items() if failed is not None}
            save_failures(self._blobs, kept)

    @property
    def has_notes(self) -> bool:
        """Whether there is something for `save` to keep."""
        return self._has_failures or self._has_sources

    def save(self) -> None:
        """Keep all notes. The caller holds the locks ``ingest`` and ``tables``."""
        self.save_failures()
        if not self._has_sources:
            return
        index = SourcesIndex(self._blobs)
        rows = index.rows_to_store(extra=self._renewed.values())
        index.save(rows)
        self._details.save([row.image_id for row in rows])
        self._recent.mark()
        self._renewed.clear()

    @property
    def _has_failures(self) -> bool:
        return any(self._before.get(path) != failed for path, failed in self._failures.items())

    @property
    def _has_sources(self) -> bool:
        return bool(self._renewed) or self._details.changed or self._recent.has_waiting

    def _detail(self, outcome: IngestOutcome, file: SourceFile) -> SourceDetail:
        """What is known of an image after its file was read."""
        image_id, digest = outcome.image_id, outcome.pixels_digest
        if outcome.status == "renewed":
            known = self._details.of([image_id])[image_id]
            beside = None if file.beside is None else beside_to_text(file.beside)
            return known if beside is None else known._replace(beside=beside)
        return source_detail(
            image_id,
            pixels_digest=digest or self._details.of([image_id])[image_id].pixels_digest,
            beside=file.beside,
            issues=outcome.issues,
        )


def _judge(
    outcome: IngestOutcome, file: SourceFile, before: FailedSource | None
) -> tuple[IngestOutcome, FailedSource | None]:
    """An outcome as reported, and what to remember; what is incomplete gets a second run."""
    if outcome.error is None:
        return outcome, None
    again = before is not None and before.incomplete and before.is_of(file)
    incomplete = isinstance(outcome.error, IncompleteImageError) and not again
    reason = outcome.error.reason
    failure = failure_of(file, reason, incomplete=incomplete)
    if not incomplete:
        return outcome, failure
    reason = f"it is still being written, or was cut short, and waits for the next run: {reason}"
    error = IncompleteImageError(file.primary, reason)
    return replace(outcome, status="waiting", error=error), failure
