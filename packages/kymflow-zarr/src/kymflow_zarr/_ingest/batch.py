"""Many files: read and compressed in threads, published in batches, each one reported."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from kymflow_zarr._catalog.listing import IMAGES
from kymflow_zarr._catalog.recorded_source import renew_source
from kymflow_zarr._catalog.sources import SourceFile, file_to_json, row_to_json
from kymflow_zarr._ingest.extend import extend_image
from kymflow_zarr._ingest.folder import ImageFolder, read_folder
from kymflow_zarr._ingest.image import StagedImage, stage_image_file
from kymflow_zarr._ingest.known_pixels import KnownPixels
from kymflow_zarr._ingest.outcome import IngestJob, IngestOutcome, failed
from kymflow_zarr._readers.image_file import list_scenes
from kymflow_zarr._storage.blobs import BlobStore, Staging
from kymflow_zarr.errors import CorruptDataError, NotFoundError, UnreadableImageError
from kymflow_zarr.options import IngestOptions

_T = TypeVar("_T")

_BATCH_IMAGES = 64
_BATCH_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchIngest:
    """How the batches of one run are ingested. The caller holds the lock ``ingest`` for each.

    Attributes:
        known: The images whose pixels are not to be ingested again; None if all are.
        executor: Reads and compresses several at a time; None for one.
    """

    blobs: BlobStore
    folders: Mapping[str, ImageFolder]
    known: KnownPixels | None
    options: IngestOptions
    executor: Executor | None = None

    def jobs_of(self, file: SourceFile, supersedes: str | None) -> list[IngestJob]:
        """The images to make of a file, each under a new id.

        `supersedes` is the image that was made last of an earlier state of the file.
        """
        path = file.primary
        reader = self.folders[_folder_of(file)].readers.get(path.name)
        scenes: tuple[str, ...] = ("",)
        unlisted = None
        if len(file.paths) == 1:
            try:
                scenes = list_scenes(
                    path,
                    reader,
                    limits=self.options.limits,
                    follow_links=self.options.follow_links,
                )
            except UnreadableImageError as error:
                unlisted = error
        return [
            IngestJob(
                image_id=str(uuid.uuid4()),
                file=file,
                path=path,
                supersedes=supersedes
                if self.known is None or not scene
                else self.known.latest(file, scene),
                scene=scene,
                unlisted=unlisted,
            )
            for scene in scenes
        ]

    def ingest(self, jobs: Sequence[IngestJob]) -> list[IngestOutcome]:
        """Ingest one batch; returns an outcome per job, in order, once all images are published.

        Raises:
            OSError: The dataset cannot be written to.
        """
        with self.blobs.staging(IMAGES, [job.image_id for job in jobs]) as staging:
            stage = partial(_stage_one, staging, self.folders, self.options)
            read = map(stage, jobs) if self.executor is None else self.executor.map(stage, jobs)
            outcomes = [
                _settle(self.blobs, staging, job, found, known=self.known, options=self.options)
                for job, found in zip(jobs, read, strict=True)
            ]
            staging.publish([done.image_id for done in outcomes if done.status == "ingested"])
        return outcomes


def folders_of(files: Iterable[SourceFile], options: IngestOptions) -> dict[str, ImageFolder]:
    """The folders that files are in, by path."""
    return {
        folder: read_folder(Path(folder), follow_links=options.follow_links)
        for folder in set(map(_folder_of, files))
    }


def _stage_one(
    staging: Staging, folders: Mapping[str, ImageFolder], options: IngestOptions, job: IngestJob
) -> StagedImage | UnreadableImageError:
    try:
        if job.unlisted is not None:
            raise job.unlisted
        return stage_image_file(
            staging,
            job,
            folder=folders[_folder_of(job.file)],
            options=options,
        )
    except UnreadableImageError as error:
        staging.discard(job.image_id)
        return error


def _settle(
    blobs: BlobStore,
    staging: Staging,
    job: IngestJob,
    found: StagedImage | UnreadableImageError,
    *,
    known: KnownPixels | None,
    options: IngestOptions,
) -> IngestOutcome:
    """What becomes of a file that was read: a new image, unless there is one of its pixels."""
    path = job.path
    if isinstance(found, UnreadableImageError):
        return failed(path, found, scene=job.scene)
    row = None if known is None else known.find(job, found.document)
    if known is None or row is None:
        return IngestOutcome(
            path=path,
            image_id=job.image_id,
            source=found.row,
            pixels_digest=found.document.digest,
            issues=found.issues,
        )
    staging.discard(job.image_id)
    renewed = found.row._replace(image_id=row.image_id, ingested_epoch_ns=row.ingested_epoch_ns)
    before = known.beside(row, job.file)
    known.renew(renewed)
    outcome = IngestOutcome(path=path, image_id=row.image_id, status="renewed", source=renewed)
    if set(job.file.beside or ()) <= set(before):
        now = {name: fact for name, fact in file_to_json(job.file).items() if fact is not None}
        renew_source(blobs, row.image_id, lambda said: {**row_to_json(renewed), **said, **now})
        return outcome
    try:
        issues = extend_image(blobs, row.image_id, job.file, found, known=before, options=options)
    except UnreadableImageError as error:
        return failed(path, error, scene=job.scene)
    except (CorruptDataError, NotFoundError) as error:
        reason = f"its image cannot be extended: {error}"
        return failed(path, UnreadableImageError(path, reason), scene=job.scene)
    return replace(outcome, status="extended", issues=issues)


def in_batches(
    items: Iterable[_T], *, size_of: Callable[[_T], int], one_by_one: bool
) -> Iterator[list[_T]]:
    """Items in batches of bounded number and size.

    Args:
        items: What is to be ingested.
        size_of: About how many bytes an item has.
        one_by_one: Whether each is its own batch.
    """
    rest = iter(items)
    while batch := list(islice(rest, 1)):
        size = size_of(batch[0])
        while not one_by_one and len(batch) < _BATCH_IMAGES and size < _BATCH_BYTES:
            item = next(rest, None)
            if item is None:
                break
            batch.append(item)
            size += size_of(item)
        yield batch


def _folder_of(file: SourceFile) -> str:
    return os.path.dirname(file.paths[0])  # noqa: PTH120 (a Path costs ten times as much)
