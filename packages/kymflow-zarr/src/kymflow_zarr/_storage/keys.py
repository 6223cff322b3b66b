"""The protocol of a store that has keys and no folders: what `KeyBlobs` asks of it.

All methods but `Keys.lock` are coroutines of the loop in `event_loop`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from kymflow_zarr._storage.blobs import BlobStat, FolderListing


class Claim(Protocol):
    """What says that this process is changing some folders (see `claims`)."""

    async def is_mine(self) -> bool:
        """Whether it is still held, so that the folders may be published."""

    async def end(self, *, remove: bool = True) -> None:
        """Keep it up no longer. Unless the folders are whole, or gone, it is left to expire."""


class Keys(Protocol):
    """One dataset's keys. Methods raise `OSError` if the store cannot do what it is asked."""

    @property
    def location(self) -> str:
        """How the store names itself, for messages."""

    @property
    def at_once(self) -> int:
        """How many requests may be under way at a time."""

    async def why_read_only(self) -> str:
        """Why nothing can be written here, and what to do; empty if it can be."""

    async def get(self, key: str) -> bytes | None:
        """The bytes under a key, or None where there are none."""

    async def head(self, key: str) -> BlobStat | None:
        """Size and version of a key, or None where there is none."""

    async def list_folder(self, folder: str) -> FolderListing:
        """The names directly in a folder, sorted, with hidden ones."""

    async def find(self, folder: str) -> dict[str, int]:
        """All keys in a folder, at any depth, each with its version (`BlobStat.version`)."""

    async def put(self, key: str, data: bytes) -> None:
        """Write a key that no other writer writes."""

    async def create(self, key: str, data: bytes) -> bool:
        """Write a key only where there is none; returns whether it was written."""

    async def replace(self, key: str, data: bytes) -> None:
        """Write a key, if each lock that this process holds is still its own.

        Raises:
            LockLostError: One is not; nothing was written.
        """

    async def update(self, key: str, change: Callable[[bytes], bytes]) -> None:
        """Replace the bytes under a key (none if it is not there) by what becomes of them."""

    async def delete(self, keys: Iterable[str]) -> None:
        """Remove keys, of which some may not be there."""

    async def require_locks(self) -> None:
        """Refuse to go on if a lock that this process holds is not its own any more.

        Raises:
            LockLostError: One is not.
        """

    def lock(self, name: str, *, action: str, timeout_s: float) -> AbstractContextManager[None]:
        """Hold the named writer's lock for the block; see `BlobStore.lock`."""

    async def claim(self, folders: Sequence[str]) -> Claim:
        """Say that this process is changing some folders."""

    async def claimed(self, *, but: Collection[str] = ()) -> set[str]:
        """The folders that some writer is changing, or was when it was killed.

        Claims under the keys in `but` do not count.
        """

    async def abandoned_claims(self) -> list[str]:
        """The keys of claims whose writers are gone; waits until that is certain."""

    async def take_claim(self, key: str) -> list[str]:
        """Take a claim away, so that its writer publishes nothing any more; returns its folders."""

    async def unlock(self) -> list[str]:
        """Free every lock; returns their holders, for messages."""
