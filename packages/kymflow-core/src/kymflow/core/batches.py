"""Spread batches of images over an executor, and take the results in order.

Nothing here schedules or retries: that is the executor's business. Only so many batches are in
progress at a time, so that memory does not grow with the dataset.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from itertools import islice
from pickle import PicklingError
from typing import Final, Protocol, TypeVar

from kymflow.core.errors import WorkerError

_IN_PROGRESS: Final = 32

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

ProgressCallback = Callable[[int, int], None]
"""Called with the number of images done and their total, always in the calling thread."""


class BatchWork(Protocol[T_co]):
    """The work on one batch: a function that another process can import."""

    def __call__(
        self, image_ids: tuple[str, ...], on_image: Callable[[], None] | None = None
    ) -> T_co:
        """Work on some images; in the calling thread, `on_image` is called after each."""


def no_progress(done: int, total: int) -> None:
    """A `ProgressCallback` that does nothing."""


def run_batches(
    work: BatchWork[T],
    image_ids: Sequence[str],
    *,
    executor: Executor | None,
    batch_size: int,
    progress: ProgressCallback = no_progress,
) -> Generator[T, None, None]:
    """Work on many images.

    Args:
        work: The work on one batch.
        image_ids: The images.
        executor: Where to work; in this thread, if None.
        batch_size: How many images a batch has at most.
        progress: Called after each image, or each batch with an executor.

    Yields:
        One result per batch, in the order of the images.

    Raises:
        WorkerError: The executor could not do the work.
    """
    total = len(image_ids)
    progress(0, total)
    if executor is None:
        yield from _serial(work, _split(image_ids, batch_size), total, progress)
        return
    # Few images are spread over many workers all the same.
    batches = _split(image_ids, min(batch_size, max(1, -(-total // _IN_PROGRESS))))
    in_progress: deque[tuple[Future[T], int]] = deque()
    done = 0
    try:
        while True:
            for batch in islice(batches, _IN_PROGRESS - len(in_progress)):
                in_progress.append((executor.submit(work, batch), len(batch)))
            if not in_progress:
                return
            future, count = in_progress.popleft()
            result = _result(future)
            done += count
            progress(done, total)
            yield result
    finally:
        for future, _ in in_progress:
            future.cancel()


def _serial(
    work: BatchWork[T],
    batches: Iterator[tuple[str, ...]],
    total: int,
    progress: ProgressCallback,
) -> Iterator[T]:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    for batch in batches:
        yield work(batch, count)


def _split(image_ids: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    return (tuple(image_ids[start : start + size]) for start in range(0, len(image_ids), size))


def _result(future: Future[T]) -> T:
    try:
        return future.result()
    except BrokenExecutor as error:
        raise WorkerError(
            f"a worker ended before its work was done ({error}); use fewer workers if memory is "
            "short, or threads, or make sure that another process can import the code"
        ) from error
    except (CancelledError, PicklingError, TypeError, AttributeError) as error:
        # What plugins raise comes back inside the results: this is the way there and back.
        raise WorkerError(
            f"the executor could not do the work ({type(error).__name__}: {error}); use threads, "
            "or make sure that another process can open the dataset and import the code"
        ) from error
