"""A read-only Zarr store over a dataset's array, for `open_array`: lazy reading, still checked."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)

from kymflow_zarr._pixels.codec import check_declared_size, chunk_checksum
from kymflow_zarr._pixels.layout import ArrayDocument
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.walk import iter_keys
from kymflow_zarr.errors import CorruptDataError

if TYPE_CHECKING:
    from zarr.abc.buffer import Buffer, BufferPrototype


class CheckedArrayStore(Store):
    """One array's folder as a read-only Zarr store.

    zarr-python reads a missing chunk as zeros and cannot know of a swapped one; this store compares
    each chunk with the array's document before handing it out. In format 1, which has no checksums,
    there is no such document, but `check` looks at the bytes under each key.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(
        self,
        blobs: BlobStore,
        folder: str,
        document: ArrayDocument | None,
        *,
        check: Callable[[str, bytes], None] | None = None,
    ) -> None:
        super().__init__(read_only=True)
        self._check_bytes = check
        self._blobs = blobs
        self._folder = folder
        self._document = document

    def __str__(self) -> str:
        return f"{self._blobs.location}/{self._folder}"

    def __repr__(self) -> str:
        return f"CheckedArrayStore({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, CheckedArrayStore)
            and other._blobs.location == self._blobs.location
            and other._folder == self._folder
        )

    def __hash__(self) -> int:
        return hash((self._blobs.location, self._folder))

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """The bytes under a key of the array, a chunk only after a check.

        In a thread, so that zarr can read several chunks at a time.
        """
        data = await asyncio.to_thread(self._read, key)
        if data is None:
            return None
        return prototype.buffer.from_bytes(_cut(data, byte_range))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return await asyncio.gather(*(self.get(key, prototype, part) for key, part in key_ranges))

    async def exists(self, key: str) -> bool:
        return self._blobs.stat(f"{self._folder}/{key}") is not None

    async def set(self, key: str, value: Buffer) -> None:  # noqa: ARG002 - it refuses any
        """Refused: pixels are write-once."""
        self._check_writable()

    async def delete(self, key: str) -> None:  # noqa: ARG002 - it refuses any
        """Refused: pixels are write-once."""
        self._check_writable()

    def list(self) -> AsyncIterator[str]:
        return self.list_prefix("")

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in iter_keys(self._blobs, self._folder):
            name = key.removeprefix(f"{self._folder}/")
            if name.startswith(prefix):
                yield name

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        listing = self._blobs.list_folder(f"{self._folder}/{prefix}".rstrip("/"))
        for name in (*listing.files, *listing.folders):
            yield name

    def _read(self, key: str) -> bytes | None:
        if self._document is not None and key == COMMIT_KEY:
            # As this package writes it: zarr must not fail because another program changed it.
            return self._document.to_bytes()
        place = f"{self._folder}/{key}"
        data = self._blobs.get(place)
        if self._check_bytes is not None and data is not None:
            self._check_bytes(key, data)
        if self._document is not None and key in self._document.checksums:
            if data is None:
                raise CorruptDataError(place, "the chunk is missing")
            if chunk_checksum(data) != self._document.checksums[key]:
                raise CorruptDataError(place, "the chunk is not the one that its document names")
            size = math.prod(self._document.chunks) * self._document.dtype.itemsize
            check_declared_size(data, size=size, key=place)
        return data


def _cut(data: bytes, part: ByteRequest | None) -> bytes:
    match part:
        case None:
            return data
        case RangeByteRequest(start, end):
            return data[start:end]
        case OffsetByteRequest(offset):
            return data[offset:]
        case SuffixByteRequest(suffix):
            return data[-suffix:]
