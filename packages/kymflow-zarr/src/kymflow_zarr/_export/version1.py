"""Files of version 1 of the export format, in which CSV was the only form of a table.

CSV keeps no types: the Arrow schema stands beside it in the listing, in base64, and for categories
their order. Texts that a spreadsheet would run have an apostrophe in front, and so has each text
that starts with one: taking one away from each gives back what was there.
"""

from __future__ import annotations

import base64
import csv
import gzip
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from kymflow_zarr._artifacts.csv_kind import CSV
from kymflow_zarr._artifacts.table_kind import TABLE

if TYPE_CHECKING:
    import pyarrow as pa

_TABLE: Final = "version1_csv"
_TEXT: Final = "version1_text_csv"

KINDS: Final = {"parquet": TABLE.name, "csv": _TABLE, "packed_csv": CSV.name, "text_csv": _TEXT}
"""What version 1 calls a kind of file → what later versions do."""
ARTIFACT_KINDS: Final = {_TABLE: TABLE.name, _TEXT: CSV.name}
"""Kinds of files that only version 1 wrote → the artifact kind that is restored from them."""
KEYS: Final = ("columns", "arrow_schema", "categories", "escaped")
"""What version 1 says of a file that later versions do not."""

_MIN_BLOCK: Final = 2**20
_MAX_BLOCK: Final = 2**30


def restore_value(kind: str, data: bytes, entry: Mapping[str, Any]) -> pa.Table | bytes:
    """What the artifact kind stores, from a file of one of `ARTIFACT_KINDS`.

    Raises:
        ValueError: It is not what its kind says (errors of decoders are such).
        csv.Error: It is not CSV.
    """
    return _read_csv(data, entry) if kind == _TABLE else _gzip_text(data, entry)


def _read_csv(data: bytes, entry: Mapping[str, Any]) -> pa.Table:
    """A table, with the schema and the metadata that it had in the dataset."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    serialised = base64.b64decode(entry["arrow_schema"], validate=True)
    schema = pa.ipc.read_schema(pa.py_buffer(serialised))
    table = pa_csv.read_csv(
        io.BytesIO(data),
        read_options=pa_csv.ReadOptions(
            column_names=schema.names,
            skip_rows_after_names=1,
            use_threads=False,
            block_size=min(max(len(data), _MIN_BLOCK), _MAX_BLOCK),
        ),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types={field.name: _csv_type(field.type) for field in schema},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["true"],
            false_values=["false"],
        ),
    )
    categories = entry.get("categories", {})
    columns = [
        _to_stored_type(column, field.type, categories.get(field.name, ()))
        for column, field in zip(table.columns, schema, strict=True)
    ]
    return pa.table(columns, schema=schema)


def _gzip_text(data: bytes, entry: Mapping[str, Any]) -> bytes:
    """An artifact of gzipped CSV that version 1 wrote unpacked, packed again."""
    text = data.decode("utf-8")
    if entry.get("escaped") is True:
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        stream = io.StringIO(newline="")
        writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerows([cell.removeprefix("'") for cell in row] for row in rows)
        text = stream.getvalue()
    return gzip.compress(text.encode("utf-8"), mtime=0)


def _csv_type(kind: pa.DataType) -> pa.DataType:
    """The type that a column had in CSV."""
    import pyarrow as pa

    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return pa.string()
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pa.timestamp(kind.unit, "UTC")
    return pa.int64() if pa.types.is_duration(kind) else kind


def _to_stored_type(column: Any, kind: pa.DataType, categories: Sequence[str]) -> Any:
    """A column as it was in the dataset."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):
        column = pc.replace_substring_regex(column, "^'", "")
    if not pa.types.is_dictionary(kind):
        return column.cast(kind)
    known = pa.array(categories, pa.string())
    indices: Any = pc.index_in(column, value_set=known)
    if indices.null_count != column.null_count:
        raise ValueError("it holds texts that are not among the categories")
    return pa.DictionaryArray.from_arrays(
        indices.combine_chunks().cast(kind.index_type),
        known.cast(kind.value_type),
        ordered=kind.ordered,
    )
