"""What an artifact kind is: how values become bytes, are stored and are checked."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Final

from kymflow_zarr._problems import Problem, damage_problem
from kymflow_zarr._storage.blobs import BlobStore, PutFile
from kymflow_zarr._storage.names import check_name
from kymflow_zarr.errors import (
    ArtifactKindError,
    CorruptDataError,
    InvalidNameError,
    NotFoundError,
    UnreadableImageError,
)

MAX_FILE_BYTES: Final = 2**30
"""Largest file, also once decompressed, that is ingested unless a caller allows more."""
MAX_CSV_BYTES: Final = 64 * 2**20
"""Longest text of a CSV that is read: as numbers and texts it takes some ten times as much."""
_COPY_BYTES: Final = 2**20


def not_stored(key: str) -> NotFoundError:
    """The error where nothing is stored under a key."""
    return NotFoundError(key, f"nothing is stored under {key!r}; check the name")


class ArtifactKind(ABC):
    """One kind of artifact: what its values are, and how they are stored and ingested.

    A kind whose values fit in memory names itself and a suffix, and gives `encode` and `decode`:
    the rest follows. One with another layout, or one that streams, overrides more.

    Attributes:
        name: What ``kind=`` asks for.
        suffixes: Endings of stored files; the first is written, all are read, in this order. Empty
            for a kind that keeps each artifact in a folder.
        sidecar_suffixes: Endings of files beside an image that are ingested as this kind; of
            several files with the same name, the one whose suffix comes first.
        root: The folder of a record that holds its artifacts. A kind without suffixes has one of
            its own.
        max_file_bytes: Largest file of it that is ingested.
        has_spreadsheet: Whether an export has a CSV for people beside its file.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    sidecar_suffixes: ClassVar[tuple[str, ...]] = ()
    root: ClassVar[str] = "analysis"
    max_file_bytes: ClassVar[int] = MAX_FILE_BYTES
    has_spreadsheet: ClassVar[bool] = False

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
            key: Where they are stored, for messages; it ends in one of the suffixes.

        Raises:
            ValueError: They are not what `encode` writes.
        """

    def accepts(self, value: object) -> bool:
        """Whether a value that is saved without naming a kind is of this one."""
        return False

    # --- where artifacts are stored -----------------------------------------------------------

    @property
    def is_folder(self) -> bool:
        """Whether each artifact has its own folder."""
        return not self.suffixes

    def paths(self, name: str) -> tuple[str, ...]:
        """The paths of an artifact, relative to its record's folder; the first is written."""
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
        put(key, encoded(self, value))

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
            raise not_stored(key)
        return decoded(self, data, key=key)

    def check(self, blobs: BlobStore, key: str, *, deep: bool) -> Iterator[Problem]:
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
            yield damage_problem(error)

    # --- in a file beside an image ------------------------------------------------------------

    def read_file(
        self, path: Path, *, max_bytes: int = MAX_FILE_BYTES, follow_links: bool = False
    ) -> Any:
        """The value of a file.

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

        max_bytes = min(max_bytes, self.max_file_bytes)
        data = read_bounded(path, limit=max_bytes, follow_symlinks=follow_links)
        with translated(path):
            try:
                return self.decode_file(data, key=path.name, max_bytes=max_bytes)
            except CorruptDataError as error:
                raise UnreadableImageError(path, f"{error.reason}; correct or remove it") from error

    def decode_file(self, data: bytes, *, key: str, max_bytes: int) -> Any:
        """`decode` for a file from elsewhere, which may be in another form than a stored one.

        Args:
            data: The file's contents.
            key: Its name, for messages.
            max_bytes: Most bytes that it may become once decompressed.
        """
        return self.decode(data, key=key)

    def encode_file(self, value: Any, suffix: str) -> bytes:
        """A value as a file with one of the `sidecar_suffixes`."""
        return self.encode(value)

    # --- in an export -------------------------------------------------------------------------

    @property
    def export_suffix(self) -> str:
        """The ending of its files in an export."""
        suffix, *_ = (*self.suffixes, *self.sidecar_suffixes, f".{self.name}")
        return suffix

    def export(self, blobs: BlobStore, key: str, stream: BinaryIO) -> None:
        """Write what is stored under a key as one file: byte for byte where it is one already.

        Raises:
            NotFoundError: There is nothing.
            CorruptDataError: It is damaged.
        """
        if self.is_folder or not key.endswith(self.export_suffix):
            stream.write(self.encode(self.read(blobs, key)))
            return
        for problem in self.check(blobs, key, deep=True):
            raise CorruptDataError(problem.location, problem.message)
        source = blobs.open_read(key)
        if source is None:
            raise not_stored(key)
        with source:
            shutil.copyfileobj(source, stream, _COPY_BYTES)

    def axes(self, blobs: BlobStore, key: str) -> tuple[str, ...]:
        """The names of an array's dimensions, which its file cannot hold; else none."""
        return ()

    def show(self, blobs: BlobStore, key: str, stream: BinaryIO) -> None:
        """Write what is stored under a key as CSV for people, if it `has_spreadsheet`.

        Raises:
            NotShownError: CSV cannot show it.
        """
        raise NotImplementedError

    def restore(self, data: bytes, *, key: str, axes: tuple[str, ...] = ()) -> Any:
        """What `write` stores again, from a file of an export.

        Args:
            data: The file's contents.
            key: Where it is in the export, for messages.
            axes: What `axes` said of it.

        Raises:
            ValueError: It is not what the kind writes.
        """
        return decoded(self, data, key=key)


def put_only(put: PutFile, kind: ArtifactKind, key: str) -> PutFile:
    """A `PutFile` that refuses what is not an artifact's file, or one in its folder."""

    def checked(file: str, data: bytes) -> None:
        if file != key and not (kind.is_folder and file.startswith(f"{key}/")):
            raise ArtifactKindError(
                f"artifact kind {kind.name!r} writes {file!r}, which is not its own {key!r}; "
                "report it to the authors of that kind",
                kinds=(kind.name,),
            )
        put(file, data)

    return checked


def encoded(kind: ArtifactKind, value: object) -> bytes:
    """A value by `ArtifactKind.encode`.

    Raises:
        TypeError, ValueError: It cannot be stored, or the kind fails.
    """
    try:
        data: object = kind.encode(value)
    except (TypeError, ValueError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - raised below
        # Third-party code may raise anything: that is a fault of this value, and of no other.
        reason = f"{type(error).__name__}: {error}"
    else:
        if isinstance(data, bytes | bytearray | memoryview):
            return bytes(data)
        reason = f"it gave a {type(data).__name__!r}, not bytes"
    raise ArtifactKindError(
        f"artifact kind {kind.name!r} cannot encode a {type(value).__name__!r} ({reason}); "
        "report it to the authors of that kind",
        kinds=(kind.name,),
    )


def decoded(kind: ArtifactKind, data: bytes, *, key: str) -> Any:
    """The value of a file by `ArtifactKind.decode`.

    Raises:
        CorruptDataError: It does not decode.
    """
    try:
        return kind.decode(data, key=key)
    except (CorruptDataError, MemoryError):
        raise
    except Exception as error:
        # Decoders of damaged data raise errors of any class, third-party ones above all.
        detail = str(error) if isinstance(error, ValueError) else repr(error)
        raise CorruptDataError(key, f"it cannot be decoded as {kind.name} ({detail})") from error
