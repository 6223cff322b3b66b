"""A lock in an object store: a key that its holder writes again every few seconds.

Only the holder changes the key while it is held. So a writer that has seen it unchanged for longer
than a holder would leave it knows that the holder is gone, whatever the clocks say, and takes it
over. Every change is a conditional write, and only one of two writers makes it. A key that is free
stays, since no store removes a key on a condition.
"""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from kymflow_zarr._storage.locks import describe_holder, holder_note
from kymflow_zarr.errors import LockedError

if TYPE_CHECKING:
    from obstore import UpdateVersion

logger = logging.getLogger(__name__)

_BEAT_S: Final = 5.0
EXPIRES_S: Final = 20.0
_FIRST_PAUSE_S: Final = 0.02
_LONGEST_PAUSE_S: Final = 1.0
_FREE: Final = b'{"free":true}'


class Register(Protocol):
    """Keys that change on a condition only."""

    async def read(self, key: str) -> tuple[bytes, UpdateVersion] | None: ...

    async def swap(
        self, key: str, data: bytes, before: UpdateVersion | None
    ) -> UpdateVersion | None: ...


class Lease:
    """A lock that this process holds. Get one from `acquire`, and `release` it."""

    def __init__(
        self, register: Register, name: str, note: dict[str, Any], version: UpdateVersion
    ) -> None:
        self.name = name
        self._register = register
        self._key = lock_key(name)
        self._note = note
        self._version = version
        self._released = asyncio.Event()
        self._beats = asyncio.get_running_loop().create_task(self._beat())

    @classmethod
    async def acquire(
        cls, register: Register, name: str, *, action: str, timeout_s: float
    ) -> Lease:
        """Take a lock.

        Raises:
            LockedError: Another writer held it for `timeout_s` seconds.
        """
        key = lock_key(name)
        note = new_note(action)
        clock = asyncio.get_running_loop().time
        end = clock() + timeout_s
        seen: UpdateVersion | None = None
        seen_at = clock()
        pause_s = _FIRST_PAUSE_S
        while True:
            found = await register.read(key)
            data, before = (_FREE, None) if found is None else found
            if before != seen:
                seen, seen_at = before, clock()
            silent_s = clock() - seen_at if _token(data) else 0.0
            if data == _FREE or silent_s > EXPIRES_S:
                version = await register.swap(key, to_bytes(note), before)
                if version is not None:
                    if data != _FREE:
                        logger.warning("took over the lock %r of %s", name, _holder(data))
                    return cls(register, name, note, version)
            # A holder that has missed a beat is likely to be gone: its lock is worth waiting for.
            if clock() >= end and silent_s < 1.5 * _BEAT_S:
                raise LockedError(
                    name,
                    holder=_holder(data),
                    waited_s=timeout_s,
                    hint=f"let it finish, then run this again; if it is gone, its lock is free "
                    f"after {EXPIRES_S:g} s of waiting, or at once after unlock()",
                )
            await asyncio.sleep(pause_s)
            pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)

    async def _beat(self) -> None:
        """Show that the holder is there, until the lock is released or lost."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._released.wait(), _BEAT_S)
                return
            self._note["beat"] += 1
            try:
                if not await self._write(to_bytes(self._note)):
                    return
            except OSError as error:
                logger.warning("the lock %r could not be renewed: %s", self._key, error)

    async def is_mine(self) -> bool:
        """Whether the lock is still held."""
        return await self._read() is not None

    async def release(self) -> None:
        """Free the lock, unless another writer has taken it over."""
        await self.stop(self._write(_FREE))

    async def stop(self, last_change: Awaitable[object] | None = None) -> None:
        """Keep the lock up no longer, and change its key for the last time."""
        self._released.set()
        await self._beats
        try:
            if last_change is not None:
                await last_change
        except OSError as error:
            logger.warning(
                "the lock %r could not be released, and expires in %g s: %s",
                self._key,
                EXPIRES_S,
                error,
            )

    async def _read(self) -> UpdateVersion | None:
        """The version of the key, if it is still this holder's."""
        found = await self._register.read(self._key)
        if found is None or _token(found[0]) != self._note["token"]:
            return None
        return found[1]

    async def _write(self, data: bytes) -> bool:
        """Write the key, if it is still this holder's; returns whether it was."""
        version = await self._register.swap(self._key, data, self._version)
        if version is None:
            # It may be this holder's own last change, of which the answer never came.
            mine = await self._read()
            version = mine and await self._register.swap(self._key, data, mine)
        if version is not None:
            self._version = version
        return version is not None


async def break_lease(register: Register, name: str) -> str:
    """Free a lock; returns its holder, or nothing if it was free."""
    while True:
        found = await register.read(lock_key(name))
        if found is None or found[0] == _FREE:
            return ""
        data, version = found
        if await register.swap(lock_key(name), _FREE, version) is not None:
            return f"{name!r}, held by {_holder(data)}"


def new_note(action: str) -> dict[str, Any]:
    """What a holder writes under its key; the token tells it from all others."""
    return {**json.loads(holder_note(action)), "token": uuid.uuid4().hex, "beat": 0}


def lock_key(name: str) -> str:
    """The key of a lock."""
    return f"index/{name}.lock"


def to_bytes(note: dict[str, Any]) -> bytes:
    """A note as it is stored."""
    return json.dumps(note).encode("utf-8")


def _holder(data: bytes) -> str:
    note, *_ = data.split(b"\n", 1)
    return describe_holder(note)


def _token(data: bytes) -> str:
    """What tells a holder from all others; empty if it is of version 0.1, which writes none."""
    try:
        token = json.loads(data)["token"]
    except (ValueError, TypeError, KeyError):
        return ""
    return token if isinstance(token, str) else ""
