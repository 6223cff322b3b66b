"""How columns of rows that come together become one: the type of both, or a refusal by name.

Values never change: whole numbers become floats only where each of them is exact as one, times get
finer but not coarser, and nothing becomes text. A column without any value fits every other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from kymflow_zarr._tables.arrow_types import (
    cast_column,
    common_type,
    plain_categories,
    plain_column,
    plain_type,
)
from kymflow_zarr._tables.dtypes import (
    CATEGORIES,
    CATEGORY,
    DTYPE,
    MASKED,
    OBJECT,
    Metadata,
    dtype_from_name,
    dtype_name,
    has_meaning,
    is_category,
    is_masked,
    name_in,
    names_from_pandas,
)
from kymflow_zarr._tables.from_pandas import (
    category_metadata,
    check_column_names,
    frame_to_table,
)
from kymflow_zarr._tables.to_pandas import categories_in
from kymflow_zarr.errors import ColumnError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_NAMED: Final = 5  # of an order of categories, in a message


def to_table(rows: pd.DataFrame | pa.Table, *, what: str) -> pa.Table:
    """Rows that a caller gave, with columns as tables keep them.

    Raises:
        TypeError: It is neither a frame nor a table.
        SchemaValidationError: An index would be lost.
        ColumnError: A column cannot be kept as it is.
    """
    import pyarrow as pa

    if not isinstance(rows, pa.Table):
        return frame_to_table(rows, what=what)
    check_column_names(rows.column_names, what=what)
    for field, column in zip(rows.schema, rows.columns, strict=True):
        with _as_column_error(field, what=what):
            column.validate(full=True)
    return plain_table(rows, what=what)


def plain_schema(schema: pa.Schema, *, what: str) -> pa.Schema:
    """A schema of any origin with columns as tables keep them; of dictionaries, that is the values.

    Raises:
        ColumnError: A column has no place in a table.
    """
    import pyarrow as pa

    names = names_from_pandas(schema)
    fields = []
    for field in schema:
        with _as_column_error(field, what=what):
            metadata = _metadata(field, names.get(field.name))
            kind = plain_type(field.type)
        fields.append(pa.field(field.name, kind, field.nullable, metadata=metadata))
    return pa.schema(fields).with_metadata(schema.metadata or {})


def plain_table(table: pa.Table, *, what: str) -> pa.Table:
    """A table of any origin with columns as tables keep them.

    Raises:
        ColumnError: A column has no place in a table.
    """
    import pyarrow as pa

    schema = plain_schema(table.schema, what=what)
    columns = []
    for at, (field, column) in enumerate(zip(table.schema, table.columns, strict=True)):
        with _as_column_error(field, what=what):
            columns.append(plain_column(column))
            if isinstance(field.type, pa.DictionaryType):
                categories = plain_categories(column)
                found = category_metadata(categories, {}, ordered=field.type.ordered)
                schema = schema.set(at, schema.field(at).with_metadata(found))
    return pa.table(columns, schema=schema)


def columns_without_values(table: pa.Table) -> frozenset[str]:
    """The columns without any value, whose type means nothing."""
    return frozenset(
        name
        for name, column in zip(table.column_names, table.columns, strict=True)
        if column.null_count == len(column)
    )


def merge_schemas(
    old: pa.Schema,
    new: pa.Schema,
    *,
    column: str,
    what: str,
    open_old: Collection[str],
    open_new: Collection[str],
) -> pa.Schema:
    """The schema of a table that holds rows of both; a column that one lacks is null there.

    Columns in `open_old` and `open_new` have no type yet. That with the image ids is there in any
    case, as text.

    Raises:
        ColumnError: Two columns have nothing in common, or two names differ only in case.
    """
    import pyarrow as pa

    known = {field.name: field for field in old}
    added = [name for name in new.names if name not in known]
    if added:
        check_column_names([*known, *added], what=what)
    for field in new:
        there = known.get(field.name)
        if there is None or (field.name in open_old and field.name not in open_new):
            known[field.name] = field
        elif field.name not in open_new:
            common = common_field(there, field)
            if common is None:
                raise ColumnError(
                    what,
                    field.name,
                    problem=f"holds {_describe(field)}, but the table {_describe(there)}",
                    remedy="convert the rows, or save the whole table with the type you want",
                )
            known[field.name] = common
        else:
            known[field.name] = _with_marker(there, field)
    ids = known.setdefault(column, pa.field(column, pa.string()))
    if pa.types.is_null(ids.type):
        known[column] = pa.field(column, pa.string())
    return pa.schema([field.with_nullable(True) for field in known.values()])


def common_field(one: pa.Field[Any], other: pa.Field[Any]) -> pa.Field[Any] | None:
    """A column for the values of both, with what it is in pandas; None if there is none.

    Of two dtypes for the same values the first one stays. Categories come together where they have
    no order, and are plain values beside values that are not.
    """
    import pyarrow as pa

    kind = common_type(one.type, other.type)
    if kind is None:
        return None
    one = _with_marker(one, other)
    field = one.with_type(kind)
    if pa.types.is_null(one.type):
        return _with_marker(other, one)
    if pa.types.is_null(other.type) or one.metadata == other.metadata:
        return field
    if is_category(name_in(one)) and is_category(name_in(other)):
        return _common_categories(field, one, other)
    names = _name_of_values(one), _name_of_values(other)
    if names[0] != names[1] and any(map(has_meaning, names)):
        return None
    name = names[0] if names[0] == names[1] else _common_name(names, kind)
    return field.with_metadata({} if name is None else {DTYPE: name.encode("utf-8")})


def fit_columns(rows: pa.Table, schema: pa.Schema, *, what: str) -> pa.Table:
    """Rows with exactly the columns of a schema, null where they had none.

    Raises:
        ColumnError: A value would change.
    """
    import pyarrow as pa

    there = dict(zip(rows.column_names, rows.columns, strict=True))
    columns: list[pa.ChunkedArray[Any]] = []
    for field in schema:
        column = there.get(field.name)
        if column is None or column.null_count == len(column):
            columns.append(pa.chunked_array([pa.nulls(len(rows), field.type)]))
            continue
        try:
            if common_type(field.type, column.type) != field.type:
                raise pa.ArrowInvalid("no value is of both types")
            columns.append(cast_column(column, field.type))
        except pa.ArrowInvalid as error:
            raise ColumnError(
                what,
                field.name,
                problem=f"holds {column.type}, which cannot become {field.type} ({error})",
                remedy="convert the rows, or save the whole table with the type you want",
            ) from error
    return pa.table(columns, schema=schema)


def _with_marker(field: pa.Field[Any], other: pa.Field[Any]) -> pa.Field[Any]:
    """Objects of which none was missing, with what stands for missing ones in the other column."""
    if name_in(field) == OBJECT and (name_in(other) or "").startswith(OBJECT):
        return other.with_name(field.name).with_type(field.type)
    return field


def _name_of_values(field: pa.Field[Any]) -> str | None:
    """What the values of a column are in pandas, also if they are categories."""
    return name_in(categories_in(field)[1] if is_category(name_in(field)) else field)


def _common_name(names: tuple[str | None, str | None], kind: pa.DataType) -> str | None:
    if any(map(is_masked, names)):
        return MASKED.get(str(kind))
    holding = [
        name
        for name in names
        # What is in whole seconds is stored in milliseconds, and the other one may be finer.
        if name is not None
        and "[s" not in name
        and (name.startswith(OBJECT) or dtype_from_name(name, kind) is not None)
    ]
    return holding[0] if holding else None


def _common_categories(
    field: pa.Field[Any], one: pa.Field[Any], other: pa.Field[Any]
) -> pa.Field[Any] | None:
    import pyarrow as pa

    (first, kind), (second, other_kind) = categories_in(one), categories_in(other)
    known = set(map(repr, first.to_pylist()))
    added = [at for at, value in enumerate(second.to_pylist()) if repr(value) not in known]
    common = common_field(kind, other_kind)
    if name_in(one) != CATEGORY or name_in(other) != CATEGORY:
        return None
    if common is None or common.type != kind.type or common.type != other_kind.type:
        return None
    merged = pa.chunked_array([*first.chunks, *second.take(pa.array(added, pa.int64())).chunks])
    metadata: Any = common.metadata or {}
    return field.with_metadata(category_metadata(merged, metadata, ordered=False))


def _metadata(field: pa.Field[Any], name: str | None) -> Metadata | None:
    """What a column of any origin was in pandas, as the metadata of its field."""
    import pyarrow as pa

    known = field.metadata or {}
    if DTYPE in known:
        if is_category(name_in(field)):
            categories_in(field)  # refused where they cannot be read
        return {key: known[key] for key in (DTYPE, CATEGORIES) if key in known}
    if isinstance(field.type, pa.BaseExtensionType) and name is None:
        name = dtype_name(field.type.to_pandas_dtype())
    return None if name is None else {DTYPE: name.encode("utf-8")}


@contextmanager
def _as_column_error(field: pa.Field[Any], *, what: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    # NotImplementedError: a type of another library that has none in pandas.
    except (pa.ArrowException, NotImplementedError, ValueError) as error:
        raise ColumnError(
            what,
            field.name,
            problem=f"holds {field.type}; Parquet cannot hold it as it is ({error})",
            remedy="convert it, and store nested values as JSON text",
        ) from error


def _describe(field: pa.Field[Any]) -> str:
    name = name_in(field)
    if name is None:
        return str(field.type)
    if name.startswith(CATEGORY) and name != CATEGORY:
        first = " < ".join(map(repr, categories_in(field)[0].slice(0, _NAMED).to_pylist()))
        return f"{name} of {field.type} ({first})"
    return f"{name} of {field.type}" if name.startswith((OBJECT, CATEGORY)) else name
