"""A dataset in a store that has keys and no folders: an object store, or memory.

Such stores have no rename. What is staged goes to its place at once, and its commit key is written
last: without that it is not there.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import BinaryIO

from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStat, FolderListing, is_hidden
from kymflow_zarr._storage.event_loop import wait
from kymflow_zarr._storage.key_staging import KeyStaging
from kymflow_zarr._storage.keys import Keys


class KeyBlobs:
    """A `BlobStore` over keys. Durability is the store's own affair.

    A store that was opened by a URL is known by it, and opened by it again in another process.
    """

    def __init__(self, keys: Keys, *, url: str | None = None) -> None:
        self._keys = keys
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
        return self._keys.location if self._url is None else self._url

    @property
    def at_once(self) -> int:
        return self._keys.at_once

    def why_read_only(self) -> str:
        return wait(self._keys.why_read_only())

    def get(self, key: str) -> bytes | None:
        return wait(self._keys.get(key))

    def put(self, key: str, data: bytes, *, inside: str = "") -> None:
        async def put() -> None:
            await _require(self._keys, inside)
            await self._keys.replace(key, data)
            await _require(self._keys, inside, else_delete=[key])

        wait(put())

    def append_lines(self, key: str, lines: bytes, *, flush: bool, inside: str = "") -> None:  # noqa: ARG002 - what is acknowledged is kept
        """Append lines to a key: such stores can only rewrite the whole."""

        def append(before: bytes) -> bytes:
            return before + (b"" if before[-1:] in {b"", b"\n"} else b"\n") + lines

        async def update() -> None:
            await _require(self._keys, inside)
            await self._keys.update(key, append)
            await _require(self._keys, inside, else_delete=[key])

        wait(update())

    def delete(self, key: str) -> bool:
        return wait(_delete(self._keys, key))

    def delete_folder(self, key: str) -> bool:
        """Remove a folder: its commit key first, then the rest."""

        async def delete() -> bool:
            claim = await self._keys.claim([key])
            try:
                return await _delete_folder(self._keys, key)
            finally:
                await claim.end()

        return wait(delete())

    def list_folder(self, key: str) -> FolderListing:
        found = wait(self._keys.list_folder(key))
        return FolderListing(
            files=tuple(name for name in found.files if not is_hidden(name)),
            folders=tuple(name for name in found.folders if not name.startswith(".")),
        )

    def folders(self, parent: str, *, holding: str) -> dict[str, bool]:
        found = wait(self._keys.find(parent))
        paths = [key.removeprefix(f"{parent}/").split("/", 1) for key in found]
        names = {path[0] for path in paths if len(path) > 1 and not path[0].startswith(".")}
        return {name: f"{parent}/{name}/{holding}" in found for name in names}

    def published(self, parent: str) -> None:  # noqa: ARG002 - no folder says that it is whole
        """None: keys are written one by one, so only the commit key says so."""
        return

    def links(self, folder: str) -> tuple[str, ...]:  # noqa: ARG002 - keys lead nowhere else
        """Nothing: such stores have no links."""
        return ()

    def stat(self, key: str) -> BlobStat | None:
        return wait(self._keys.head(key))

    def stamp(self, folder: str) -> str:
        found = sorted(wait(self._keys.find(folder)).items())
        if not found or not all(version for _, version in found):
            return ""
        text = "\n".join(f"{key} {version}" for key, version in found)
        return hashlib.sha256(text.encode("utf-8")).hexdigest()

    def stamps(self, parent: str, names: Sequence[str], files: Sequence[str]) -> dict[str, int]:
        versions = wait(self._keys.find(parent)) if names else {}
        found = {
            name: tuple(versions.get(f"{parent}/{name}/{file}", -1) for file in files)
            for name in names
        }
        return {name: hash(now) if all(now) else 0 for name, now in found.items()}

    def open_read(self, key: str) -> BinaryIO | None:
        data = self.get(key)
        return None if data is None else io.BytesIO(data)

    @contextmanager
    def open_write(self, key: str) -> Iterator[BinaryIO]:
        stream = io.BytesIO()
        yield stream
        wait(self._keys.replace(key, stream.getvalue()))

    @contextmanager
    def staging(
        self, parent: str, names: Sequence[str], *, inside: str = ""
    ) -> Iterator[KeyStaging]:
        staging = KeyStaging(
            self._keys,
            parent,
            names,
            require=partial(_require, self._keys, inside),
            delete_folder=partial(_delete_folder, self._keys),
        )
        try:
            yield staging
        finally:
            staging.close()

    def lock(self, name: str, *, action: str, timeout_s: float) -> AbstractContextManager[None]:
        return self._keys.lock(name, action=action, timeout_s=timeout_s)

    def unlock(self) -> list[str]:
        return wait(self._keys.unlock())

    def close(self) -> None:
        """Nothing: the store belongs to its opener."""

    def claimed(self) -> set[str]:
        return wait(self._keys.claimed())

    def leftovers(self) -> tuple[str, ...]:
        """The claims of writers that are gone."""
        return tuple(wait(self._keys.abandoned_claims()))

    def sweep(self, leftovers: Sequence[str]) -> None:
        """Remove the folders of killed writers that were not published, or not wholly deleted."""

        async def sweep() -> None:
            found = {folder for key in leftovers for folder in await self._keys.take_claim(key)}
            for folder in sorted(found - await self._keys.claimed(but=leftovers)):
                if await self._keys.head(f"{folder}/{COMMIT_KEY}") is None:
                    await _delete_folder(self._keys, folder)
            await self._keys.delete(leftovers)

        wait(sweep())


async def _require(keys: Keys, inside: str, *, else_delete: Iterable[str] = ()) -> None:
    """Refuse to go on if a published folder is not there any more; any will do if it is empty.

    Then some keys are deleted, too: whoever deleted the folder may have listed it before they were
    written.

    Raises:
        FileNotFoundError: The folder is not there.
    """
    if inside and await keys.head(f"{inside}/{COMMIT_KEY}") is None:
        await keys.delete(else_delete)
        raise FileNotFoundError(f"{inside!r} no longer exists; it was deleted")


async def _delete(keys: Keys, key: str) -> bool:
    existed = await keys.head(key) is not None
    await keys.delete([key])
    return existed


async def _delete_folder(keys: Keys, folder: str) -> bool:
    was_published = await _delete(keys, f"{folder}/{COMMIT_KEY}")
    # Listed only now: a writer that still saw the commit key has written before.
    found = await keys.find(folder)
    await keys.delete(found)
    return was_published or bool(found)
