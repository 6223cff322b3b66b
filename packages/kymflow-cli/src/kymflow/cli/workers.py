"""Worker processes for work on many images."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess


def default_workers(asked: int | None) -> int:
    """How many workers to use where the user does not say: one per core, at most eight."""
    return asked if asked is not None else min(8, os.cpu_count() or 1)


@contextmanager
def worker_processes(
    asked: int | None, *, images: int, per_process: int
) -> Iterator[Executor | None]:
    """An executor for work on images; none at all for one process, which needs no other.

    Left early, by an error or Ctrl-C, it drops the work that no process has begun.

    Args:
        asked: How many processes to use; None for as many as are worth it.
        images: How many images there are.
        per_process: How many of them take as long as a process takes to start.
    """
    worth = max(1, math.ceil(images / per_process))
    count = min(default_workers(None), worth) if asked is None else asked
    if count <= 1:
        yield None
        return
    # Not forked: the threads of Arrow and others would not be copied, but their locks would.
    executor = ProcessPoolExecutor(
        count, mp_context=_WorkerContext(), initializer=_leave_ctrl_c_to_parent
    )
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _leave_ctrl_c_to_parent() -> None:
    # A terminal sends Ctrl-C to all processes; only the parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _WorkerProcess(SpawnProcess):
    """A process that ignores Ctrl-C from the start, before its initializer runs."""

    def start(self) -> None:
        if not hasattr(signal, "pthread_sigmask"):  # Windows
            super().start()
            return
        # What is blocked here is blocked in the new process; here it comes as soon as it may.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _WorkerContext(SpawnContext):
    Process = _WorkerProcess
