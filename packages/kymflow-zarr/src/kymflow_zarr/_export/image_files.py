"""The files of one image, staged one by one."""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import shutil
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from kymflow_zarr._export.cells import escape_csv_text
from kymflow_zarr._export.csv_tables import CsvSchema, NotForCsvError, write_csv
from kymflow_zarr._export.folder import HashingFile, Stage
from kymflow_zarr._export.manifest import ExportedFile, FileKind, TableFormat, file_path
from kymflow_zarr._export.pixels import PixelDigest, iter_c_order
from kymflow_zarr._export.tiff_encoder import TiffTags, tiff_geometry, write_tiff
from kymflow_zarr._export.tiff_tags import image_tags
from kymflow_zarr._pixels.reader import read_document
from kymflow_zarr._readers.headers.payload import read_payload_header
from kymflow_zarr._records.document import image_folder
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.gunzip import gunzip_bounded
from kymflow_zarr._storage.json_text import dumps
from kymflow_zarr._tables.parquet import StoredTable, open_parquet, table_to_bytes
from kymflow_zarr.errors import CorruptDataError, MetadataNotFoundError, TableNotFoundError
from kymflow_zarr.record import ZarrImageRecord

if TYPE_CHECKING:
    from typing import BinaryIO

    import pyarrow as pa

__all__ = [
    "pixels_tags",
    "stage_array",
    "stage_gzipped_csv",
    "stage_json",
    "stage_pixels",
    "stage_rows",
    "stage_table",
    "tags_digest",
]

logger = logging.getLogger(__name__)

_MAX_CSV_BYTES: Final = 2**30
_COPY_BYTES: Final = 2**20


def pixels_tags(record: ZarrImageRecord) -> TiffTags:
    """What an image's TIFF tells, by the record's metadata payload; little if that is damaged."""
    try:
        header = record.load_metadata_payload().get("header")
    except (MetadataNotFoundError, CorruptDataError):
        header = None
    said = header if isinstance(header, dict) else {}
    facts = read_payload_header(said, shape=record.shape)
    channels = said.get("channels")
    names = [
        name if isinstance(name := channel.get("name"), str) else None
        for channel in (channels if isinstance(channels, list) else [])
        if isinstance(channel, dict)
    ]
    return image_tags(
        record.shape,
        record.get_axes(),
        record.dtype,
        steps=facts.steps,
        acquired_local_epoch_ns=facts.acquired_local_epoch_ns,
        channel_names=names,
    )


def tags_digest(tags: TiffTags) -> str:
    """SHA-256 of what a TIFF's tags tell, in hexadecimal."""
    return hashlib.sha256(tags.description + repr(tags.pixels_per_unit).encode()).hexdigest()


def stage_pixels(
    stage: Stage, prefix: str, record: ZarrImageRecord, tags: TiffTags
) -> tuple[ExportedFile, str]:
    """Stage ``image.tif``.

    Returns:
        The file, and the digest over the pixels.

    Raises:
        CorruptDataError: The pixels are not what the record's document says.
    """
    key = f"{image_folder(record.image_id)}/data"
    digest = PixelDigest()
    geometry = tiff_geometry(record.shape, record.get_axes(), record.dtype)

    def write(file: HashingFile) -> None:
        blocks = digest.passing(iter_c_order(record.open_array(), key=key))
        write_tiff(file, blocks, geometry, tags)
        if record.pixels_digest and digest.text != record.pixels_digest:
            raise CorruptDataError(key, "the digest over all its elements differs")

    written = stage.put(prefix + file_path("pixels", ""), write)
    file = _exported("pixels", "", written, tags_sha256=tags_digest(tags))
    return file, digest.text


def stage_json(stage: Stage, prefix: str, record: ZarrImageRecord, name: str) -> ExportedFile:
    """Stage a JSON artifact, from whichever form the record has it in.

    Raises:
        CorruptDataError: It is no JSON.
    """
    data = dumps(record.load_json(name))
    sha256 = stage.put_bytes(prefix + file_path("json", name), data)
    return ExportedFile(kind="json", name=name, size_bytes=len(data), sha256=sha256)


def stage_table(
    stage: Stage, prefix: str, blobs: BlobStore, key: str, name: str, table_format: TableFormat
) -> ExportedFile:
    """Stage a table that is stored as Parquet.

    Args:
        stage: Where it goes.
        prefix: The folder that it goes to, with a ``/`` at the end.
        blobs: The dataset's key space.
        key: Where it is stored.
        name: Its name.
        table_format: The form asked for; what CSV cannot carry stays Parquet.

    Raises:
        CorruptDataError: It is damaged.
        TableNotFoundError: It is gone.
    """
    if table_format == "csv":
        try:
            with open_parquet(blobs, key) as found:
                table = _require(found, key, name)
                return _stage_csv(stage, prefix, table.schema, table.iter_groups(), name)
        except NotForCsvError as error:
            logger.info("table %r is exported as Parquet: %s", name, error)
    with open_parquet(blobs, key) as found:
        for _ in _require(
            found, key, name
        ).iter_groups():  # every page is checked before it is copied
            pass
    stream = blobs.open_read(key)
    if stream is None:
        raise TableNotFoundError(key, name=name)
    with stream:
        written = stage.put(
            prefix + file_path("parquet", name),
            lambda file: shutil.copyfileobj(stream, cast("BinaryIO", file), _COPY_BYTES),
        )
    return _exported("parquet", name, written)


def stage_rows(
    stage: Stage, prefix: str, rows: pa.Table, name: str, table_format: TableFormat
) -> ExportedFile:
    """Stage a table from memory; see `stage_table`."""
    if table_format == "csv":
        return _stage_csv(stage, prefix, rows.schema, iter([rows]), name)
    data = table_to_bytes(rows)
    sha256 = stage.put_bytes(prefix + file_path("parquet", name), data)
    return ExportedFile(kind="parquet", name=name, size_bytes=len(data), sha256=sha256)


def _stage_csv(
    stage: Stage, prefix: str, schema: pa.Schema, parts: Iterator[pa.Table], name: str
) -> ExportedFile:
    told: list[CsvSchema] = []
    written = stage.put(
        prefix + file_path("csv", name),
        lambda file: told.append(write_csv(file, schema, parts)),
    )
    (csv_schema,) = told
    return _exported(
        "csv",
        name,
        written,
        arrow_schema=csv_schema.arrow_schema,
        columns=csv_schema.columns,
        categories=csv_schema.categories,
    )


def _require(table: StoredTable | None, key: str, name: str) -> StoredTable:
    if table is None:
        raise TableNotFoundError(key, name=name)
    return table


def stage_gzipped_csv(
    stage: Stage, prefix: str, blobs: BlobStore, key: str, name: str, *, taken: bool
) -> ExportedFile:
    """Stage an artifact that is kept as gzipped CSV: unpacked, its cells harmless.

    Args:
        stage: Where it goes.
        prefix: The image's folder, with a ``/`` at the end.
        blobs: The dataset's key space.
        key: Where it is stored.
        name: The artifact's name.
        taken: Whether another artifact lies under the unpacked name; then it stays packed. So does
            one that is no UTF-8, or no CSV that can be taken apart.

    Raises:
        CorruptDataError: It is no gzip data.
        TableNotFoundError: It is gone.
    """
    packed = blobs.get(key)
    if packed is None:
        raise TableNotFoundError(key, name=name)
    data = gunzip_bounded(packed, key=key, limit=_MAX_CSV_BYTES)
    kind: FileKind = "packed_csv" if taken else "text_csv"
    escaped = None
    if kind == "text_csv":
        try:
            escaped = escape_csv_text(data.decode("utf-8"))
        except (UnicodeDecodeError, csv.Error):
            kind = "packed_csv"
    if kind == "packed_csv":
        data = packed
    elif escaped is not None:
        data = escaped.encode("utf-8")
    sha256 = stage.put_bytes(prefix + file_path(kind, name), data)
    return ExportedFile(
        kind=kind,
        name=name,
        size_bytes=len(data),
        sha256=sha256,
        escaped=escaped is not None,
    )


def stage_array(
    stage: Stage, prefix: str, blobs: BlobStore, record: ZarrImageRecord, name: str, key: str
) -> ExportedFile:
    """Stage an array artifact as ``.npy``, C order and little-endian.

    Raises:
        CorruptDataError: It is damaged.
    """
    document = read_document(blobs, key)
    loaded = record.load_array_artifact(name)
    array = np.ascontiguousarray(loaded, dtype=loaded.dtype.newbyteorder("<"))
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(array))

    def write(file: HashingFile) -> None:
        file.write(stream.getvalue())
        file.write(array.reshape(-1).view(np.uint8).data)

    written = stage.put(prefix + file_path("array", name), write)
    return _exported("array", name, written, axes=() if document is None else document.axes)


def _exported(
    kind: FileKind,
    name: str,
    written: HashingFile,
    *,
    arrow_schema: str = "",
    columns: Mapping[str, str] | None = None,
    categories: Mapping[str, tuple[str, ...]] | None = None,
    axes: tuple[str, ...] = (),
    tags_sha256: str = "",
) -> ExportedFile:
    return ExportedFile(
        kind=kind,
        name=name,
        size_bytes=written.size_bytes,
        sha256=written.sha256,
        arrow_schema=arrow_schema,
        columns=columns or {},
        categories=categories or {},
        axes=axes,
        tags_sha256=tags_sha256,
    )
