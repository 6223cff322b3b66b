"""How artifacts become plain files, and come back from them.

An artifact is written in the form that its kind encodes to, and read back from there. A table, or
one of gzipped CSV, has a ``.csv`` beside it, which is for people and never read back.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from kymflow_zarr._artifacts.array_kind import ARRAY, LabeledArray
from kymflow_zarr._artifacts.csv_kind import CSV
from kymflow_zarr._artifacts.kind import MAX_FILE_BYTES, ArtifactKind
from kymflow_zarr._artifacts.registry import kind_named
from kymflow_zarr._artifacts.table_kind import TABLE
from kymflow_zarr._export.manifest import (
    SPREADSHEET,
    VERSION1_CSV,
    VERSION1_TEXT,
    ExportedFile,
    TableFormat,
    file_path,
)
from kymflow_zarr._export.spreadsheet import harmless_csv, write_csv
from kymflow_zarr._export.version1 import gzip_text, read_csv
from kymflow_zarr._pixels.reader import read_document
from kymflow_zarr._records.artifacts import StoredArtifact
from kymflow_zarr._records.build import stage_artifact
from kymflow_zarr._storage.blobs import BlobStore, Staging
from kymflow_zarr._storage.gunzip import gunzip_bounded
from kymflow_zarr._tables.parquet import bare_schema, open_parquet
from kymflow_zarr.errors import CorruptDataError, NotFoundError
from kymflow_zarr.record import ZarrImageRecord

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "PlainArtifact",
    "RestoredArtifact",
    "iter_artifacts",
    "plain_artifact",
    "read_table",
    "restore",
]

_COPY_BYTES: Final = 2**20
# As what else an earlier export may hold a kind.
_FORMS: Final = {
    TABLE.name: (SPREADSHEET, VERSION1_CSV),
    CSV.name: (SPREADSHEET, VERSION1_TEXT),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainArtifact:
    """One artifact, or dataset table, that is to be written.

    What writes it raises `CorruptDataError` if it is damaged, `NotFoundError` if it is gone since
    it was listed.

    Attributes:
        key: Its key in the dataset.
        kind: The name of its kind.
        name: Its name.
        write: Writes the file that it comes back from.
        show: Writes a CSV for people; None where there is none. It may raise `NotShownError`.
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
        forms = {self.kind, *_FORMS.get(self.kind, ())}
        return earlier.name == self.name and earlier.kind in forms


def iter_artifacts(
    blobs: BlobStore, record: ZarrImageRecord, *, table_format: TableFormat
) -> Iterator[PlainArtifact]:
    """All artifacts of a record."""
    found: dict[tuple[bool, str, str], StoredArtifact] = {}
    for artifact in record.artifacts.entries():
        # Tables first, whose CSV goes before that of gzipped CSV. Of two forms, the newer counts.
        place = (artifact.kind != TABLE.name, artifact.kind, artifact.name)
        found.setdefault(place, artifact)
    taken = {file_path(artifact.kind, artifact.name) for artifact in found.values()}
    for _, artifact in sorted(found.items()):
        plain = plain_artifact(blobs, artifact)
        path = file_path(SPREADSHEET, artifact.name)
        if plain.show is not None and (table_format != "csv" or path in taken):
            plain = replace(plain, show=None)
        elif plain.show is not None:
            taken.add(path)
        yield plain


def plain_artifact(blobs: BlobStore, artifact: StoredArtifact) -> PlainArtifact:
    """An artifact, or dataset table, as it is stored."""
    show = {TABLE.name: _show_table, CSV.name: _show_gzipped}.get(artifact.kind)
    return PlainArtifact(
        key=artifact.key,
        kind=artifact.kind,
        name=artifact.name,
        write=partial(_write, blobs, artifact),
        show=None if show is None else partial(show, blobs, artifact),
        axes=_axes(blobs, artifact.key) if artifact.kind == ARRAY.name else (),
    )


def _axes(blobs: BlobStore, key: str) -> tuple[str, ...]:
    try:
        document = read_document(blobs, key)
    except CorruptDataError:  # writing the array says the same
        document = None
    return () if document is None else document.axes


def _write(blobs: BlobStore, artifact: StoredArtifact, stream: BinaryIO) -> None:
    """Write what is stored, byte for byte; folders and legacy forms as their kind encodes them."""
    kind, key = kind_named(artifact.kind), artifact.key
    if kind.is_folder or not key.endswith(kind.suffixes[0]):
        stream.write(kind.encode(kind.read(blobs, key)))
        return
    for problem in kind.check(blobs, key, deep=True):
        raise CorruptDataError(problem.location, problem.message)
    source = blobs.open_read(key)
    if source is None:
        raise _gone(key)
    with source:
        shutil.copyfileobj(source, stream, _COPY_BYTES)


def _show_gzipped(blobs: BlobStore, artifact: StoredArtifact, stream: BinaryIO) -> None:
    packed = blobs.get(artifact.key)
    if packed is None:
        raise _gone(artifact.key)
    stream.write(harmless_csv(gunzip_bounded(packed, key=artifact.key, limit=MAX_FILE_BYTES)))


def _show_table(blobs: BlobStore, artifact: StoredArtifact, stream: BinaryIO) -> None:
    with open_parquet(blobs, artifact.key) as table:
        if table is None:
            raise _gone(artifact.key)
        write_csv(stream, table.schema, table.iter_groups())


def _gone(key: str) -> NotFoundError:
    return NotFoundError(key, f"nothing is stored under {key!r} any more")


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredArtifact:
    """An artifact that was read from a file, and is to be stored.

    Attributes:
        kind: Its kind.
        name: Its name.
        value: Its value.
        stored: The bytes to store; what the kind makes of the value if None.
    """

    kind: ArtifactKind
    name: str
    value: Any
    stored: bytes | None = None

    @property
    def path(self) -> str:
        """Where it will lie, relative to the record's folder."""
        return self.kind.path(self.name)

    def stage(self, staging: Staging, image_id: str) -> str:
        """Stage it; returns its path."""
        if self.stored is None:
            return stage_artifact(staging, image_id, self.kind, self.name, self.value)
        staging.put(f"{image_id}/{self.path}", self.stored)
        return self.path


def restore(file: ExportedFile, data: bytes) -> RestoredArtifact:
    """The artifact that a file holds.

    Args:
        file: What the listing says of it.
        data: Its contents.

    Raises:
        ValueError: It is not what its kind says (errors of decoders are such).
    """
    if file.kind in {TABLE.name, VERSION1_CSV}:
        return RestoredArtifact(kind=TABLE, name=file.name, value=read_table(file, data))
    if file.kind in {CSV.name, VERSION1_TEXT}:
        packed = gzip_text(data, file.version1) if file.kind == VERSION1_TEXT else data
        # Gzipped CSV keeps no types, so that what is read of it would be written otherwise.
        return RestoredArtifact(kind=CSV, name=file.name, value=None, stored=packed)
    kind = kind_named(file.kind)
    value = kind.decode(data, key=file.path)
    if kind is ARRAY:
        value = LabeledArray(array=value, axes=file.axes or None)
    return RestoredArtifact(kind=kind, name=file.name, value=value)


def read_table(file: ExportedFile, data: bytes) -> pa.Table:
    """The table of a file, with all its types.

    Raises:
        ValueError: It is not what its kind says (errors of decoders are such).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.kind == VERSION1_CSV:
        return read_csv(data, file.version1)
    with pq.ParquetFile(
        pa.BufferReader(data), page_checksum_verification=True, pre_buffer=False
    ) as parquet:
        table = parquet.read(use_threads=False)
    return table.replace_schema_metadata(bare_schema(table.schema).metadata)
