"""One event loop for all requests to stores that are not folders, in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from functools import cache
from typing import Any, TypeVar

_T = TypeVar("_T")


def wait(work: Coroutine[Any, Any, _T]) -> _T:
    """Do it in the loop, and wait for what it returns. The caller may be inside a loop itself."""
    return start(work).result()


def start(work: Coroutine[Any, Any, _T]) -> Future[_T]:
    """Begin it in the loop."""
    return asyncio.run_coroutine_threadsafe(work, _loop_of(os.getpid()))


@cache
def _loop_of(pid: int) -> asyncio.AbstractEventLoop:  # noqa: ARG001 - one loop per process
    """The loop: a forked child has a copy of its parent's, but no thread that runs it."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="kymflow-zarr-io", daemon=True).start()
    return loop
