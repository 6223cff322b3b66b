"""The artifacts of one record, as a mapping by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from kymflow_zarr._artifacts.kind import ArtifactKind, put_only
from kymflow_zarr._artifacts.registry import (
    artifact_kinds,
    kind_named,
    kind_of_value,
    split_path,
)
from kymflow_zarr._records.document import RecordDocument, image_folder, read_record_document
from kymflow_zarr._records.facts import OWN_PATHS
from kymflow_zarr._records.stored import expected_artifacts, iter_stored
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.inventory import Inventory, enter, read_inventory, strike
from kymflow_zarr._storage.siblings import check_writable
from kymflow_zarr.errors import (
    ArtifactKindError,
    ArtifactNotFoundError,
    ImageNotFoundError,
    InvalidNameError,
    NotFoundError,
    ReadOnlyError,
    SchemaValidationError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArtifact:
    """One artifact of a record.

    Attributes:
        name: Its name, unique among those of its kind.
        kind: The name of its kind: ``"json"``, ``"table"``, ``"csv"``, ``"array"``, or that of a
            registered one.
        key: Where it is stored, relative to the dataset's root.
    """

    name: str
    kind: str
    key: str


class RecordArtifacts(Mapping[str, Any]):
    """The artifacts of one image by name. Get them from `ZarrImageRecord.artifacts`.

    ``record.artifacts["velocity/params"]`` is the value. Artifacts of different kinds may have the
    same name: then the kind has to be named; without it, an `ArtifactKindError`
    lists the kinds. The metadata payload and the provenance are artifacts, too.

    Methods raise what those of `ZarrImageRecord` raise.
    """

    def __init__(self, blobs: BlobStore, document: RecordDocument, *, writable: bool) -> None:
        self._blobs = blobs
        self._document = document
        self._writable = writable

    def __repr__(self) -> str:
        return f"RecordArtifacts({list(self)!r})"

    def __getitem__(self, name: str) -> Any:
        return self.load(name)

    def __eq__(self, other: object) -> bool:
        # Not that of mappings, which would load and compare every artifact.
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._kinds(name))

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({artifact.name for artifact in self.entries()}))

    def __len__(self) -> int:
        return len({artifact.name for artifact in self.entries()})

    def entries(self) -> list[StoredArtifact]:
        """All artifacts, sorted by name and kind."""
        found = [
            StoredArtifact(name=artifact[0], kind=artifact[1].name, key=key)
            for key, artifact in iter_stored(self._blobs, self._document.image_id)
            if artifact and (not artifact[1].is_folder or artifact[1].exists(self._blobs, key))
        ]
        return sorted(found, key=lambda artifact: (artifact.name, artifact.kind, artifact.key))

    def unregistered_keys(self) -> list[str]:
        """The keys of artifacts that were written by a kind that is not registered here, sorted."""
        written = expected_artifacts(self._document, self._inventory())
        stored = iter_stored(self._blobs, self._document.image_id)
        return sorted(key for key, found in stored if found is None and key in written)

    def kind(self, name: str) -> str:
        """The name of an artifact's kind.

        Raises:
            ArtifactNotFoundError: There is no artifact with this name (it is a `KeyError`).
            ArtifactKindError: There are several; the error lists their kinds.
        """
        return self._kind(name).name

    def load(self, name: str, kind: str | None = None) -> Any:
        """The value of an artifact.

        Args:
            name: The artifact's name.
            kind: Its kind; needed if artifacts of several kinds have this name.

        Raises:
            ArtifactNotFoundError: There is none (it is a `KeyError` and a `FileNotFoundError`).
            ArtifactKindError: The kind is unknown, or has to be named.
        """
        found = self._kind(name) if kind is None else kind_named(kind)
        found.check_name(name)
        for path in found.paths(name):
            try:
                return found.read(self._blobs, self._key(path))
            except NotFoundError:
                continue
        raise self._not_found(name, found.path(name))

    def save(self, name: str, value: Any, kind: str | None = None) -> str:
        """Write an artifact, replacing one of the same name and kind.

        A file is replaced in one step. So is an array on Linux and macOS; where the system has no
        call for that, a reader that comes at that instant finds neither, and so does everyone after
        a writer that is killed just then.

        Args:
            name: The artifact's name.
            value: A data frame, an array, or anything that JSON has; or a value of another kind.
            kind: The kind to save it as; found from the value if None.

        Returns:
            The key that it is stored under, relative to the dataset's root.

        Raises:
            ArtifactKindError: The kind is unknown, or has to be named.
            TypeError, ValueError: The kind cannot hold the value (`SchemaValidationError` is one),
                or the record keeps its own facts there, which are a JSON object.
        """
        chosen = kind_of_value(value) if kind is None else kind_named(kind)
        self._require_writable(f"write the artifact {name!r}")
        chosen.check_name(name)
        if chosen.path(name) in OWN_PATHS and not isinstance(value, Mapping):
            raise SchemaValidationError(
                f"the artifact {name!r} is a JSON object, not a {type(value).__name__}; "
                "save this under another name"
            )
        key, parent = self._key(chosen.path(name)), self._key(chosen.root)
        there = check_writable(
            self._blobs, key, inside=parent, kind=chosen.name, is_folder=chosen.is_folder
        )
        # Format 1 has no commit document that says whether the image is still there.
        inside = image_folder(self._document.image_id) if self._document.digest else ""
        with self._detect_deletion():
            if chosen.is_folder:
                with self._blobs.staging(parent, [name], inside=inside) as staging:

                    def put(file: str, data: bytes) -> None:
                        staging.put(file.removeprefix(f"{parent}/"), data)

                    chosen.write(value, key=key, put=put_only(put, chosen, key))
                    staging.publish([name], replace=True)
            else:
                put = partial(self._blobs.put, inside=inside)
                chosen.write(value, key=key, put=put_only(put, chosen, key))
            if not there:
                self._note(enter, [key])
        return key

    def delete(self, name: str, kind: str | None = None) -> None:
        """Delete an artifact; one that should be there but is gone no longer counts as missing.

        Args:
            name: The artifact's name.
            kind: Its kind; needed if artifacts of several kinds have this name.

        Raises:
            ArtifactNotFoundError: There is none.
            ArtifactKindError: The kind is unknown, or has to be named.
            InvalidNameError: The record keeps its own facts there.
        """
        found = self._kind(name) if kind is None else kind_named(kind)
        found.check_name(name)
        paths = found.paths(name)
        if not OWN_PATHS.isdisjoint(paths):
            raise InvalidNameError(
                name, kind="artifact", reason="the record keeps its own facts there"
            )
        if not any(self._delete(paths.__contains__)):
            raise self._not_found(name, paths[0])

    def delete_results(self, suffixes: tuple[str, ...] | None = None) -> list[str]:
        """Delete the results whose files end in one of the suffixes, by default all; arrays stay.

        The metadata payload, the provenance and the vendor's header are not results and stay.

        Returns:
            The keys that were deleted.

        Raises:
            SchemaValidationError: A suffix that no kind has.
        """
        known = tuple(suffix for kind in artifact_kinds() for suffix in kind.suffixes)
        chosen = known if suffixes is None else suffixes
        for suffix in chosen:
            if suffix not in known:
                raise SchemaValidationError(
                    f"unknown artifact suffix {suffix!r}; choose from {', '.join(map(repr, known))}"
                )

        def is_chosen(path: str) -> bool:
            found = split_path(path)
            return found is not None and not found[1].is_folder and path.endswith(chosen)

        deleted, _ = self._delete(is_chosen)
        return deleted

    def _delete(self, condition: Callable[[str], bool]) -> tuple[list[str], list[str]]:
        """Delete the results at some paths of the record's folder, never the record's own facts.

        Returns:
            The keys that were deleted, and those that should have been there.
        """
        self._require_writable("delete artifacts")
        image_id = self._document.image_id
        prefix = f"{image_folder(image_id)}/"

        def is_to_delete(key: str) -> bool:
            path = key.removeprefix(prefix)
            return path not in OWN_PATHS and condition(path)

        there = {key: found[1] for key, found in iter_stored(self._blobs, image_id) if found}
        missing = expected_artifacts(self._document, self._inventory()).difference(there)
        to_delete, gone = sorted(filter(is_to_delete, there)), sorted(filter(is_to_delete, missing))
        with self._detect_deletion():
            self._note(strike, [*to_delete, *gone])
        for key in to_delete:
            if there[key].is_folder:
                self._blobs.delete_folder(key)
            else:
                self._blobs.delete(key)
        return to_delete, gone

    def _note(self, note: Callable[..., None], keys: list[str]) -> None:
        """Enter or strike artifacts in the inventory; an image of format 1 has none."""
        image_id = self._document.image_id
        # It may have been upgraded since.
        is_format1 = not self._document.digest and not read_record_document(self._blobs, image_id)
        if keys and not is_format1:
            folder = image_folder(image_id)
            inside = [key.removeprefix(f"{folder}/") for key in keys]
            note(self._blobs, folder, inside, inside=folder)

    def _inventory(self) -> Inventory:
        return read_inventory(self._blobs, image_folder(self._document.image_id))

    def _key(self, path: str) -> str:
        return f"{image_folder(self._document.image_id)}/{path}"

    def _kinds(self, name: str) -> list[ArtifactKind]:
        """The kinds of which there is an artifact with this name."""
        return [
            kind
            for kind in artifact_kinds()
            if kind.is_valid_name(name)
            and any(kind.exists(self._blobs, self._key(path)) for path in kind.paths(name))
        ]

    def _kind(self, name: str) -> ArtifactKind:
        found = self._kinds(name)
        if not found:
            raise self._not_found(name, name)
        if len(found) > 1:
            names = tuple(kind.name for kind in found)
            raise ArtifactKindError(
                f"{name!r} names artifacts of several kinds: {', '.join(names)}; "
                f"say which one with kind=, such as kind={names[0]!r}",
                kinds=names,
            )
        return found[0]

    def _not_found(self, name: str, path: str) -> ArtifactNotFoundError:
        image_id = self._document.image_id
        return ArtifactNotFoundError(self._key(path), image_id=image_id, name=name)

    def _require_writable(self, action: str) -> None:
        if not self._writable:
            raise ReadOnlyError(action)
        self._require_image()

    def _require_image(self) -> None:
        """Refuse to write for an image that was deleted meanwhile: it would be lost."""
        if self._document.digest and self._blobs.stat(self._key(COMMIT_KEY)) is None:
            raise ImageNotFoundError(self._document.image_id)

    @contextmanager
    def _detect_deletion(self) -> Iterator[None]:
        """Report an image that is deleted during the block as `ImageNotFoundError`."""
        try:
            yield
        except FileNotFoundError:
            self._require_image()
            raise
