"""The error tree of kymflow-zarr.

Every error is a `KymflowZarrError` and also the builtin that a caller would expect, carries its
data as attributes, and has a message that ends with what to do. `KymflowError`, which kymflow-core
derives its errors from, too, holds message and hint::

    KymflowZarrError
    ├── what is asked for does not exist
    │   ├── NotADatasetError          FileNotFoundError   the path holds no dataset
    │   └── NotFoundError             KeyError, FileNotFoundError
    │       ├── ImageNotFoundError
    │       ├── ArtifactNotFoundError
    │       ├── MetadataNotFoundError
    │       └── TableNotFoundError
    ├── the request is refused
    │   ├── AmbiguousImageError       KeyError            a name that matches several images
    │   ├── ReadOnlyError             PermissionError     the dataset was opened with mode "r"
    │   ├── InvalidNameError          ValueError          a name that cannot be a file everywhere
    │   ├── ArtifactKindError         ValueError          an artifact kind that is unknown
    │   ├── AlreadyExistsError        FileExistsError     write-once data would be overwritten
    │   ├── UnsupportedFormatError    ValueError          written by newer software, or not upgraded
    │   ├── LockedError               TimeoutError        another writer holds the lock
    │   ├── LockLostError             TimeoutError        … or took it over meanwhile
    │   └── SourceFolderError         ValueError          an export among the images' files
    ├── stored data are wrong
    │   ├── SchemaValidationError     ValueError          contents that break the format's rules
    │   │   └── ColumnError                               one column of a frame or table
    │   └── CorruptDataError          ValueError          bytes that fail their checksum or decoder
    └── input or output that is impossible
        ├── UnreadableImageError      ValueError          one image file
        │   └── IncompleteImageError                      that is still being written
        ├── ReaderError               TypeError           a reader that lacks a part; one of another
        │                                                 distribution is a PluginWarning
        ├── IngestError               ValueError          a batch: lists every file that failed
        └── ExportError               ValueError          a batch: lists what could not be written
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

__all__ = [
    "AlreadyExistsError",
    "AmbiguousImageError",
    "ArtifactKindError",
    "ArtifactNotFoundError",
    "ColumnError",
    "CorruptDataError",
    "ExportError",
    "ImageNotFoundError",
    "IncompleteImageError",
    "IngestError",
    "InvalidNameError",
    "KymflowError",
    "KymflowZarrError",
    "LockLostError",
    "LockedError",
    "MetadataNotFoundError",
    "NotADatasetError",
    "NotFoundError",
    "PluginWarning",
    "ReadOnlyError",
    "ReaderError",
    "SchemaValidationError",
    "SourceFolderError",
    "TableNotFoundError",
    "UnreadableImageError",
    "UnsupportedFormatError",
]


class KymflowError(Exception):
    """Base of the errors of this package and of those that build on it.

    Attributes:
        message: What is wrong.
        hint: What to do; "" where the message says it. The text of the error has both.
    """

    message: str
    hint: str

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message}; {hint}" if hint else message)

    def __str__(self) -> str:
        # KeyError would print the repr, OSError an errno: a message is a sentence.
        return str(self.args[0]) if self.args else type(self).__name__

    def __reduce__(self) -> tuple[Callable[..., KymflowError], tuple[object, ...]]:
        # Errors come back from worker processes. Exception would call __init__ with the message.
        return _rebuild, (type(self), self.args, dict(self.__dict__))


def _rebuild(
    kind: type[KymflowError], args: tuple[object, ...], attributes: dict[str, Any]
) -> KymflowError:
    base: Any = kind
    while base.__module__ != "builtins":
        base = base.__base__
    error: KymflowError = base.__new__(kind)
    error.args = args
    error.__dict__.update(attributes)
    return error


class KymflowZarrError(KymflowError):
    """Base of every error that this package raises on purpose."""


class NotADatasetError(KymflowZarrError, FileNotFoundError):
    """A path or store does not hold a kymflow dataset.

    Attributes:
        location: What was opened.
    """

    def __init__(self, location: str, reason: str, *, hint: str) -> None:
        self.location = location
        super().__init__(f"{location!r} is not a kymflow dataset: {reason}", hint=hint)


class NotFoundError(KymflowZarrError, KeyError, FileNotFoundError):
    """Something that was asked for by key is not in the dataset.

    Attributes:
        key: The key, relative to the dataset's root.
    """

    def __init__(self, key: str, message: str, *, hint: str = "") -> None:
        self.key = key
        super().__init__(message, hint=hint)


class ImageNotFoundError(NotFoundError):
    """No committed record has this image id."""

    def __init__(self, image_id: str) -> None:
        self.image_id = image_id
        super().__init__(
            f"images/{image_id}",
            f"no image {image_id!r} in this dataset",
            hint="list_image_ids() names those that exist",
        )


class ArtifactNotFoundError(NotFoundError):
    """A record holds no artifact of this name and kind."""

    def __init__(self, key: str, *, image_id: str, name: str) -> None:
        self.image_id = image_id
        self.name = name
        super().__init__(
            key,
            f"image {image_id!r} has no artifact {name!r} at {key!r}",
            hint="list(record.artifacts) names those that exist",
        )


class MetadataNotFoundError(NotFoundError):
    """A record holds no metadata payload."""

    def __init__(self, key: str, *, image_id: str) -> None:
        self.image_id = image_id
        super().__init__(
            key,
            f"image {image_id!r} has no metadata payload",
            hint="write one with save_metadata_payload()",
        )


class TableNotFoundError(NotFoundError):
    """The dataset holds no table of this name."""

    def __init__(self, key: str, *, name: str) -> None:
        self.name = name
        super().__init__(
            key,
            f"no table {name!r} in this dataset",
            hint="list_table_names() names those that exist",
        )


class AmbiguousImageError(KymflowZarrError, KeyError):
    """A name matches several images.

    Attributes:
        name: The name as given.
        candidates: The ids of the images.
    """

    def __init__(self, name: str, *, candidates: tuple[str, ...]) -> None:
        self.name = name
        self.candidates = candidates
        listed = ", ".join(candidates[:8]) + (", …" if len(candidates) > 8 else "")
        super().__init__(
            f"{name!r} matches {len(candidates)} images: {listed}",
            hint="give more of the id, or of the path",
        )


class ReadOnlyError(KymflowZarrError, PermissionError):
    """A write to a dataset that was opened with ``mode="r"``.

    Attributes:
        action: What was asked for.
    """

    def __init__(
        self, action: str, *, reason: str = 'the dataset is open read-only; open it with mode="a"'
    ) -> None:
        self.action = action
        super().__init__(f"cannot {action}: {reason}")


class InvalidNameError(KymflowZarrError, ValueError):
    """A name cannot be a file name on every platform, or is reserved.

    Attributes:
        name: The name as given.
        reason: The rule that it breaks.
    """

    def __init__(self, name: str, *, kind: str, reason: str) -> None:
        self.name = name
        self.kind = kind
        self.reason = reason
        shown = name if len(name) <= 80 else f"{name[:77]}..."
        super().__init__(
            f"{shown!r} is not a valid {kind} name: {reason}", hint="choose another name"
        )


class ArtifactKindError(KymflowZarrError, ValueError):
    """An artifact kind that does not exist, cannot be registered, or has to be named.

    Attributes:
        kinds: Names of the kinds to choose from, or that clash.
    """

    def __init__(self, message: str, *, kinds: tuple[str, ...]) -> None:
        self.kinds = kinds
        super().__init__(message)


class AlreadyExistsError(KymflowZarrError, FileExistsError):
    """Write-once data exists already under this key."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key!r} already exists and is never overwritten", hint="choose another")


class UnsupportedFormatError(KymflowZarrError, ValueError):
    """The dataset has a format version that this software cannot serve.

    Attributes:
        found: The version on disk.
        supported: The versions that this software knows.
    """

    def __init__(self, location: str, *, found: int, supported: tuple[int, ...], hint: str) -> None:
        self.location = location
        self.found = found
        self.supported = supported
        known = ", ".join(map(str, supported))
        super().__init__(
            f"{location!r} has format version {found}, but this software knows {known}", hint=hint
        )


class LockedError(KymflowZarrError, TimeoutError):
    """Another writer holds a lock for longer than the caller was willing to wait.

    Attributes:
        lock: The lock's name.
        holder: Who holds it, if known.
    """

    def __init__(
        self,
        lock: str,
        *,
        holder: str,
        waited_s: float,
        hint: str = "let it finish, then run this again",
    ) -> None:
        self.lock = lock
        self.holder = holder
        self.waited_s = waited_s
        super().__init__(
            f"the {lock!r} lock is held by {holder} (waited {waited_s:g} s)", hint=hint
        )


class LockLostError(KymflowZarrError, TimeoutError):
    """A writer in an object store has lost its lock: it was broken, or not kept up for too long.

    What others have written since was not overwritten.

    Attributes:
        name: The lock, or the key that another writer has changed.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"another writer took over {name!r} while this one was working",
            hint="nothing of it was overwritten; run this again",
        )


class SourceFolderError(KymflowZarrError, ValueError):
    """A folder is refused for an export because of the files that images were made of.

    Attributes:
        folder: The folder that was asked for.
        sources: The folder of those files.
    """

    def __init__(self, folder: Path, *, sources: Path) -> None:
        self.folder = folder
        self.sources = sources
        super().__init__(
            f"an export into {str(folder)!r} would lie among the recordings in {str(sources)!r}, "
            "and a refresh could not tell them apart",
            hint="choose a folder neither in it nor above it",
        )


class SchemaValidationError(KymflowZarrError, ValueError):
    """Contents break a rule of the format, or of the table that they are meant for."""


class ColumnError(SchemaValidationError):
    """A column cannot be kept as it is.

    Attributes:
        column: The column's name.
        problem: What is wrong with it, and what kind of values it holds.
        remedy: What to do.
    """

    def __init__(self, what: str, column: str, *, problem: str, remedy: str) -> None:
        self.column = column
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{what}: column {column!r} {problem}", hint=remedy)


class CorruptDataError(KymflowZarrError, ValueError):
    """Stored bytes fail their checksum, or cannot be decoded.

    Attributes:
        key: The key of the damaged object, relative to the dataset's root.
        reason: What does not hold.
    """

    def __init__(self, key: str, reason: str) -> None:
        self.key = key
        self.reason = reason
        hint = "run check(deep=True) to see what else is; restore it from a copy or its source"
        if key == "zarr.json":  # of the dataset itself: nothing can look at the rest
            hint = "restore it from a copy, or put a new dataset's zarr.json in its place"
        super().__init__(f"{key!r} is damaged: {reason}", hint=hint)


class UnreadableImageError(KymflowZarrError, ValueError):
    """An image file cannot be ingested.

    Attributes:
        path: The file.
        reason: What is wrong with it, ending with what to do.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"cannot read {path.name!r}: {reason}")


class IncompleteImageError(UnreadableImageError):
    """An image file that is still being written, as far as can be seen, or was cut short.

    A refresh tries it again at its next run, and calls it unreadable if it has not changed by then.
    """


class ReaderError(KymflowZarrError, TypeError):
    """A reader of image files, or of headers beside them, cannot be used."""


class PluginWarning(UserWarning):
    """A reader or artifact kind of another distribution is left out."""


class IngestError(KymflowZarrError, ValueError):
    """Some files of a batch could not be ingested; all others were.

    Attributes:
        failures: Path → reason, for each file that failed.
        image_ids: The images that were ingested.
    """

    def __init__(self, failures: Mapping[Path, str], image_ids: tuple[str, ...]) -> None:
        self.failures = dict(failures)
        self.image_ids = image_ids
        listed = "; ".join(f"{path.name!r}: {reason}" for path, reason in self.failures.items())
        super().__init__(
            f"{len(self.failures)} file(s) could not be ingested, {len(image_ids)} were: {listed}",
            hint=(
                "correct or remove them: a later run tries those again that have changed, "
                "with IngestOptions(retry_failed=True) all of them"
            ),
        )


class ExportError(KymflowZarrError, ValueError):
    """Some images or tables could not be exported; every other one was.

    Attributes:
        failures: Key of what failed, relative to the dataset's root → reason.
        image_ids: The images that were exported.
    """

    def __init__(self, failures: Mapping[str, str], image_ids: tuple[str, ...]) -> None:
        self.failures = dict(failures)
        self.image_ids = image_ids
        listed = "; ".join(f"{name!r}: {reason}" for name, reason in self.failures.items())
        super().__init__(
            f"{len(self.failures)} item(s) could not be exported, {len(image_ids)} image(s) were: "
            f"{listed}",
            hint="repair what is damaged; a second run writes just what is missing",
        )
