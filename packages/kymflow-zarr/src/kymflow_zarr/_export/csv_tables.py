r"""Arrow tables as CSV files, and exactly back.

The form: UTF-8, ``\n``, one header row; texts in quotes, everything else without. So an empty cell
is a null and ``""`` the empty text. Floats have the fewest digits that give the same number back,
booleans are ``true`` and ``false``, times are ISO 8601 (in UTC where they have a zone). Texts that
a spreadsheet would run are made harmless (`cells`).

CSV keeps no types: the schema is kept beside it (in the export's listing) and given to `read_csv`.
A table that even then could not come back exactly is refused with `NotForCsvError`.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kymflow_zarr._export.cells import escape_cell, escape_column, unescape_column
from kymflow_zarr._tables.parquet import bare_schema

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CsvSchema", "NotForCsvError", "bare_schema", "read_csv", "write_csv"]

_MIN_BLOCK = 2**20
_MAX_BLOCK = 2**30
_YEARS = (1, 9999)


class NotForCsvError(ValueError):
    """A table that CSV cannot carry exactly; the message names the column and says why."""


class ByteSink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes, /) -> int:
        """Append bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvSchema:
    """What a CSV file does not say.

    Attributes:
        arrow_schema: The Arrow schema with its metadata, serialised and in base64.
        columns: Column → type in words.
        categories: Categorical column → its categories in order.
    """

    arrow_schema: str
    columns: Mapping[str, str]
    categories: Mapping[str, tuple[str, ...]]


def write_csv(sink: ByteSink, schema: pa.Schema, parts: Iterable[pa.Table]) -> CsvSchema:
    """Write a table that arrives in parts.

    Args:
        sink: Where the bytes go; what came before an error is no table.
        schema: The table's schema.
        parts: Its rows.

    Returns:
        What `read_csv` needs beside the file.

    Raises:
        NotForCsvError: A column that CSV cannot carry exactly.
    """
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    carriers = [_carrier(field) for field in schema]
    if not carriers or len(set(schema.names)) < len(schema.names):
        raise NotForCsvError("a table without columns, or with two of one name, is no CSV")
    plain = pa.schema(
        [
            pa.field(escape_cell(name), carrier)
            for name, carrier in zip(schema.names, carriers, strict=True)
        ]
    )
    categories: dict[str, dict[str, None]] = {
        field.name: {} for field in schema if pa.types.is_dictionary(field.type)
    }
    sink.write(b",".join(_quoted(name) for name in plain.names) + b"\n")
    options = pa_csv.WriteOptions(include_header=False, quoting_style="needed")
    for part in parts:
        columns = [
            _to_carrier(part.column(index), carrier, categories.get(field.name), name=field.name)
            for index, (field, carrier) in enumerate(zip(schema, carriers, strict=True))
        ]
        stream = io.BytesIO()
        pa_csv.write_csv(pa.table(columns, schema=plain), stream, options)
        sink.write(stream.getvalue())
    return CsvSchema(
        arrow_schema=base64.b64encode(bare_schema(schema).serialize().to_pybytes()).decode("ascii"),
        columns={field.name: str(field.type) for field in schema},
        categories={name: tuple(texts) for name, texts in categories.items()},
    )


def read_csv(
    data: bytes, *, arrow_schema: str, categories: Mapping[str, Sequence[str]]
) -> pa.Table:
    """Read a file of `write_csv`.

    Args:
        data: The file.
        arrow_schema: As it came from `write_csv`.
        categories: As they came from `write_csv`.

    Returns:
        The table, with the schema and the metadata that it had.

    Raises:
        ValueError: The file does not fit the schema (Arrow's errors are such), or the schema is
            none.
    """
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(arrow_schema, validate=True)))
    carriers = {escape_cell(field.name): _carrier(field) for field in schema}
    table = pa_csv.read_csv(
        io.BytesIO(data),
        read_options=pa_csv.ReadOptions(
            use_threads=False, block_size=min(max(len(data), _MIN_BLOCK), _MAX_BLOCK)
        ),
        parse_options=pa_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types=carriers,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["true"],
            false_values=["false"],
        ),
    )
    if table.schema.names != list(carriers):
        raise ValueError(f"its columns are {table.schema.names!r}, not {schema.names!r}")
    columns = [
        _from_carrier(table.column(index), field, categories.get(field.name, ()))
        for index, field in enumerate(schema)
    ]
    return pa.table(columns, schema=schema)


def _carrier(field: pa.Field[Any]) -> pa.DataType:
    """The type that a column has in CSV.

    Raises:
        NotForCsvError: There is none that gives its values back.
    """
    import pyarrow as pa

    kind, types = field.type, pa.types
    if (
        types.is_integer(kind)
        or types.is_boolean(kind)
        or types.is_float32(kind)
        or types.is_float64(kind)
        or types.is_string(kind)
        or types.is_date32(kind)
        or types.is_decimal128(kind)
        or types.is_null(kind)
        or types.is_time(kind)
    ):
        return kind
    if types.is_float16(kind):
        return pa.float32()
    if types.is_large_string(kind):
        return pa.string()
    if types.is_timestamp(kind):
        return kind if kind.tz is None else pa.timestamp(kind.unit, "UTC")
    if types.is_duration(kind):
        return pa.int64()
    if types.is_dictionary(kind) and (
        types.is_string(kind.value_type) or types.is_large_string(kind.value_type)
    ):
        return pa.string()
    raise NotForCsvError(f"column {field.name!r} holds {kind}, which CSV cannot carry")


def _to_carrier(
    column: pa.ChunkedArray[Any], carrier: pa.DataType, seen: dict[str, None] | None, *, name: str
) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    types = pa.types
    if seen is not None:
        chunks: Any = column.chunks  # each with its dictionary
        for chunk in chunks:
            seen.update(dict.fromkeys(chunk.dictionary.to_pylist()))
        if None in seen:
            raise NotForCsvError(f"column {name!r} has null as a category")
    if (types.is_timestamp(carrier) or types.is_date(carrier)) and len(column):
        years: Any = pc.min_max(pc.year(column)).as_py()
        if years["min"] is not None and not _YEARS[0] <= years["min"] <= years["max"] <= _YEARS[1]:
            raise NotForCsvError(f"column {name!r} holds years that are not of four digits")
    plain = column.cast(carrier)
    return escape_column(plain) if types.is_string(carrier) else plain


def _from_carrier(
    column: pa.ChunkedArray[Any], field: pa.Field[Any], categories: Sequence[str]
) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):
        column = unescape_column(column)
    if not pa.types.is_dictionary(field.type):
        return column.cast(field.type)
    known = pa.array(categories, pa.string())
    indices: Any = pc.index_in(column, value_set=known)
    if indices.null_count != column.null_count:
        raise ValueError(f"column {field.name!r} holds texts that are none of its categories")
    return pa.DictionaryArray.from_arrays(
        indices.combine_chunks().cast(field.type.index_type),
        known.cast(field.type.value_type),
        ordered=field.type.ordered,
    )


def _quoted(name: str) -> bytes:
    return b'"' + name.replace('"', '""').encode("utf-8") + b'"'
