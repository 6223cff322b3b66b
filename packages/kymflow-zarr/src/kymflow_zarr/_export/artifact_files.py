"""How artifacts and dataset tables become plain files, and come back from them.

An artifact is written in the form that its kind exports to, and read back from there. Some have a
``.csv`` beside it, which is for people and never read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from kymflow_zarr._artifacts.csv_kind import CSV
from kymflow_zarr._artifacts.kind import ArtifactKind
from kymflow_zarr._artifacts.registry import artifact_kinds, kind_named
from kymflow_zarr._artifacts.table_kind import TABLE
from kymflow_zarr._export.manifest import (
    SPREADSHEET,
    VERSION1_CSV,
    VERSION1_TEXT,
    ExportedFile,
    TableFormat,
    file_path,
)
from kymflow_zarr._export.version1 import gzip_text, read_csv
from kymflow_zarr._records.artifacts import StoredArtifact
from kymflow_zarr._records.build import stage_artifact
from kymflow_zarr._storage.blobs import BlobStore, Staging
from kymflow_zarr._tables.parquet import table_to_bytes
from kymflow_zarr._tables.spreadsheet import write_csv
from kymflow_zarr.record import ZarrImageRecord

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "PlainArtifact",
    "PlainFile",
    "RestoredArtifact",
    "iter_artifacts",
    "plain_artifact",
    "plain_rows",
    "restore",
]

_VERSION1_KINDS = {VERSION1_CSV: TABLE.name, VERSION1_TEXT: CSV.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainFile:
    """One file that is to be written.

    Attributes:
        kind: What it holds; see `ExportedFile`.
        name: The artifact's or table's name.
        write: Writes its contents to an open file. It raises `CorruptDataError` for what is
            damaged, `NotFoundError` for what is gone since it was listed, and `NotShownError` for a
            CSV that there is none of.
        axes: Arrays: a name for each dimension.
    """

    kind: str
    name: str
    write: Callable[[BinaryIO], object]
    axes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainArtifact:
    """One artifact, or dataset table, as plain files.

    Attributes:
        key: Its key in the dataset.
        files: Its files; the first is the one that it comes back from.
    """

    key: str
    files: tuple[PlainFile, ...]

    def matches(self, earlier: ExportedFile) -> bool:
        """Whether a file of an earlier export holds this artifact."""
        first = self.files[0]
        kind = _VERSION1_KINDS.get(earlier.kind, earlier.kind)
        is_shown = earlier.is_for_people and kind_named(first.kind).has_spreadsheet
        return earlier.name == first.name and (kind == first.kind or is_shown)


def iter_artifacts(
    blobs: BlobStore, record: ZarrImageRecord, *, table_format: TableFormat
) -> Iterator[PlainArtifact]:
    """All artifacts of a record, in the order of their kinds."""
    found: dict[tuple[str, str], StoredArtifact] = {}
    for artifact in record.artifacts.entries():
        found.setdefault((artifact.kind, artifact.name), artifact)  # of two forms the newer counts
    taken = {file_path(kind, name) for kind, name in found}
    order = [kind.name for kind in artifact_kinds()]
    for artifact in sorted(found.values(), key=lambda item: (order.index(item.kind), item.name)):
        path = file_path(SPREADSHEET, artifact.name)
        plain = plain_artifact(blobs, artifact, shown=table_format == "csv" and path not in taken)
        taken.update(path for file in plain.files if file.kind == SPREADSHEET)
        yield plain


def plain_artifact(blobs: BlobStore, artifact: StoredArtifact, *, shown: bool) -> PlainArtifact:
    """An artifact, or a dataset table.

    Args:
        blobs: The key space.
        artifact: What is stored.
        shown: Whether it may have a CSV for people.
    """
    kind, key, name = kind_named(artifact.kind), artifact.key, artifact.name
    write = partial(kind.export, blobs, key)
    files = [PlainFile(kind=kind.name, name=name, write=write, axes=kind.axes(blobs, key))]
    if shown and kind.has_spreadsheet:
        files.append(PlainFile(kind=SPREADSHEET, name=name, write=partial(kind.show, blobs, key)))
    return PlainArtifact(key=key, files=tuple(files))


def plain_rows(key: str, name: str, rows: Callable[[], pa.Table], *, shown: bool) -> PlainArtifact:
    """A table that is made from other things, when it is asked for."""

    def write(stream: BinaryIO) -> None:
        stream.write(table_to_bytes(rows()))

    def show(stream: BinaryIO) -> None:
        write_csv(stream, [rows()])

    files = [PlainFile(kind=TABLE.name, name=name, write=write)]
    if shown:
        files.append(PlainFile(kind=SPREADSHEET, name=name, write=show))
    return PlainArtifact(key=key, files=tuple(files))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredArtifact:
    """An artifact, or dataset table, that was read from a file.

    Attributes:
        kind: Its kind.
        name: Its name.
        value: What its kind stores.
    """

    kind: ArtifactKind
    name: str
    value: Any

    @property
    def path(self) -> str:
        """Where it will lie, relative to the record's folder."""
        return self.kind.path(self.name)

    def stage(self, staging: Staging, image_id: str) -> str:
        """Stage it; returns its path."""
        return stage_artifact(staging, image_id, self.kind, self.name, self.value)


def restore(file: ExportedFile, data: bytes) -> RestoredArtifact:
    """The artifact, or dataset table, that a file holds.

    Args:
        file: What the listing says of it.
        data: Its contents.

    Raises:
        ValueError: It is not what its kind says (errors of decoders are such).
    """
    kind = kind_named(_VERSION1_KINDS.get(file.kind, file.kind))
    value: Any
    if file.kind == VERSION1_CSV:
        value = read_csv(data, file.version1)
    elif file.kind == VERSION1_TEXT:
        value = gzip_text(data, file.version1)
    else:
        value = kind.restore(data, key=file.path, axes=file.axes)
    return RestoredArtifact(kind=kind, name=file.name, value=value)
