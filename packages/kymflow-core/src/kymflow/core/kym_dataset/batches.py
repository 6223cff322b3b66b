"""Spread batches of images over an executor, and take the results in order.

Nothing here schedules or retries: that is the executor's business. Only so many batches are under
way at a time, so that memory does not grow with the dataset.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from pickle import PicklingError
from typing import TYPE_CHECKING, Final

from kymflow.core.errors import WorkerError
from kymflow.core.kym_dataset.extract import BatchRows, extract_batch

if TYPE_CHECKING:
    from kymflow.core.kym_dataset.indexer_base import BaseIndexer
    from kymflow_zarr import ZarrDataset

__all__ = ["BATCH_SIZE", "ProgressCallback", "run_batches"]

BATCH_SIZE: Final = 64
_UNDER_WAY: Final = 32

ProgressCallback = Callable[[int, int], None]
"""Called with the number of images done and their total, always in the calling thread."""


def run_batches(
    dataset: ZarrDataset,
    indexer: BaseIndexer,
    image_ids: Sequence[str],
    *,
    analysis_version: str,
    executor: Executor | None,
    batch_size: int,
    progress: ProgressCallback,
) -> Generator[BatchRows, None, None]:
    """Run an indexer on many images.

    Args:
        dataset: The dataset, read-only.
        indexer: The indexer.
        image_ids: The images, in ascending order.
        analysis_version: The indexer's version in this process.
        executor: Where to work; here, if None.
        batch_size: How many images a batch has at most.
        progress: Called after each image, or each batch with an executor.

    Yields:
        One result per batch, in ascending order of images.

    Raises:
        WorkerError: The executor could not do the work.
    """
    total = len(image_ids)
    progress(0, total)
    if executor is None:
        yield from _serial(
            dataset, indexer, _split(image_ids, batch_size), analysis_version, progress, total
        )
        return
    # Few images are spread over many workers all the same.
    size = min(batch_size, max(1, -(-total // _UNDER_WAY)))
    under_way: deque[Future[BatchRows]] = deque()
    done = 0
    try:
        for batch in _split(image_ids, size):
            under_way.append(
                executor.submit(extract_batch, dataset, indexer, batch, analysis_version)
            )
            if len(under_way) >= _UNDER_WAY:
                rows = _result(under_way.popleft())
                done += len(rows.asked)
                progress(done, total)
                yield rows
        while under_way:
            rows = _result(under_way.popleft())
            done += len(rows.asked)
            progress(done, total)
            yield rows
    finally:
        for future in under_way:
            future.cancel()


def _serial(
    dataset: ZarrDataset,
    indexer: BaseIndexer,
    batches: Iterator[tuple[str, ...]],
    analysis_version: str,
    progress: ProgressCallback,
    total: int,
) -> Iterator[BatchRows]:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    for batch in batches:
        yield extract_batch(dataset, indexer, batch, analysis_version, count)


def _split(image_ids: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    return (tuple(image_ids[start : start + size]) for start in range(0, len(image_ids), size))


def _result(future: Future[BatchRows]) -> BatchRows:
    try:
        return future.result()
    except (BrokenExecutor, CancelledError, PicklingError, TypeError, AttributeError) as error:
        # What an indexer raises comes back inside BatchRows: this is the way there and back.
        raise WorkerError(
            f"the executor could not do the work ({type(error).__name__}: {error}); dataset and "
            "indexer must be such that another process can open and import them, or use threads"
        ) from error
