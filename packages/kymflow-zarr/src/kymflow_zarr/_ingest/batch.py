"""Many files: read and compressed in threads, published in batches, each one reported."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from kymflow_zarr._catalog.listing import IMAGES
from kymflow_zarr._catalog.recorded_source import renew_source
from kymflow_zarr._catalog.sources import file_to_json, row_to_json
from kymflow_zarr._ingest.extend import extend_image
from kymflow_zarr._ingest.folder import ImageFolder, look_at_folder
from kymflow_zarr._ingest.image import StagedImage, stage_image_file
from kymflow_zarr._ingest.known_pixels import KnownPixels
from kymflow_zarr._ingest.outcome import IngestJob, IngestOutcome, failed
from kymflow_zarr._storage.blobs import BlobStore, Staging
from kymflow_zarr.errors import CorruptDataError, NotFoundError, UnreadableImageError
from kymflow_zarr.options import IngestOptions

__all__ = ["in_batches", "ingest_jobs"]

_T = TypeVar("_T")

_BATCH_IMAGES = 64
_BATCH_BYTES = 256 * 2**20


def ingest_jobs(
    blobs: BlobStore,
    jobs: Sequence[IngestJob],
    *,
    known: KnownPixels | None,
    options: IngestOptions,
    workers: int,
    one_by_one: bool,
) -> Iterator[IngestOutcome]:
    """Take files in.

    Args:
        blobs: The dataset's key space.
        jobs: The files.
        known: The images whose pixels are not to be ingested again; None if all are.
        options: How files are read.
        workers: How many are read and compressed at a time.
        one_by_one: Publish each on its own instead of in batches.

    Yields:
        An outcome per file, in order, once its image is published.

    Raises:
        OSError: The dataset cannot be written to. Images reported before are in it.
    """
    folders = {
        folder: look_at_folder(Path(folder), follow_links=options.follow_links)
        for folder in set(map(_folder_of, jobs))
    }
    with ExitStack() as stack:
        executor = stack.enter_context(ThreadPoolExecutor(workers)) if workers > 1 else None
        for batch in in_batches(jobs, size_of=_size_of, one_by_one=one_by_one):
            with blobs.staging(IMAGES, [job.image_id for job in batch]) as staging:
                read = _stage(executor, partial(_stage_one, staging, folders, options), batch)
                outcomes = [
                    _settle(blobs, staging, job, found, known=known, options=options)
                    for job, found in zip(batch, read, strict=True)
                ]
                staging.publish([done.image_id for done in outcomes if done.status == "ingested"])
            yield from outcomes


def _stage(
    executor: Executor | None,
    stage: partial[StagedImage | UnreadableImageError],
    batch: Sequence[IngestJob],
) -> Iterable[StagedImage | UnreadableImageError]:
    return map(stage, batch) if executor is None else executor.map(stage, batch)


def _stage_one(
    staging: Staging, folders: Mapping[str, ImageFolder], options: IngestOptions, job: IngestJob
) -> StagedImage | UnreadableImageError:
    try:
        return stage_image_file(
            staging,
            job.image_id,
            job.file,
            supersedes=job.supersedes,
            folder=folders[_folder_of(job)],
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
    path = job.file.primary
    if isinstance(found, UnreadableImageError):
        return failed(path, found)
    row = None if known is None else known.find(job.file, found.document)
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
        return failed(path, error)
    except (CorruptDataError, NotFoundError) as error:
        return failed(path, UnreadableImageError(path, f"its image cannot be extended: {error}"))
    return replace(outcome, status="extended", issues=issues)


def in_batches(
    items: Iterable[_T], *, size_of: Callable[[_T], int], one_by_one: bool
) -> Iterator[list[_T]]:
    """Items in batches of bounded number and size.

    Args:
        items: What is to be taken in.
        size_of: About how many bytes an item has.
        one_by_one: Whether each is a batch of its own.
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


def _size_of(job: IngestJob) -> int:
    return job.file.size_bytes


def _folder_of(job: IngestJob) -> str:
    return os.path.dirname(job.file.paths[0])  # noqa: PTH120 (a Path costs ten times as much)
