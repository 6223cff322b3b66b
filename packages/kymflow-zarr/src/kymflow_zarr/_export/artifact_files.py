"""How each kind of artifact becomes plain files, and comes back from them.

=============  =================================  ============
artifact       files                              read back
=============  =================================  ============
JSON           ``.json``                          ``.json``
table          ``.parquet``, ``.csv`` for people  ``.parquet``
gzipped CSV    ``.csv.gz``, ``.csv`` for people   ``.csv.gz``
array          ``.npy``                           ``.npy``
=============  =================================  ============
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np

from kymflow_zarr._export.manifest import ExportedFile, FileKind, TableFormat
from kymflow_zarr._export.spreadsheet import harmless_csv, write_csv
from kymflow_zarr._export.version1 import gzip_text, read_csv
from kymflow_zarr._pixels.reader import read_document
from kymflow_zarr._records.artifacts import ARRAYS, CSV_GZ, JSON, JSON_GZ, PARQUET
from kymflow_zarr._records.document import image_folder
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.gunzip import gunzip_bounded
from kymflow_zarr._storage.json_text import dumps, loads
from kymflow_zarr._tables.parquet import (
    ROW_GROUP_ROWS,
    bare_schema,
    open_parquet,
    open_parquet_writer,
)
from kymflow_zarr.errors import CorruptDataError, TableNotFoundError
from kymflow_zarr.record import ZarrImageRecord

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "PlainArtifact",
    "PlainFile",
    "iter_artifacts",
    "plain_table",
    "read_table",
    "stored_artifact",
]

_FORMS: Final[Mapping[FileKind, frozenset[FileKind]]] = {
    "json": frozenset({"json"}),
    "parquet": frozenset({"parquet", "csv"}),
    "packed_csv": frozenset({"packed_csv", "text_csv", "csv"}),
    "array": frozenset({"array"}),
}
_MAX_CSV_BYTES: Final = 2**30
_COPY_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainFile:
    """One file that is to be written.

    Attributes:
        kind: What it holds.
        name: The artifact's or table's name.
        write: Writes its contents to an open file. It raises `CorruptDataError` for what is
            damaged, `NotFoundError` for what is gone since it was listed, and `NotShownError` for a
            CSV that there is none of.
        axes: Arrays: a name for each dimension.
    """

    kind: FileKind
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
        return earlier.name == first.name and earlier.kind in _FORMS[first.kind]


def iter_artifacts(
    blobs: BlobStore, record: ZarrImageRecord, *, table_format: TableFormat
) -> Iterator[PlainArtifact]:
    """All artifacts of a record."""
    root = f"{image_folder(record.image_id)}/analysis/"
    found: dict[str, dict[str, str]] = {suffix: {} for suffix in (JSON_GZ, CSV_GZ, JSON, PARQUET)}
    for key in record.list_analysis_keys():
        suffix = next(suffix for suffix in found if key.endswith(suffix))
        found[suffix][key.removeprefix(root).removesuffix(suffix)] = key
    for name, key in sorted({**found[JSON_GZ], **found[JSON]}.items()):
        write = partial(_write_json, record, name)
        yield PlainArtifact(key=key, files=(PlainFile(kind="json", name=name, write=write),))
    for name, key in sorted(found[PARQUET].items()):
        yield plain_table(blobs, key, name, table_format=table_format)
    for name, key in sorted(found[CSV_GZ].items()):
        # A table of the same name has the name of the file for people.
        readable = table_format == "csv" and name not in found[PARQUET]
        yield _gzipped_csv(blobs, key, name, readable=readable)
    for name in record.list_array_artifacts():
        yield _array(blobs, record, name)


def plain_table(
    blobs: BlobStore, key: str, name: str, *, table_format: TableFormat
) -> PlainArtifact:
    """A table that is stored as Parquet."""
    return _table(
        key,
        name,
        write=partial(_copy_table, blobs, key, name),
        show=lambda stream: write_csv(stream, _iter_rows(blobs, key, name)),
        table_format=table_format,
    )


def plain_rows(
    key: str, name: str, rows: Callable[[], pa.Table], *, table_format: TableFormat
) -> PlainArtifact:
    """A table that is made from other things, when it is asked for."""

    def write(stream: BinaryIO) -> None:
        with open_parquet_writer(stream, rows().schema) as writer:
            writer.write_table(rows(), row_group_size=ROW_GROUP_ROWS)

    return _table(
        key,
        name,
        write=write,
        show=lambda stream: write_csv(stream, [rows()]),
        table_format=table_format,
    )


def _table(
    key: str,
    name: str,
    *,
    write: Callable[[BinaryIO], object],
    show: Callable[[BinaryIO], object],
    table_format: TableFormat,
) -> PlainArtifact:
    files = [PlainFile(kind="parquet", name=name, write=write)]
    if table_format == "csv":
        files.append(PlainFile(kind="csv", name=name, write=show))
    return PlainArtifact(key=key, files=tuple(files))


def _gzipped_csv(blobs: BlobStore, key: str, name: str, *, readable: bool) -> PlainArtifact:
    def write(stream: BinaryIO, *, show: bool) -> None:
        packed = blobs.get(key)
        if packed is None:
            raise TableNotFoundError(key, name=name)
        text = gunzip_bounded(packed, key=key, limit=_MAX_CSV_BYTES)
        stream.write(harmless_csv(text) if show else packed)

    files = [PlainFile(kind="packed_csv", name=name, write=partial(write, show=False))]
    if readable:
        files.append(PlainFile(kind="csv", name=name, write=partial(write, show=True)))
    return PlainArtifact(key=key, files=tuple(files))


def _array(blobs: BlobStore, record: ZarrImageRecord, name: str) -> PlainArtifact:
    key = f"{image_folder(record.image_id)}/{ARRAYS}/{name}"
    try:
        document = read_document(blobs, key)
    except CorruptDataError:  # so writing it will fail, and say why
        document = None
    file = PlainFile(
        kind="array",
        name=name,
        write=partial(_write_array, record, name),
        axes=() if document is None else document.axes,
    )
    return PlainArtifact(key=key, files=(file,))


def _write_json(record: ZarrImageRecord, name: str, stream: BinaryIO) -> None:
    stream.write(dumps(record.load_json(name)))


def _write_array(record: ZarrImageRecord, name: str, stream: BinaryIO) -> None:
    loaded = record.load_array_artifact(name)
    array = np.ascontiguousarray(loaded, dtype=loaded.dtype.newbyteorder("<"))
    np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)


def _copy_table(blobs: BlobStore, key: str, name: str, stream: BinaryIO) -> None:
    """Copy a Parquet file byte for byte, once every page of it is checked."""
    for _ in _iter_rows(blobs, key, name):
        pass
    source = blobs.open_read(key)
    if source is None:
        raise TableNotFoundError(key, name=name)
    with source:
        shutil.copyfileobj(source, stream, _COPY_BYTES)


def _iter_rows(blobs: BlobStore, key: str, name: str) -> Iterator[pa.Table]:
    """A stored table in parts; an empty one first, which tells the columns."""
    with open_parquet(blobs, key) as table:
        if table is None:
            raise TableNotFoundError(key, name=name)
        yield table.schema.empty_table()
        yield from table.iter_groups()


def stored_artifact(file: ExportedFile, data: bytes, *, image_id: str) -> tuple[str, bytes]:
    """The artifact that a file comes back as, unless it is an array.

    Args:
        file: What the listing says of the file.
        data: The file.
        image_id: The image that it belongs to.

    Returns:
        Its key below ``analysis/``, and what is to be stored there.

    Raises:
        ValueError: The file is not what its kind says (errors of decoders are such).
    """
    match file.kind:
        case "json":
            return f"{file.name}{JSON}", dumps(loads(data, key=file.path))
        case "packed_csv":
            return f"{file.name}{CSV_GZ}", data
        case "text_csv":
            return f"{file.name}{CSV_GZ}", gzip_text(data, file.version1)
        case _:
            table = read_table(file, data)
            key = f"{image_folder(image_id)}/analysis/{file.name}{PARQUET}"
            stream = io.BytesIO()
            with open_parquet_writer(stream, table.schema, key=key) as writer:
                writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
            return f"{file.name}{PARQUET}", stream.getvalue()


def read_table(file: ExportedFile, data: bytes) -> pa.Table:
    """The table of a Parquet file, or of a CSV file of version 1.

    Raises:
        ValueError: It is not what its kind says (errors of decoders are such).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.kind == "csv":
        return read_csv(data, file.version1)
    with pq.ParquetFile(
        pa.BufferReader(data), page_checksum_verification=True, pre_buffer=False
    ) as parquet:
        table = parquet.read(use_threads=False)
    return table.replace_schema_metadata(bare_schema(table.schema).metadata)
