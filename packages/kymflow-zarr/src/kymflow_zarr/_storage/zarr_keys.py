"""A dataset in an open Zarr store: to be read, or in memory for tests."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kymflow_zarr._storage.blobs import BlobStat, FolderListing
from kymflow_zarr._storage.event_loop import wait
from kymflow_zarr._storage.locks import describe_holder, holder_note
from kymflow_zarr.errors import LockedError

if TYPE_CHECKING:
    from zarr.abc.store import Store

_POLL_S = 0.02


class ZarrKeys:
    """The `Keys` of an open Zarr store, or of a folder in it.

    It can be written to if it creates a key only where there is none by itself, as that in memory:
    then a lock is such a key, which its holder removes.
    """

    at_once = 1

    def __init__(self, store: Store, folder: str) -> None:
        self._store = wait(_opened(store))
        self._prefix = f"{folder}/" if folder else ""

    @property
    def location(self) -> str:
        return f"{self._store}/{self._prefix}".rstrip("/")

    async def why_read_only(self) -> str:
        store = self._store
        if not (store.supports_writes and store.supports_deletes):
            return 'the store cannot be written to; use mode="r", or a store that can be written to'
        if not self._creates_exclusively():
            return (
                f"a {type(store).__name__} cannot create a key only if it does not exist, so that "
                'two writers could both hold a lock; use mode="r", or name a path or an object '
                "store's URL"
            )
        return ""

    def _creates_exclusively(self) -> bool:
        """Whether the store creates a key only where there is none: zarr's default looks first."""
        from zarr.abc.store import Store

        return type(self._store).set_if_not_exists is not Store.set_if_not_exists

    async def get(self, key: str) -> bytes | None:
        from zarr.buffer import default_buffer_prototype

        found = await self._store.get(self._prefix + key, default_buffer_prototype())
        return None if found is None else found.to_bytes()

    async def head(self, key: str) -> BlobStat | None:
        """Size of a key, or None where there is none; such stores keep no versions."""
        try:
            return BlobStat(size=await self._store.getsize(self._prefix + key), version=0)
        except FileNotFoundError:
            return None

    async def list_folder(self, folder: str) -> FolderListing:
        place = (self._prefix + folder).rstrip("/")
        # Some stores name a folder once per key below it, or with a trailing slash.
        names = sorted({name.strip("/") async for name in self._store.list_dir(place)})
        inside = f"{place}/" if place else ""
        files = [name for name in names if await self._is_file(inside + name)]
        folders = [name for name in names if name not in files]
        return FolderListing(files=tuple(files), folders=tuple(folders))

    async def _is_file(self, at: str) -> bool:
        from zarr.abc.store import RangeByteRequest
        from zarr.buffer import default_buffer_prototype

        if not await self._store.exists(at):
            return False
        if self._creates_exclusively():
            return True
        # A store that was not made for keys may say so of a folder, too.
        first = RangeByteRequest(0, 1)
        return await self._store.get(at, default_buffer_prototype(), first) is not None

    async def find(self, folder: str) -> dict[str, int]:
        """All keys in a folder; such stores keep no versions."""
        # With the slash: the prefix "images/1" would also match "images/10".
        found = [key async for key in self._store.list_prefix(f"{self._prefix}{folder}/")]
        return {key.removeprefix(self._prefix): 0 for key in found}

    async def put(self, key: str, data: bytes) -> None:
        from zarr.buffer.cpu import Buffer

        await self._store.set(self._prefix + key, Buffer.from_bytes(data))

    replace = put  # nothing takes a lock away from its holder

    async def create(self, key: str, data: bytes) -> bool:
        from zarr.buffer.cpu import Buffer

        await self._store.set_if_not_exists(self._prefix + key, Buffer.from_bytes(data))
        return await self.get(key) == data

    async def update(self, key: str, change: Callable[[bytes], bytes]) -> None:
        """Replace the bytes under a key; what another one writes meanwhile is lost."""
        await self.put(key, change(await self.get(key) or b""))

    async def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            await self._store.delete(self._prefix + key)

    async def require_locks(self) -> None:
        """Nothing: nothing takes a lock away from its holder."""

    @contextmanager
    def lock(self, name: str, *, action: str, timeout_s: float) -> Iterator[None]:
        key = f"index/{name}.lock"
        mine = holder_note(action) + b"\n" + uuid.uuid4().hex.encode("ascii")
        deadline = time.monotonic() + timeout_s
        while not wait(self.create(key, mine)):
            if time.monotonic() >= deadline:
                note = wait(self.get(key))
                said = None if note is None else note.split(b"\n", 1)[0]
                raise LockedError(name, holder=describe_holder(said), waited_s=timeout_s)
            time.sleep(_POLL_S)
        try:
            yield
        finally:
            if wait(self.get(key)) == mine:
                wait(self.delete([key]))

    async def claim(self, folders: Sequence[str]) -> ZarrKeys:  # noqa: ARG002
        """Nothing: what is in memory goes with its writer."""
        return self

    async def is_mine(self) -> bool:
        """True: nothing takes a claim away."""
        return True

    async def end(self, *, remove: bool = True) -> None:
        """Nothing: nobody was told."""

    async def claimed(self, *, but: Collection[str] = ()) -> set[str]:  # noqa: ARG002
        """Nothing: nobody was told."""
        return set()

    async def abandoned_claims(self) -> list[str]:
        """Nothing: what is in memory goes with its writer."""
        return []

    async def take_claim(self, key: str) -> list[str]:  # noqa: ARG002
        """Nothing: there is none."""
        return []

    async def unlock(self) -> list[str]:
        names = [n for n in (await self.list_folder("index")).files if n.endswith(".lock")]
        await self.delete(f"index/{name}" for name in names)
        return [name.removesuffix(".lock") for name in names]


async def _opened(store: Store) -> Store:
    """The store, ready for requests: a zip file is not, before it was opened."""
    from zarr.storage import StorePath

    return (await StorePath.open(store, "", mode=None)).store
