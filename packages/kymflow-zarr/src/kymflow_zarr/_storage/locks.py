"""The writer's locks: one holder at a time, and a waiting writer learns who it is."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from kymflow_zarr.errors import LockedError

__all__ = ["describe_holder", "hold_file_lock", "holder_note"]


def holder_note(action: str) -> bytes:
    """The note that a holder leaves for waiting writers: who, where, since when, doing what."""
    note = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since_epoch_s": round(time.time()),
        "action": action,
    }
    return json.dumps(note).encode("utf-8")


def describe_holder(note: bytes | None) -> str:
    """A holder's note as words; vague where the note is missing or damaged."""
    if note is None:
        return "another process"
    try:
        said = json.loads(note)
        return f"process {said['pid']} on {said['host']!r} ({said['action']})"
    except (ValueError, TypeError, KeyError):
        return "another process"


@contextmanager
def hold_file_lock(folder: Path, name: str, *, action: str, timeout_s: float) -> Iterator[None]:
    """Hold ``<folder>/<name>.lock`` for the block; the system frees it if the holder is killed.

    The lock file itself is never deleted: two writers could then hold "the same" lock. The note
    in ``<name>.holder.json`` is for messages only and may be out of date.

    Raises:
        LockedError: Another writer held it for `timeout_s` seconds.
    """
    note = folder / f"{name}.holder.json"
    try:
        # A generator may start in one thread and end in another, as with asyncio.to_thread.
        lock = FileLock(folder / f"{name}.lock", thread_local=False)
        held = lock.acquire(timeout=timeout_s)
    except Timeout:
        try:
            said = note.read_bytes()
        except OSError:
            said = None
        raise LockedError(name, holder=describe_holder(said), waited_s=timeout_s) from None
    with held:
        with suppress(OSError):
            note.write_bytes(holder_note(action))
        try:
            yield
        finally:
            with suppress(OSError):
                note.unlink()
