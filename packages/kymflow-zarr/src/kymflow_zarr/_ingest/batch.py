"""Many files: read and compressed in threads, published in batches, each one told of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path

from kymflow_zarr._catalog.listing import IMAGES
from kymflow_zarr._ingest.folder import ImageFolder, look_at_folder
from kymflow_zarr._ingest.image import stage_image_file
from kymflow_zarr._ingest.outcome import IngestJob, IngestOutcome, failed
from kymflow_zarr._storage.blobs import BlobStore, Staging
from kymflow_zarr.errors import UnreadableImageError
from kymflow_zarr.options import IngestOptions

__all__ = ["ingest_jobs"]

_BATCH_IMAGES = 64
_BATCH_BYTES = 256 * 2**20


def ingest_jobs(
    blobs: BlobStore,
    jobs: Sequence[IngestJob],
    *,
    options: IngestOptions,
    workers: int,
    one_by_one: bool,
) -> Iterator[IngestOutcome]:
    """Take files in.

    Args:
        blobs: The dataset's key space.
        jobs: The files.
        options: How they are read.
        workers: How many are read and compressed at a time.
        one_by_one: Publish each on its own instead of in batches.

    Yields:
        An outcome per file, in order, once its image is published.

    Raises:
        OSError: The dataset cannot be written to. Images told of before are in it.
    """
    folders = {
        folder: look_at_folder(Path(folder), follow_links=options.follow_links)
        for folder in set(map(_folder_of, jobs))
    }
    with ExitStack() as stack:
        executor = stack.enter_context(ThreadPoolExecutor(workers)) if workers > 1 else None
        for batch in _batches(jobs, one_by_one=one_by_one):
            with blobs.staging(IMAGES) as staging:
                outcomes = list(
                    _stage(executor, partial(_stage_one, staging, folders, options), batch)
                )
                staging.publish([done.image_id for done in outcomes if done.error is None])
            yield from outcomes


def _stage(
    executor: Executor | None,
    stage: partial[IngestOutcome],
    batch: Sequence[IngestJob],
) -> Iterable[IngestOutcome]:
    return map(stage, batch) if executor is None else executor.map(stage, batch)


def _stage_one(
    staging: Staging, folders: Mapping[str, ImageFolder], options: IngestOptions, job: IngestJob
) -> IngestOutcome:
    path = job.file.primary
    try:
        source = stage_image_file(
            staging,
            job.image_id,
            job.file,
            supersedes=job.supersedes,
            folder=folders[_folder_of(job)],
            options=options,
        )
    except UnreadableImageError as error:
        staging.discard(job.image_id)
        return failed(path, error)
    return IngestOutcome(path=path, image_id=job.image_id, source=source)


def _batches(jobs: Iterable[IngestJob], *, one_by_one: bool) -> Iterator[list[IngestJob]]:
    """Jobs in batches of bounded number and size."""
    if one_by_one:
        yield from ([job] for job in jobs)
        return
    rest = iter(jobs)
    while batch := list(islice(rest, 1)):
        size = batch[0].file.size_bytes
        while len(batch) < _BATCH_IMAGES and size < _BATCH_BYTES:
            job = next(rest, None)
            if job is None:
                break
            batch.append(job)
            size += job.file.size_bytes
        yield batch


def _folder_of(job: IngestJob) -> str:
    return os.path.dirname(job.file.paths[0])  # noqa: PTH120 (a Path costs ten times as much)
