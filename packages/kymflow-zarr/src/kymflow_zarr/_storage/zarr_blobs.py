"""A dataset in any open Zarr store: in memory for tests, or in a cloud.

Such stores have no rename: a folder is published by writing its commit key last, and a lock is a
key that only one writer can create.
"""

from __future__ import annotations

import asyncio
import io
import os
import sys
import threading
import time
import uuid
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStat, FolderListing, is_hidden
from kymflow_zarr._storage.locks import describe_holder, holder_note
from kymflow_zarr.errors import AlreadyExistsError, LockedError

if TYPE_CHECKING:
    from zarr.abc.store import Store

__all__ = ["ZarrStoreBlobs", "creates_exclusively"]

_T = TypeVar("_T")
_POLL_S = 0.02
_AT_ONCE = 64  # requests under way


class ZarrStoreBlobs:
    """A `BlobStore` over an open Zarr store. Durability is the store's own affair.

    Args:
        store: The store.
        folder: Where in the store the dataset is; empty for its root.
        url: The URL that it was opened by, if it was.
    """

    def __init__(self, store: Store, *, folder: str = "", url: str | None = None) -> None:
        self._store = _wait(_opened(store))
        self._folder = folder
        self._url = url

    def __reduce__(self) -> tuple[object, ...]:
        from kymflow_zarr._storage.open import open_blobs

        if self._url is None or self._url.startswith("memory:"):
            raise TypeError(
                f"{self.location!r} is in memory, or was opened from a store object, and so cannot "
                "be sent to another process; open it by its path or URL"
            )
        return partial(open_blobs, durability="batch"), (self._url,)

    @property
    def location(self) -> str:
        """The URL, or how the store names itself."""
        if self._url is not None:
            return self._url
        return f"{self._store}/{self._folder}" if self._folder else str(self._store)

    def _at(self, key: str) -> str:
        return f"{self._folder}/{key}" if self._folder and key else self._folder or key

    def get(self, key: str) -> bytes | None:
        """The bytes under a key, or None where there are none."""
        from zarr.buffer import default_buffer_prototype

        found = _wait(self._store.get(self._at(key), default_buffer_prototype()))
        return None if found is None else found.to_bytes()

    def put(self, key: str, data: bytes, *, inside: str = "") -> None:
        """Replace the bytes under a key in one step."""
        from zarr.buffer.cpu import Buffer

        self.require(inside)
        _wait(self._store.set(self._at(key), Buffer.from_bytes(data)))
        try:
            self.require(inside)
        except FileNotFoundError:  # whoever deletes the folder may have listed it before
            self.delete(key)
            raise

    def require(self, inside: str) -> None:
        """Refuse to go on if a published folder is not there any more."""
        if inside and self.stat(f"{inside}/{COMMIT_KEY}") is None:
            raise FileNotFoundError(f"{inside!r} is not there any more; it was deleted")

    def append_lines(self, key: str, lines: bytes, *, flush: bool, inside: str = "") -> None:  # noqa: ARG002 - as above
        """Append lines to a key: such stores can only rewrite the whole."""
        before = self.get(key) or b""
        whole = before + (b"" if before[-1:] in {b"", b"\n"} else b"\n") + lines
        self.put(key, whole, inside=inside)

    def delete(self, key: str) -> bool:
        """Remove a key; returns whether it was there."""
        existed = _wait(self._store.exists(self._at(key)))
        _wait(self._store.delete(self._at(key)))
        return existed

    def delete_folder(self, key: str) -> bool:
        """Remove a folder: its commit key first, then the rest."""
        was_published = self.delete(f"{key}/{COMMIT_KEY}")
        # Listed only now: a writer that still saw the commit key has written before.
        # With the slash: the prefix "images/1" would also match "images/10".
        keys = _wait(_collect_prefix(self._store, f"{self._at(key)}/"))
        for found in keys:
            _wait(self._store.delete(found))
        return was_published or bool(keys)

    def list_folder(self, key: str) -> FolderListing:
        """The names directly in a folder; hidden ones are left out."""
        folder = self._at(key)
        prefix = f"{folder}/" if folder else ""
        names = [name for name in _wait(_collect_dir(self._store, folder)) if not is_hidden(name)]
        files = {name for name in names if self._is_file(prefix + name)}
        return FolderListing(files=tuple(sorted(files)), folders=tuple(sorted(set(names) - files)))

    def folders(self, parent: str, *, holding: str) -> dict[str, bool]:
        """The names directly in a folder, sorted, and whether each is one that holds a file."""
        return _wait(_look_into(self._store, self._at(parent), holding))

    def published(self, parent: str) -> None:  # noqa: ARG002 - no folder says that it is whole
        """None: keys are written one by one, so only the commit key says so."""
        return

    def links(self, folder: str) -> tuple[str, ...]:  # noqa: ARG002 - keys lead nowhere else
        """Nothing: such stores have no links."""
        return ()

    def stat(self, key: str) -> BlobStat | None:
        """Size of a blob, or None where there is none; such stores keep no times."""
        try:
            return BlobStat(size=_wait(self._store.getsize(self._at(key))), mtime_ns=0)
        except FileNotFoundError:
            return None

    def stamp(self, folder: str) -> str:  # noqa: ARG002 - such stores keep no times
        """Nothing: such stores keep no times."""
        return ""

    def open_read(self, key: str) -> BinaryIO | None:
        """A seekable stream over a copy of the blob, or None where there is none."""
        data = self.get(key)
        return None if data is None else io.BytesIO(data)

    @contextmanager
    def open_write(self, key: str) -> Iterator[BinaryIO]:
        """A stream whose contents replace the key in one step when the block ends well."""
        stream = io.BytesIO()
        yield stream
        self.put(key, stream.getvalue())

    @contextmanager
    def staging(self, parent: str, *, inside: str = "") -> Iterator[_KeyStaging]:
        """Stage folders that will be published directly in the folder `parent`."""
        staging = _KeyStaging(self, parent, inside)
        try:
            yield staging
        finally:
            staging.discard_all()

    @contextmanager
    def lock(self, name: str, *, action: str, timeout_s: float) -> Iterator[None]:
        """Hold the named writer's lock for the block.

        The lock is a key. If its holder is killed it stays: `sweep` removes it once a person has
        made sure that the holder is gone.
        """
        key = f"index/{name}.lock"
        mine = holder_note(action) + b"\n" + uuid.uuid4().hex.encode("ascii")
        deadline = time.monotonic() + timeout_s
        while not self._create(key, mine):
            if time.monotonic() >= deadline:
                note = self.get(key)
                said = None if note is None else note.split(b"\n", 1)[0]
                raise LockedError(name, holder=describe_holder(said), waited_s=timeout_s)
            time.sleep(_POLL_S)
        try:
            yield
        finally:
            if self.get(key) == mine:
                self.delete(key)

    def close(self) -> None:
        """Nothing: the store belongs to its opener."""

    def leftovers(self) -> tuple[str, ...]:
        """Nothing: a folder without its commit key may be one that is being written."""
        return ()

    def sweep(self, leftover: str) -> None:
        """Remove a key that a person named as left behind."""
        self.delete(leftover)

    def _is_file(self, at: str) -> bool:
        if not _wait(self._store.exists(at)):
            return False
        # A store that was not made for keys may say so of a folder, too.
        return creates_exclusively(self._store) or self._holds_bytes(at)

    def _holds_bytes(self, at: str) -> bool:
        from zarr.abc.store import RangeByteRequest
        from zarr.buffer import default_buffer_prototype

        first = RangeByteRequest(0, 1)
        return _wait(self._store.get(at, default_buffer_prototype(), first)) is not None

    def _create(self, key: str, data: bytes) -> bool:
        """Write a key only where there is none; returns whether it is ours."""
        from zarr.buffer.cpu import Buffer

        _wait(self._store.set_if_not_exists(self._at(key), Buffer.from_bytes(data)))
        return self.get(key) == data


class _KeyStaging:
    """Folders written in place, their commit keys held back; see `blobs.Staging`."""

    def __init__(self, blobs: ZarrStoreBlobs, parent: str, inside: str) -> None:
        self._blobs = blobs
        self._parent = parent
        self._inside = inside
        self._held: dict[str, dict[str, bytes]] = {}

    def put(self, key: str, data: bytes) -> None:
        name, _, rest = key.partition("/")
        self._held.setdefault(name, {})[rest] = data

    def publish(self, names: Sequence[str], *, replace: bool = False) -> None:
        for name in names:
            folder = f"{self._parent}/{name}"
            if self._blobs.stat(f"{folder}/{COMMIT_KEY}") is not None:
                if not replace:
                    raise AlreadyExistsError(folder)
                self._blobs.delete_folder(folder)
            held = self._held.pop(name)
            commit = held.pop(COMMIT_KEY)
            for rest, data in held.items():
                self._blobs.put(f"{folder}/{rest}", data, inside=self._inside)
            self._blobs.put(f"{folder}/{COMMIT_KEY}", commit, inside=self._inside)

    def discard(self, name: str) -> None:
        self._held.pop(name, None)

    def discard_all(self) -> None:
        self._held.clear()


def creates_exclusively(store: Store) -> bool:
    """Whether a store can create a key only where there is none: zarr's default looks first."""
    from zarr.abc.store import Store

    return type(store).set_if_not_exists is not Store.set_if_not_exists


async def _opened(store: Store) -> Store:
    """The store, ready for requests: a zip file is not, before it was opened."""
    from zarr.storage import StorePath

    return (await StorePath.open(store, "", mode=None)).store


async def _collect_dir(store: Store, folder: str) -> list[str]:
    # Some stores name a folder once per key below it, or with a trailing slash.
    return sorted({name.strip("/") async for name in store.list_dir(folder)})


async def _look_into(store: Store, parent: str, holding: str) -> dict[str, bool]:
    names = [
        name
        for name in await _collect_dir(store, parent)
        if name != holding and not is_hidden(name)
    ]
    found: list[bool] = []
    for start in range(0, len(names), _AT_ONCE):
        part = names[start : start + _AT_ONCE]
        found += await asyncio.gather(
            *(store.exists(f"{parent}/{name}/{holding}") for name in part)
        )
    return dict(zip(names, found, strict=True))


async def _collect_prefix(store: Store, prefix: str) -> list[str]:
    return [key async for key in store.list_prefix(prefix)]


@cache
def _loop_of(pid: int) -> asyncio.AbstractEventLoop:  # noqa: ARG001 - one loop per process
    """One event loop in a thread of its own: callers may be inside a loop themselves.

    A forked child has a copy of its parent's loop, but no thread that runs it.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="kymflow-zarr-io", daemon=True).start()
    return loop


def _wait(work: Coroutine[object, object, _T]) -> _T:
    try:
        return asyncio.run_coroutine_threadsafe(work, _loop_of(os.getpid())).result()
    except FileNotFoundError:
        raise
    except _store_errors() as error:
        said, *_ = str(error).splitlines()
        raise OSError(
            f"the object store says {said!r}; check the URL, the network and the credentials"
        ) from error


def _store_errors() -> tuple[type[Exception], ...]:
    """What the library of object stores raises, if it is in use at all."""
    exceptions = sys.modules.get("obstore.exceptions")
    return () if exceptions is None else (exceptions.BaseError,)
