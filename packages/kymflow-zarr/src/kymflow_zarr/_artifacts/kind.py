"""What an artifact kind is: how a value becomes bytes, where they lie, and how they are checked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from kymflow_zarr._problems import Problem, unreadable
from kymflow_zarr._storage.blobs import BlobStore, PutFile
from kymflow_zarr._storage.names import check_name
from kymflow_zarr.errors import (
    CorruptDataError,
    InvalidNameError,
    NotFoundError,
    UnreadableImageError,
)

__all__ = ["MAX_FILE_BYTES", "ArtifactKind"]

MAX_FILE_BYTES = 2**30
"""Largest file, also once decompressed, that is taken in unless a caller allows more."""


class ArtifactKind(ABC):
    """One kind of artifact: what its values are, and how they are stored and taken in.

    A kind whose values fit in memory names itself and a suffix, and gives `encode` and `decode`:
    the rest follows. One with another layout, or one that streams, overrides more.

    Attributes:
        name: What ``kind=`` asks for.
        suffixes: Endings of stored files; the first is written, all are read, in this order. Empty
            for a kind that keeps each artifact in a folder.
        sidecar_suffixes: Endings of files beside an image that are taken in as this kind; of
            several files with the same name the one whose suffix comes first.
        root: The folder of a record that its artifacts lie in. A kind without suffixes has one of
            its own.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    sidecar_suffixes: ClassVar[tuple[str, ...]] = ()
    root: ClassVar[str] = "analysis"

    @abstractmethod
    def encode(self, value: Any) -> bytes:
        """A value as the contents of one file.

        Raises:
            TypeError, ValueError: It cannot be stored; the message says why and what to do.
        """

    @abstractmethod
    def decode(self, data: bytes, *, key: str) -> Any:
        """The value of one file.

        Args:
            data: The file's contents, which may be damaged or hostile.
            key: Where they lie, for messages; it ends in one of the suffixes.

        Raises:
            ValueError: They are not what `encode` writes.
        """

    def accepts(self, value: object) -> bool:  # noqa: ARG002 - kinds that override it look at it
        """Whether a value that is saved without naming a kind is of this one."""
        return False

    # --- where artifacts lie ------------------------------------------------------------------

    @property
    def is_folder(self) -> bool:
        """Whether each artifact is a folder of its own."""
        return not self.suffixes

    def paths(self, name: str) -> tuple[str, ...]:
        """Where an artifact may lie, relative to its record's folder; the first is written."""
        return tuple(f"{self.root}/{name}{suffix}" for suffix in self.suffixes or ("",))

    def path(self, name: str) -> str:
        """Where an artifact is written, relative to its record's folder."""
        return self.paths(name)[0]

    def check_name(self, name: str) -> None:
        """Refuse a name that cannot be a file everywhere.

        Raises:
            InvalidNameError: The message says which rule it breaks.
        """
        check_name(name, kind="artifact")

    def is_valid_name(self, name: str) -> bool:
        """Whether `check_name` accepts a name: a file that someone copied in may have any."""
        try:
            self.check_name(name)
        except InvalidNameError:
            return False
        return True

    # --- in a dataset -------------------------------------------------------------------------

    def write(self, value: Any, *, key: str, put: PutFile) -> None:
        """Store a value.

        Args:
            value: The value.
            key: Its key in the dataset.
            put: Stores one file under a key: `key` itself, or one below it.
        """
        put(key, self.encode(value))

    def exists(self, blobs: BlobStore, key: str) -> bool:
        """Whether an artifact is stored under a key."""
        return blobs.stat(key) is not None

    def read(self, blobs: BlobStore, key: str) -> Any:
        """The value that is stored under a key.

        Raises:
            NotFoundError: There is none.
            CorruptDataError: It is damaged.
        """
        data = blobs.get(key)
        if data is None:
            raise NotFoundError(key, f"nothing is stored under {key!r}; check the name")
        try:
            return self.decode(data, key=key)
        except CorruptDataError:
            raise
        except ValueError as error:
            raise CorruptDataError(key, f"it cannot be decoded as {self.name} ({error})") from error

    def check(self, blobs: BlobStore, key: str, *, deep: bool) -> Iterator[Problem]:  # noqa: ARG002
        """All problems of what is stored under a key.

        Args:
            blobs: The key space.
            key: The artifact's key.
            deep: Whether all is read, even where a look at its head would do.
        """
        try:
            self.read(blobs, key)
        except NotFoundError:  # deleted since it was listed
            return
        except CorruptDataError as error:
            yield unreadable(error)

    # --- as a plain file ----------------------------------------------------------------------

    def read_file(
        self, path: Path, *, max_bytes: int = MAX_FILE_BYTES, follow_links: bool = False
    ) -> Any:
        """The value of a file beside an image, or of an export.

        Args:
            path: The file.
            max_bytes: Most bytes that it may have, also once decompressed.
            follow_links: Whether a symbolic link is read as the file that it leads to; else it is
                refused.

        Raises:
            UnreadableImageError: It cannot be read, is damaged, or is too large.
        """
        from kymflow_zarr._readers.files import read_bounded
        from kymflow_zarr._readers.translate import translated

        data = read_bounded(path, limit=max_bytes, follow_symlinks=follow_links)
        with translated(path):
            try:
                return self.decode_file(data, key=path.name, max_bytes=max_bytes)
            except CorruptDataError as error:
                raise UnreadableImageError(path, f"{error.reason}; correct or remove it") from error

    def decode_file(self, data: bytes, *, key: str, max_bytes: int) -> Any:  # noqa: ARG002
        """`decode` for a file from elsewhere, which may be in another form than a stored one.

        Args:
            data: The file's contents.
            key: Its name, for messages.
            max_bytes: Most bytes that it may become once decompressed.
        """
        return self.decode(data, key=key)

    def encode_file(self, value: Any, suffix: str) -> bytes:  # noqa: ARG002
        """A value as a file with one of the `sidecar_suffixes`."""
        return self.encode(value)
