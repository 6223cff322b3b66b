"""Many files: read and compressed in threads, published in batches, each one told of."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from kymflow_zarr._catalog.listing import IMAGES
from kymflow_zarr._ingest.folder import ImageFolder, look_at_folder
from kymflow_zarr._ingest.image import stage_image_file
from kymflow_zarr._ingest.outcome import IngestJob, IngestOutcome, failed
from kymflow_zarr._storage.blobs import BlobStore, Staging
from kymflow_zarr.errors import UnreadableImageError
from kymflow_zarr.options import IngestOptions

__all__ = ["in_batches", "ingest_jobs"]

_T = TypeVar("_T")

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
        for batch in in_batches(jobs, size_of=_size_of, one_by_one=one_by_one):
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
