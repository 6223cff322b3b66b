"""The Arrow types that tables use, and the one that two of them have in common.

Arrow has several types for the same values, and Parquet lacks some of them. A table has one: text
is ``string``, bytes are ``binary``, times in seconds are in milliseconds, and categories, periods
and intervals are the values behind them. What they are in pandas stands in the field (`dtypes`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type that a table uses for values of this one.

    Raises:
        ArrowInvalid: There is none.
    """
    import pyarrow as pa

    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    if isinstance(kind, pa.DictionaryType):
        return plain_type(kind.value_type)
    if isinstance(kind, pa.MapType):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    if isinstance(kind, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
        return pa.list_(plain_type(kind.value_type))
    if isinstance(kind, pa.StructType) and len({field.name for field in kind}) == len(kind) > 0:
        return pa.struct([field.with_type(plain_type(field.type)) for field in kind])
    if (
        types.is_nested(kind)  # views of lists as well: Arrow 26 loses values when it casts them
        or types.is_run_end_encoded(kind)
        or types.is_interval(kind)
        or (types.is_decimal(kind) and kind.scale < 0)
        or kind == pa.binary(0)
    ):
        raise pa.ArrowInvalid(f"tables have no type for {kind}")
    if types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_large_binary(kind) or types.is_binary_view(kind):
        return pa.binary()
    if isinstance(kind, pa.TimestampType) and kind.unit == "s":
        return pa.timestamp("ms", kind.tz)
    if kind == pa.time32("s"):
        return pa.time32("ms")
    return pa.date32() if types.is_date64(kind) else kind


def plain_column(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """The same values in their `plain_type`.

    Raises:
        ArrowInvalid: A value has no place in it: a time too far from 1970, half a day.
        ArrowNotImplementedError: Arrow cannot convert the values.
    """
    import pyarrow as pa

    kind = plain_type(column.type)
    if isinstance(column.type, pa.DictionaryType):
        # Not cast as a whole: Arrow cannot do that for all types of values.
        chunks: Any = column.chunks
        return _concat([chunk.dictionary.cast(kind).take(chunk.indices) for chunk in chunks], kind)
    return column if column.type == kind else column.cast(kind)


def cast_column(column: pa.ChunkedArray[Any], kind: pa.DataType) -> pa.ChunkedArray[Any]:
    """The values of a column in a plain type that has them all in common with the column's.

    Raises:
        ArrowInvalid: A value would change.
    """
    import pyarrow as pa

    try:
        return column.cast(kind)
    except (pa.ArrowTypeError, pa.ArrowNotImplementedError):
        # The cast of older Arrows does not put the fields of structs in another order.
        return pa.chunked_array([pa.array(column.to_pylist(), kind)])


def plain_categories(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """All values in the dictionaries of a column, each once, in their `plain_type`."""
    kind = plain_type(column.type)
    chunks: Any = column.chunks
    values: Any = _concat([chunk.dictionary.cast(kind) for chunk in chunks], kind)
    return _concat([values.unique().drop_null()], kind)


def _concat(arrays: list[pa.Array[Any]], kind: Any) -> pa.ChunkedArray[Any]:
    import pyarrow as pa

    return pa.chunked_array(arrays, kind)


def is_text(kind: pa.DataType) -> bool:
    """Whether values are text in a table."""
    import pyarrow as pa

    return pa.types.is_string(plain_type(kind))


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The plain type that holds the values of two plain types as they are; None if there is none.

    Whole numbers and floats have ``double`` in common, signed and unsigned ones ``int64``: a value
    that it cannot hold exactly is an error of the cast, not of the types. Fields of structs are
    known by their names, as keys of dicts are, and have the order of the first.
    """
    import pyarrow as pa

    types = pa.types
    if one == other:
        return one
    for kind, rest in ((one, other), (other, one)):
        if types.is_null(kind):
            return rest
        if types.is_integer(kind) and types.is_floating(rest):
            return pa.float64()
    if isinstance(one, pa.ListType) and isinstance(other, pa.ListType):
        inner = common_type(one.value_type, other.value_type)
        return None if inner is None else pa.list_(inner)
    if isinstance(one, pa.StructType) and isinstance(other, pa.StructType):
        its = {field.name: field.type for field in other}
        if {field.name for field in one} != its.keys():
            return None
        fields = []
        for mine in one:
            inner = common_type(mine.type, its[mine.name])
            if inner is None:
                return None
            fields.append(pa.field(mine.name, inner))
        return pa.struct(fields)
    families = (
        types.is_integer,
        types.is_floating,
        types.is_timestamp,
        types.is_duration,
        types.is_decimal,
    )
    if not any(family(one) and family(other) for family in families):
        return None
    schemas = [pa.schema([pa.field("column", kind)]) for kind in (one, other)]
    try:
        unified = pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowTypeError, pa.ArrowInvalid):  # two time zones, more digits than there can be
        return None
    common: pa.DataType = unified.field(0).type
    return common
