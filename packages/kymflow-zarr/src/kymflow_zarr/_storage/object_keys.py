"""A dataset in an object store (S3, Google Cloud Storage, Azure, or memory), by `obstore`.

A store is written to only if it does conditional writes: a key is created only where there is none,
and replaced only if it is what it was. Locks rest on them (see `lease`), and so do tables and
indexes: a writer whose lock was broken while it slept replaces nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from kymflow_zarr._storage.blobs import BlobStat, FolderListing
from kymflow_zarr._storage.claims import (
    StoredClaim,
    abandoned_claims,
    claim_folders,
    claimed_folders,
    take_claim,
)
from kymflow_zarr._storage.event_loop import wait
from kymflow_zarr._storage.lease import Lease, break_lease
from kymflow_zarr._storage.requests import ChangedError, Requests
from kymflow_zarr.errors import LockLostError

if TYPE_CHECKING:
    from obstore import ObjectMeta, PutMode, PutResult, UpdateVersion
    from obstore.store import ObjectStore

_PAGE: Final = 1000  # names in one answer
_STARTS: Final = "0123456789abcdef"  # how the ids of images begin


class ObjectKeys:
    """The `Keys` of an object store, or of a folder in it."""

    def __init__(self, store: ObjectStore, folder: str = "") -> None:
        self._store = store
        self._prefix = f"{folder}/" if folder else ""
        self._requests = Requests()
        self._held: set[Lease] = set()
        # Older gateways of Ceph compare what follows `If-Match:` with a tag without its quotes.
        self._has_bare_tags = False

    @property
    def location(self) -> str:
        return f"{self._store}/{self._prefix}".rstrip("/")

    @property
    def at_once(self) -> int:
        return self._requests.at_once

    async def why_read_only(self) -> str:
        """Try out whether the store does conditional writes; see `Keys.why_read_only`."""
        key = f"index/probe-{uuid.uuid4().hex}"
        await self.head(key)  # a store that cannot be reached says so by itself
        try:
            before = await self._write(key, b"1", "create")
            if await self.create(key, b"2"):
                return _refusal("it replaced a key that it was asked only to create")
            after = await self.swap(key, b"3", before)
            if after is None:
                self._has_bare_tags = True
                after = await self.swap(key, b"3", before)
            if after is None:
                return _refusal("it refused to replace a key that had not changed")
            if await self.swap(key, b"4", before) is not None:
                return _refusal("it replaced a key that had changed")
            return ""
        except PermissionError as error:
            return f'{error}; use mode="r", or credentials that may write'
        except (OSError, ChangedError) as error:
            return _refusal(str(error))
        finally:
            with suppress(OSError):
                await self.delete([key])

    async def get(self, key: str) -> bytes | None:
        found = await self.read(key)
        return None if found is None else found[0]

    async def read(self, key: str) -> tuple[bytes, UpdateVersion] | None:
        """The bytes under a key with their version, or None where there are none."""
        import obstore

        async def read(limit: asyncio.Timeout) -> tuple[bytes, UpdateVersion]:
            found = await obstore.get_async(self._store, self._prefix + key)
            self._requests.allow(limit, found.meta["size"])
            return bytes(await found.bytes_async()), _version(found.meta)

        try:
            return await self._requests.ask(read)
        except FileNotFoundError:
            return None

    async def head(self, key: str) -> BlobStat | None:
        found = await self._meta(key)
        return None if found is None else BlobStat(size=found["size"], version=_number(found))

    async def _meta(self, key: str) -> ObjectMeta | None:
        import obstore

        try:
            return await self._requests.ask(
                lambda _: obstore.head_async(self._store, self._prefix + key)
            )
        except FileNotFoundError:
            return None

    async def list_folder(self, folder: str) -> FolderListing:
        import obstore

        found = await self._requests.ask(
            lambda _: obstore.list_with_delimiter_async(self._store, self._prefix + folder)
        )
        files = [one["path"].rpartition("/")[2] for one in found["objects"]]
        folders = [path.rstrip("/").rpartition("/")[2] for path in found["common_prefixes"]]
        return FolderListing(files=tuple(sorted(files)), folders=tuple(sorted(folders)))

    async def find(self, folder: str) -> dict[str, int]:
        place = (self._prefix + folder).rstrip("/")
        found = await self._list(place, after="", most=_PAGE)
        if len(found) >= _PAGE:  # the rest side by side
            last = found[-1]["path"]
            starts = [start for c in _STARTS if (start := f"{place}/{c}") > last]
            parts = await asyncio.gather(
                *(
                    self._list(place, after=after, until=until)
                    for after, until in pairwise([last, *starts, ""])
                )
            )
            found += [one for part in parts for one in part]
        return {one["path"].removeprefix(self._prefix): _number(one) for one in found}

    async def _list(
        self, place: str, *, after: str, until: str = "", most: int = 0
    ) -> list[ObjectMeta]:
        """The objects whose names come after a name, up to another, or the first so many."""
        import obstore

        found: list[ObjectMeta] = []
        stream = None

        async def next_page(_: asyncio.Timeout) -> list[ObjectMeta]:
            nonlocal stream
            if stream is None:  # at first, and when it was cut off
                last = found[-1]["path"] if found else after
                stream = obstore.list(self._store, place, offset=last or None, chunk_size=_PAGE)
            try:
                return list(await anext(stream))
            except StopAsyncIteration:
                return []
            except BaseException:
                stream = None
                raise

        while page := await self._requests.ask(next_page):
            page = [*found[-1:], *page]  # so that its first key is compared, too
            if page != sorted(page, key=_path):
                raise OSError("the object store lists keys out of order; use another one")
            found[-1:] = page
            if (most and len(found) >= most) or (until and found[-1]["path"] > until):
                break
        return [one for one in found if not until or one["path"] <= until]

    async def put(self, key: str, data: bytes) -> None:
        await self._write(key, data, "overwrite")

    async def create(self, key: str, data: bytes) -> bool:
        return await self.swap(key, data, None) is not None

    async def swap(
        self, key: str, data: bytes, before: UpdateVersion | None
    ) -> UpdateVersion | None:
        """Write a key if it is what it was, or if there is none; returns its version if it was."""
        try:
            return await self._write(key, data, "create" if before is None else before)
        except ChangedError:
            return None

    async def replace(self, key: str, data: bytes) -> None:
        """Write a key, if each lock that this process holds is still its own.

        Looked at before the locks are, the key is what it was while they were held. So a writer
        that lost one has changed it since, or has found what is written here.
        """
        if not self._held:
            await self.put(key, data)
            return
        before = await self._meta(key)
        await self.require_locks()
        if await self.swap(key, data, None if before is None else _version(before)) is None:
            raise LockLostError(key)

    async def update(self, key: str, change: Callable[[bytes], bytes]) -> None:
        """Replace the bytes under a key; tried again if another writer was in between."""
        while True:
            found = await self.read(key)
            data, before = (b"", None) if found is None else found
            if await self.swap(key, change(data), before) is not None:
                return

    async def delete(self, keys: Iterable[str]) -> None:
        await self.require_locks()
        await asyncio.gather(*map(self.remove, keys))

    async def remove(self, key: str) -> None:
        """Remove a key, which may not exist, without holding a lock."""
        import obstore

        with suppress(FileNotFoundError):
            await self._requests.ask(
                lambda _: obstore.delete_async(self._store, self._prefix + key)
            )

    async def _write(self, key: str, data: bytes, mode: PutMode) -> UpdateVersion:
        """Write a key; returns its version.

        Raises:
            ChangedError: It is not what `mode` says.
        """
        import obstore

        if self._has_bare_tags and not isinstance(mode, str) and mode["e_tag"] is not None:
            mode = {**mode, "e_tag": mode["e_tag"].strip('"')}
        tried = 0

        async def write(_: asyncio.Timeout) -> PutResult:
            nonlocal tried
            tried += 1
            return await obstore.put_async(
                self._store, self._prefix + key, data, mode=mode, use_multipart=False
            )

        try:
            return _version(await self._requests.ask(write, size=len(data)))
        except FileNotFoundError as error:
            if not isinstance(mode, str):
                raise ChangedError(f"{key!r} is gone") from error
            raise OSError(f"the object store says {str(error)!r}; check the URL") from error
        except ChangedError:
            # A request whose answer was lost may have been carried out.
            found = await self.read(key) if tried > 1 else None
            if found is None or found[0] != data:
                raise
            return found[1]

    async def require_locks(self) -> None:
        for lease in tuple(self._held):
            if not await lease.is_mine():
                raise LockLostError(lease.name)

    @contextmanager
    def lock(self, name: str, *, action: str, timeout_s: float) -> Iterator[None]:
        lease = wait(Lease.acquire(self, name, action=action, timeout_s=timeout_s))
        self._held.add(lease)
        try:
            yield
        finally:
            self._held.remove(lease)
            wait(lease.release())

    async def claim(self, folders: Sequence[str]) -> StoredClaim:
        return await claim_folders(self, folders)

    async def claimed(self, *, but: Collection[str] = ()) -> set[str]:
        return await claimed_folders(self, but=but)

    async def abandoned_claims(self) -> list[str]:
        return await abandoned_claims(self)

    async def take_claim(self, key: str) -> list[str]:
        return await take_claim(self, key)

    async def unlock(self) -> list[str]:
        names = [name for name in (await self.list_folder("index")).files if name.endswith(".lock")]
        found = [await break_lease(self, name.removesuffix(".lock")) for name in names]
        return [holder for holder in found if holder]


def _refusal(reason: str) -> str:
    return (
        f"the object store does not support conditional writes ({reason}), so that two writers "
        'could both hold a lock; use mode="r", or another store'
    )


def _path(found: ObjectMeta) -> str:
    return found["path"]


def _version(found: ObjectMeta | PutResult) -> UpdateVersion:
    tag, version = found["e_tag"], found["version"]
    return {"e_tag": tag} if version is None else {"e_tag": tag, "version": version}


def _number(found: ObjectMeta) -> int:
    """The entity tag as a number of 63 bits; 0 where there is none."""
    tag = found["e_tag"]
    if tag is None:
        return 0
    return int.from_bytes(hashlib.blake2b(tag.encode("utf-8"), digest_size=8).digest()) >> 1
