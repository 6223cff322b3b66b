"""The protocol of a key space: what the package asks of the place where bytes are stored.

Keys are ``/``-separated, relative to the dataset's root, and made of checked names. Two promises
carry the package: `BlobStore.put` and `BlobStore.open_write` replace a key in one step, and a
folder published by `Staging.publish` appears in one step. What a returned call has written is
durable according to the store's `Durability`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol, TypeAlias

Durability: TypeAlias = Literal["record", "batch", "none"]

PutFile: TypeAlias = Callable[[str, bytes], None]
"""Stores one file: its key, and its bytes."""

COMMIT_KEY = "zarr.json"
"""The key of a published folder that is written last: without it the folder does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobStat:
    """What a store knows of a blob without reading it.

    Attributes:
        size: Size in bytes.
        version: A number that another one takes the place of when the blob changes: its time in ns
            since 1970, or one made of its entity tag; 0 where the store keeps neither.
    """

    size: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderListing:
    """The names directly in a folder, sorted, without hidden ones."""

    files: tuple[str, ...]
    folders: tuple[str, ...]


def is_hidden(name: str) -> bool:
    """Whether a file is not part of a dataset: hidden, or left there by a file manager."""
    return name[:1] == "." or name.lower() in {"desktop.ini", "thumbs.db"}


class Staging(Protocol):
    """Folders being written beside their final place."""

    def put(self, key: str, data: bytes) -> None:
        """Write one file of a staged folder; `key` is relative to the staging's parent."""

    def publish(self, names: Sequence[str], *, replace: bool = False) -> None:
        """Make staged folders durable, then visible, each in one step.

        Args:
            names: The folders, as given in the first segment of the keys.
            replace: Whether an existing folder gives way: in one step where the system can let two
                folders change places, else with an instant at which neither is visible.

        Raises:
            AlreadyExistsError: A folder exists and `replace` is false.
        """

    def discard(self, name: str) -> None:
        """Discard a staged folder."""


class BlobStore(Protocol):
    """One dataset's key space."""

    @property
    def location(self) -> str:
        """The path or URL, for messages."""

    @property
    def at_once(self) -> int:
        """How many requests it serves at a time in about the time of one."""

    def why_read_only(self) -> str:
        """Why nothing can be written here, and what to do; empty if it can be."""

    def get(self, key: str) -> bytes | None:
        """The bytes under a key, or None where there are none."""

    def put(self, key: str, data: bytes, *, inside: str = "") -> None:
        """Replace the bytes under a key in one step.

        Args:
            key: The key.
            data: The bytes.
            inside: A published folder above the key that must be there: if it is deleted meanwhile,
                so is what was written, or nothing is written.

        Raises:
            FileNotFoundError: `inside` is not there any more.
        """

    def append_lines(self, key: str, lines: bytes, *, flush: bool, inside: str = "") -> None:
        """Append lines to a key, which may be new; a cut-off line is ended first.

        A writer that is killed may leave a part of them: for notes that readers need not believe.

        Args:
            key: The key; its folder exists.
            lines: The lines, each with its end.
            flush: Whether they must be as durable as what `put` writes.
            inside: As for `put`.
        """

    def delete(self, key: str) -> bool:
        """Remove a key; returns whether it was there."""

    def delete_folder(self, key: str) -> bool:
        """Remove a folder with all it holds, its visibility first; returns whether it was there."""

    def list_folder(self, key: str) -> FolderListing:
        """The names directly in a folder; empty where there is no such folder."""

    def folders(self, parent: str, *, holding: str) -> Mapping[str, bool]:
        """The folders directly in a folder, in any order, and whether each holds a file of a name.

        A file directly in `parent` may be among them: it holds nothing.
        """

    def published(self, parent: str) -> Sequence[str] | None:
        """The folders directly in a folder, if each was published in one step, in any order.

        None in a store without rename: there only the commit key says so.
        """

    def links(self, folder: str) -> Iterable[str]:
        """The keys of all links and mounts in a folder, at any depth: none is followed.

        Every other method raises `CorruptDataError` for a key that leads through one.
        """

    def stat(self, key: str) -> BlobStat | None:
        """Size and version of a blob, or None where there is none."""

    def stamp(self, folder: str) -> str:
        """A text that differs once a file anywhere in a folder does; no file is opened.

        Empty where there is no such folder, and in a store that keeps no times.
        """

    def stamps(self, parent: str, names: Sequence[str], files: Sequence[str]) -> Mapping[str, int]:
        """For each folder in a folder a number that differs once some of its files do.

        No file is opened. 0 where that cannot be told: reading the files says why.

        Args:
            parent: The folder.
            names: The folders in it.
            files: The files, relative to each of these.
        """

    def open_read(self, key: str) -> BinaryIO | None:
        """A seekable stream over a blob, or None where there is none. The caller closes it."""

    def open_write(self, key: str) -> AbstractContextManager[BinaryIO]:
        """A stream, to write and read back, that replaces the key in one step if all goes well."""

    def staging(
        self, parent: str, names: Sequence[str], *, inside: str = ""
    ) -> AbstractContextManager[Staging]:
        """Stage folders that will be published directly in the folder `parent`.

        Args:
            parent: The folder.
            names: The folders that may be staged.
            inside: As for `put`: `Staging.publish` raises if it is not there any more.
        """

    def lock(self, name: str, *, action: str, timeout_s: float) -> AbstractContextManager[None]:
        """Hold the named writer's lock for the block.

        Raises:
            LockedError: Another writer held it for `timeout_s` seconds.
        """

    def unlock(self) -> list[str]:
        """Free every lock that does not end with its holder; returns who held them."""

    def close(self) -> None:
        """Release what writing holds; it is acquired again when needed."""

    def claimed(self) -> set[str]:
        """The folders that some writer is changing, or was when it was killed.

        None in a store with rename: there, what is not published lies elsewhere.
        """

    def leftovers(self) -> tuple[str, ...]:
        """What killed writers left behind, as keys; never what a live writer is using."""

    def sweep(self, leftovers: Sequence[str]) -> None:
        """Remove what `leftovers` has returned."""
