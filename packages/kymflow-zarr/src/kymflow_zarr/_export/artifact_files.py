"""Artifacts and dataset tables as plain files, and the way back.

An artifact is written in the form that its kind exports to, and read back from there. Some have a
``.csv`` beside it, which is for people and never read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO

from kymflow_zarr._artifacts.kind import ArtifactKind
from kymflow_zarr._artifacts.registry import artifact_kinds, kind_named
from kymflow_zarr._export import version1
from kymflow_zarr._export.manifest import SPREADSHEET, ExportedFile, TableFormat, file_path
from kymflow_zarr._records.artifacts import StoredArtifact
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr.record import ZarrImageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainArtifact:
    """An artifact or dataset table to be exported.

    Writing it raises `CorruptDataError` if it is damaged, `NotFoundError` if it was deleted after
    it was listed.

    Attributes:
        write: Writes the file that it is read back from.
        show: Writes a CSV for people, if there is one. It may raise `NotShownError`.
        axes: Arrays: a name for each dimension.
    """

    key: str
    kind: str
    name: str
    write: Callable[[BinaryIO], object]
    show: Callable[[BinaryIO], object] | None = None
    axes: tuple[str, ...] = ()

    def matches(self, earlier: ExportedFile) -> bool:
        """Whether a file of an earlier export holds this artifact."""
        kind = version1.ARTIFACT_KINDS.get(earlier.kind, earlier.kind)
        is_shown = earlier.is_for_people and kind_named(self.kind).has_spreadsheet
        return earlier.name == self.name and (kind == self.kind or is_shown)


def iter_artifacts(
    blobs: BlobStore, record: ZarrImageRecord, *, table_format: TableFormat
) -> Iterator[PlainArtifact]:
    """All artifacts of a record, in the order of their kinds."""
    found: dict[tuple[str, str], StoredArtifact] = {}
    for artifact in record.artifacts.entries():
        found.setdefault((artifact.kind, artifact.name), artifact)  # the newer of two forms
    taken = {file_path(kind, name) for kind, name in found}
    order = [kind.name for kind in artifact_kinds()]
    for artifact in sorted(found.values(), key=lambda item: (order.index(item.kind), item.name)):
        plain = plain_artifact(blobs, artifact)
        path = file_path(SPREADSHEET, artifact.name)
        if plain.show is not None and (table_format != "csv" or path in taken):
            plain = replace(plain, show=None)
        elif plain.show is not None:
            taken.add(path)
        yield plain


def plain_artifact(blobs: BlobStore, artifact: StoredArtifact) -> PlainArtifact:
    """An artifact, or dataset table, as it is stored."""
    kind, key = kind_named(artifact.kind), artifact.key
    return PlainArtifact(
        key=key,
        kind=artifact.kind,
        name=artifact.name,
        write=partial(kind.export, blobs, key),
        show=partial(kind.show, blobs, key) if kind.has_spreadsheet else None,
        axes=kind.axes(blobs, key),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredArtifact:
    """An artifact, or dataset table, that was read from a file; `value` is what its kind stores."""

    kind: ArtifactKind
    name: str
    value: Any

    @property
    def path(self) -> str:
        """Its path, relative to the record's folder."""
        return self.kind.path(self.name)


def restore(file: ExportedFile, data: bytes) -> RestoredArtifact:
    """The artifact, or dataset table, that a file holds.

    Raises:
        ValueError: It is not what its kind says (errors of decoders are such).
    """
    kind = kind_named(version1.ARTIFACT_KINDS.get(file.kind, file.kind))
    if file.kind in version1.ARTIFACT_KINDS:
        value = version1.restore_value(file.kind, data, file.version1)
    else:
        value = kind.restore(data, key=file.path, axes=file.axes)
    return RestoredArtifact(kind=kind, name=file.name, value=value)
