"""Finding the image that has a file's pixels already."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from operator import attrgetter
from pathlib import Path

from kymflow_zarr._artifacts.sidecars import stem_of
from kymflow_zarr._catalog.recorded_source import scene_of
from kymflow_zarr._catalog.refresh_plan import normalized
from kymflow_zarr._catalog.source_details import SourceDetails
from kymflow_zarr._catalog.sources import BesideState, SourceFile, SourceRow, beside_from_text
from kymflow_zarr._ingest.extend import can_extend
from kymflow_zarr._ingest.outcome import IngestJob
from kymflow_zarr._records.document import RecordDocument, read_record_document
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.spelling import spelled_on_disk
from kymflow_zarr.errors import CorruptDataError


class KnownPixels:
    """The images of a dataset that came from files, by their pixels.

    If `new_copies`, pixels from a path that is gone are not looked for.
    """

    def __init__(
        self,
        blobs: BlobStore,
        rows: Iterable[SourceRow],
        details: SourceDetails,
        *,
        new_copies: bool,
    ) -> None:
        self._blobs = blobs
        self._rows = {row.image_id: row for row in rows}
        self._details = details
        self._new_copies = new_copies

    def find(self, job: IngestJob, read: RecordDocument) -> SourceRow | None:
        """The image of the same pixels that was made of this file, or of one that has moved here.

        Of several that were made of files which are gone, the one whose file had the same name, and
        of these the one that was ingested last. `read` is the document that its record would have.
        """
        file = job.file
        rows = [self._rows[image_id] for image_id in self._by_digest.get(read.digest, ())]
        paths = set(map(normalized, file.paths))
        here = [row for row in rows if normalized(row.source_primary_path) in paths]
        if not here and not self._new_copies:
            here = [row for row in rows if _has_moved(row.source_primary_path, file.paths[0])]
        name = os.path.basename(file.paths[0])  # noqa: PTH119 - paths are text here
        here.sort(key=lambda row: (row.source_primary_path.endswith(name), row.ingested_epoch_ns))
        return next(
            (
                row
                for row in reversed(here)
                if self._is_of_form(row.image_id, read)
                and scene_of(self._blobs, row.image_id) == job.scene
            ),
            None,
        )

    def latest(self, file: SourceFile, scene: str) -> str | None:
        """The image that was made last of one of a file's images; None if there is none."""
        rows = sorted(
            (row for row in self._rows.values() if row.source_primary_path == file.paths[0]),
            key=attrgetter("ingested_epoch_ns"),
            reverse=True,
        )
        ids = (row.image_id for row in rows)
        return next((one for one in ids if scene_of(self._blobs, one) == scene), None)

    def beside(self, row: SourceRow, file: SourceFile) -> BesideState:
        """What is known to have lain beside an image's file, by the names of now."""
        stored = self._details.of([row.image_id])[row.image_id].beside
        if stored is None:
            return ()
        before, now = stem_of(Path(row.source_primary_path).name), stem_of(file.primary.name)
        return tuple(
            (now + name.removeprefix(before) if name.startswith(before) else name, mtime, size)
            for name, mtime, size in beside_from_text(stored)
        )

    def renew(self, row: SourceRow) -> None:
        """Take note that an image's file is somewhere else now."""
        self._rows[row.image_id] = row

    def _is_of_form(self, image_id: str, read: RecordDocument) -> bool:
        """Whether an image can stand for one that was read now; the digest ignores shapes."""
        try:
            stored = read_record_document(self._blobs, image_id)
        except CorruptDataError:  # for `check` to name
            return False
        return stored is not None and can_extend(stored, read)

    @cached_property
    def _by_digest(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        details = self._details.of(self._rows)
        for image_id in self._rows:
            found[details[image_id].pixels_digest].append(image_id)
        found.pop("", None)
        return dict(found)


def _has_moved(old: str, new: str) -> bool:
    """Whether a file is gone from its path; also if only upper and lower case have changed."""
    if not os.path.lexists(old):
        return True
    return old.casefold() == new.casefold() and spelled_on_disk(Path(old)) == Path(new)
