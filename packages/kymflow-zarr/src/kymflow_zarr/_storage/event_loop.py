"""One event loop for all requests to stores that are not folders, in a thread of its own."""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
from collections.abc import Coroutine
from concurrent import futures
from concurrent.futures import Future
from functools import cache
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

_END_S: Final = 5.0
"""How long the end of the process waits for requests that were given up."""
_LAST_ANSWERS_S: Final = 0.05
"""How long threads of the store's client have to see that no one waits for their answers."""


def wait(work: Coroutine[Any, Any, _T]) -> _T:
    """Do it in the loop, and wait for what it returns. The caller may be inside a loop itself."""
    return start(work).result()


def start(work: Coroutine[Any, Any, _T]) -> Future[_T]:
    """Begin it in the loop."""
    return asyncio.run_coroutine_threadsafe(work, _loop_of(os.getpid()))


@cache
def _loop_of(pid: int) -> asyncio.AbstractEventLoop:
    """The loop: a forked child has a copy of its parent's, but no thread that runs it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="kymflow-zarr-io", daemon=True)
    thread.start()
    atexit.register(_end, pid, loop, thread)
    return loop


def _end(pid: int, loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    """Give up all requests. An answer that reaches an interpreter at its end aborts the process."""
    if pid != os.getpid():
        return
    futures.wait([asyncio.run_coroutine_threadsafe(_give_up(), loop)], timeout=_END_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(_END_S)
    time.sleep(_LAST_ANSWERS_S)


async def _give_up() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
