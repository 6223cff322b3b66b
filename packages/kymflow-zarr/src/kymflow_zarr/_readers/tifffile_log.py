"""Catch what tifffile logs, per thread, without leaving a handler behind.

tifffile reports damage by logging and then goes on with less data. While several threads read
several files, each must see its own messages only, and an application's log must not fill up with
them. One filter on tifffile's logger serves all threads: it is there only while at least one of
them is catching. (A handler or filter per thread would not do: `logging` walks those lists without
a lock, so one thread that removes its own can make another's be skipped.)
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["TIFFFILE_LOGGER", "LogMessage", "caught_messages"]

TIFFFILE_LOGGER: Final = "tifffile"

LogMessage = tuple[int, str]
"""Level number and text of one log record."""

_caught: ContextVar[list[LogMessage] | None] = ContextVar("kymflow_zarr_tifffile_log", default=None)


class _Catcher(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        messages = _caught.get()
        if messages is None:
            return True
        if record.levelno >= logging.WARNING:
            messages.append((record.levelno, record.getMessage()))
        return False


_catcher: Final = _Catcher()
_lock: Final = threading.Lock()
_users = 0


@contextmanager
def caught_messages() -> Iterator[list[LogMessage]]:
    """Collect tifffile's warnings and errors of this thread, and keep them from other handlers.

    Yields:
        The list that grows while the context is entered.
    """
    global _users
    messages: list[LogMessage] = []
    log = logging.getLogger(TIFFFILE_LOGGER)
    with _lock:
        if _users == 0:
            log.addFilter(_catcher)
        _users += 1
    token = _caught.set(messages)
    try:
        yield messages
    finally:
        _caught.reset(token)
        with _lock:
            _users -= 1
            if _users == 0:
                log.removeFilter(_catcher)
