"""Folders that are staged in a store without rename: written in place, their commit keys last."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_all
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStat
from kymflow_zarr._storage.event_loop import start, wait
from kymflow_zarr._storage.keys import Claim, Keys
from kymflow_zarr.errors import AlreadyExistsError, LockLostError

logger = logging.getLogger(__name__)


class _Require(Protocol):
    async def __call__(self, *, else_delete: Iterable[str] = ()) -> None: ...


@dataclass(slots=True, kw_only=True)
class _Folder:
    """One folder on its way.

    Attributes:
        before: The commit key that is there already, if there is one.
        commit: What its commit key will hold.
        uploads: The keys that are being written.
        held: What waits until the folder that is there already has gone.
    """

    before: Future[BlobStat | None]
    commit: bytes = b""
    uploads: dict[str, Future[None]] = field(default_factory=dict)
    held: dict[str, bytes] = field(default_factory=dict)


class KeyStaging:
    """A `Staging` that sends what it is given at once, so that no batch lies in memory.

    What replaces a folder that is there is held back until `publish`. `require` raises
    `FileNotFoundError` if a folder above is not there any more.
    """

    def __init__(
        self,
        keys: Keys,
        parent: str,
        names: Sequence[str],
        *,
        require: _Require,
        delete_folder: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._keys = keys
        self._parent = parent
        self._require = require
        self._delete_folder = delete_folder
        self._staged: dict[str, _Folder] = {}
        self._in_doubt = False
        self._claim: Future[Claim] = start(keys.claim([f"{parent}/{name}" for name in names]))
        self._slots = threading.BoundedSemaphore(keys.at_once)

    def put(self, key: str, data: bytes) -> None:
        """Write one file; waits while many are under way, and `publish` raises if one fails."""
        name, _, rest = key.partition("/")
        folder = self._staged.get(name)
        if folder is None:
            before = start(self._keys.head(f"{self._parent}/{name}/{COMMIT_KEY}"))
            folder = self._staged.setdefault(name, _Folder(before=before))
        if rest == COMMIT_KEY:
            folder.commit = data
            return
        self._slots.acquire()
        upload = start(self._upload(folder, f"{self._parent}/{key}", data))
        upload.add_done_callback(lambda _: self._slots.release())
        folder.uploads[f"{self._parent}/{key}"] = upload

    async def _upload(self, folder: _Folder, key: str, data: bytes) -> None:
        await asyncio.wrap_future(self._claim)
        if await asyncio.wrap_future(folder.before) is None:
            await self._keys.put(key, data)
        else:
            folder.held[key] = data

    def publish(self, names: Sequence[str], *, replace: bool = False) -> None:
        """Finish the uploads, then write the commit keys."""
        folders = {name: self._staged[name] for name in names}
        for folder in folders.values():
            for upload in folder.uploads.values():
                upload.result()
        self._in_doubt = True
        try:
            created = wait(self._publish(folders, replace=replace))
        except (AlreadyExistsError, FileNotFoundError, LockLostError):  # nothing of them is there
            self._in_doubt = False
            raise
        self._in_doubt = False
        for name in names:
            del self._staged[name]
        if not all(created):
            raise AlreadyExistsError(f"{self._parent}/{names[created.index(False)]}")

    async def _publish(self, folders: dict[str, _Folder], *, replace: bool) -> list[bool]:
        await asyncio.gather(
            self._require(),
            self._keys.require_locks(),
            self._require_claim(),
            *(self._require_room(name) for name in folders if not replace),
        )
        for name, folder in folders.items():
            if folder.before.result() is not None:
                await self._delete_folder(f"{self._parent}/{name}")
                await asyncio.gather(*(self._keys.put(*item) for item in folder.held.items()))
        commits = {
            f"{self._parent}/{name}/{COMMIT_KEY}": folder for name, folder in folders.items()
        }
        created = await asyncio.gather(
            *(self._commit(key, folder, replace=replace) for key, folder in commits.items())
        )
        written = [key for folder in folders.values() for key in folder.uploads]
        await self._require(else_delete=[*commits, *written])
        await self._require_claim(else_delete=[*commits, *written])
        return created

    async def _require_room(self, name: str) -> None:
        if self._staged[name].before.result() is not None:
            raise AlreadyExistsError(f"{self._parent}/{name}")

    async def _require_claim(self, *, else_delete: Iterable[str] = ()) -> None:
        """Refuse to go on if `repair` took this writer for a killed one, and swept its work."""
        claim = await asyncio.wrap_future(self._claim)
        if not await claim.is_mine():
            await self._keys.delete(else_delete)
            raise LockLostError(self._parent)

    async def _commit(self, key: str, folder: _Folder, *, replace: bool) -> bool:
        if not replace:
            return await self._keys.create(key, folder.commit)
        await self._keys.put(key, folder.commit)
        return True

    def discard(self, name: str) -> None:
        """Remove what was sent of a staged folder."""
        folder = self._staged.pop(name, None)
        if folder is None:
            return
        wait_for_all(folder.uploads.values())
        try:
            wait(self._keys.delete(folder.uploads.keys() - folder.held.keys()))
        except OSError as error:  # the first error is the one to report
            logger.warning(
                "parts of '%s/%s' that were sent could not be removed: %s",
                self._parent,
                name,
                error,
            )

    def close(self) -> None:
        """Remove what was sent of every folder that was not published.

        If that is in doubt, since the answer to a commit was lost or nobody waited for it, nothing
        is removed. The claim is left to expire, and `repair` sees what has come of it.
        """
        if not self._in_doubt:
            for name in list(self._staged):
                self.discard(name)
        with suppress(OSError):  # the uploads have raised it
            wait(self._claim.result().end(remove=not self._in_doubt))
