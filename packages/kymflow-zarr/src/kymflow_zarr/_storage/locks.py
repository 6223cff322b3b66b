"""The writer's locks: one holder at a time, and a waiting writer learns who it is."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from filelock import FileLock, Timeout

from kymflow_zarr._storage.inner_folder import InnerFolder
from kymflow_zarr.errors import LockedError


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
def hold_file_lock(
    folder: InnerFolder, name: str, *, action: str, timeout_s: float
) -> Iterator[None]:
    """Hold ``<folder>/<name>.lock`` for the block; the system frees it if the holder is killed.

    The lock file itself is never deleted: two writers could then hold "the same" lock. The note
    in ``<name>.holder.json`` is for messages only and may be out of date.

    Raises:
        LockedError: Another writer held it for `timeout_s` seconds.
        CorruptDataError: The lock or its note is a link.
    """
    note, lock_file = f"{name}.holder.json", f"{name}.lock"
    folder.stat(lock_file)
    try:
        # A generator may start in one thread and end in another, as with asyncio.to_thread.
        lock = FileLock(f"{folder.path}/{lock_file}", thread_local=False)
        held = lock.acquire(timeout=timeout_s)
    except Timeout:
        said = None
        with suppress(OSError), open(note, "rb", opener=folder.open) as stream:
            said = stream.read()
        raise LockedError(name, holder=describe_holder(said), waited_s=timeout_s) from None
    with held:
        with suppress(OSError), open(note, "wb", opener=folder.open) as stream:
            stream.write(holder_note(action))
        try:
            yield
        finally:
            with suppress(OSError):
                os.unlink(folder.at(note), dir_fd=folder.fd)
