"""Worker processes for work on many images."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess


@contextmanager
def worker_processes(count: int) -> Iterator[Executor | None]:
    """An executor with this many processes; none at all for one, which needs no other process.

    Left early, by an error or Ctrl-C, it drops the work that no process has begun.
    """
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
