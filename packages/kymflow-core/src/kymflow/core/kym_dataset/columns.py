"""Which columns a table has, and of what types: declared, stored already, or learned in a run.

A declared or stored type never changes. A learned one may still widen until the run is over, so
that the result does not depend on which image comes first: whole numbers become floats, times get
finer. A column in which nothing but nulls was seen has no type yet, whatever pandas calls it.

`TableColumns` is a value: every function here returns a new one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from kymflow.core.errors import ColumnTypeError, RowError, TableSchemaError, how_to_rebuild
from kymflow.core.kym_dataset.rows import NULLABLE
from kymflow.core.provenance import IMAGE_ID, PROVENANCE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

__all__ = ["TableColumns", "fit_rows", "known_columns", "table_schema", "with_schema"]

_EXACT_IN_DOUBLE: Final = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumns:
    """What is known of a table's columns.

    Attributes:
        table: The table's name.
        fixed: Declared and stored columns, whose types do not change.
        closed: Whether the indexer declared them: then there are no others.
        metadata: Schema metadata of the declaration.
        learned: Columns seen in this run, whose types may widen.
        blank: Those of them in which only nulls were seen.
        exact: Those of them with whole numbers that floats cannot tell apart.
        nullable: Those of them for which pandas used a type of its own, and its name.
    """

    table: str
    fixed: Mapping[str, pa.DataType]
    closed: bool
    metadata: Mapping[bytes, bytes] = field(default_factory=dict)
    learned: Mapping[str, pa.DataType] = field(default_factory=dict)
    blank: frozenset[str] = frozenset()
    exact: frozenset[str] = frozenset()
    nullable: Mapping[str, str] = field(default_factory=dict)


def known_columns(
    table: str, *, stored: pa.Schema | None, declared: pa.Schema | None
) -> TableColumns:
    """What is known of a table before a run.

    Args:
        table: The table's name.
        stored: Its schema; None if there is no such table yet.
        declared: The indexer's declaration; None if it makes none.

    Raises:
        TableSchemaError: The two do not agree, or a provenance column is not declared as text.
    """
    import pyarrow as pa

    fixed: dict[str, pa.DataType] = dict.fromkeys(PROVENANCE_COLUMNS, pa.string())
    for column in stored or ():
        # A null type was learned from nulls alone: it is still open.
        if not pa.types.is_null(column.type):
            fixed[column.name] = column.type
    if declared is None:
        return TableColumns(table=table, fixed=fixed, closed=False)
    for column in declared:
        there = fixed.setdefault(column.name, column.type)
        if there != column.type:
            raise TableSchemaError(table, column.name, stored=str(there), declared=str(column.type))
    names = dict.fromkeys((*PROVENANCE_COLUMNS, *declared.names))
    return TableColumns(
        table=table,
        fixed={name: fixed[name] for name in names},
        closed=True,
        metadata=declared.metadata or {},
    )


def fit_rows(
    part: pa.Table, columns: TableColumns, *, indexer: str
) -> tuple[list[pa.Table], TableColumns, list[RowError]]:
    """Make rows have the table's types, and learn from them.

    Args:
        part: Rows of some images, all with the same columns.
        columns: What is known so far.
        indexer: The indexer's name, for messages.

    Returns:
        The rows in their new types, what is known now, and an error for each image whose rows do
        not fit, which then is in no part.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        fitted, known = _fit(part, columns, indexer=indexer)
    except RowError as error:
        image_ids = pc.unique(part[IMAGE_ID]).to_pylist()
        if len(image_ids) == 1:
            return [], columns, [error]
    else:
        return [fitted], known, []
    parts: list[pa.Table] = []
    errors: list[RowError] = []
    for image_id in image_ids:
        own = part.filter(pc.equal(part[IMAGE_ID], pa.scalar(image_id, pa.string())))
        fits, columns, misfits = fit_rows(own, columns, indexer=indexer)
        parts += fits
        errors += misfits
    return parts, columns, errors


def table_schema(columns: TableColumns) -> pa.Schema:
    """The schema to publish a table with."""
    import pandas as pd
    import pyarrow as pa

    new = [item for item in columns.learned.items() if item[0] not in columns.fixed]
    schema = pa.schema([pa.field(name, kind) for name, kind in (*columns.fixed.items(), *new)])
    metadata = dict(columns.metadata)
    blanks = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in columns.nullable.items()})
    described = pa.Schema.from_pandas(blanks, preserve_index=False)
    # A type that has widened since is no longer what pandas called it.
    kept = [field.name for field in described if schema.field(field.name).type == field.type]
    if kept:
        metadata |= pa.Schema.from_pandas(blanks[kept], preserve_index=False).metadata or {}
    return schema.with_metadata(metadata) if metadata else schema


def with_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows that were fitted earlier in a run, in the types that were settled on at its end."""
    import pyarrow as pa

    values = [
        _cast(rows[column.name], column.type)
        if column.name in rows.schema.names
        else _nulls(len(rows), column.type)
        for column in schema
    ]
    return pa.table(values, schema=schema)


def _fit(part: pa.Table, columns: TableColumns, *, indexer: str) -> tuple[pa.Table, TableColumns]:
    """`fit_rows` as a whole or not at all; a `RowError` names the first image."""
    import pyarrow as pa

    image_id = part[IMAGE_ID][0].as_py()
    if columns.closed:
        _check_declared(part, columns, indexer=indexer, image_id=image_id)
    fitted = []
    for column in part.schema:
        name, values = column.name, part[column.name]
        wanted = columns.fixed.get(name)
        if wanted is not None:
            agrees = _is_blank(values) or _agrees(column.type, wanted, closed=columns.closed)
        else:
            widened = _learn(columns, column, values)
            agrees = widened is not None
            columns = widened or columns
            wanted = columns.learned[name]
        clash = ColumnTypeError(
            indexer=indexer,
            image_id=image_id,
            column=name,
            reason=f"it holds {column.type}, in the table it is {wanted}; "
            f"return {wanted}, or {how_to_rebuild(columns.table)}",
        )
        if not agrees:
            raise clash
        try:
            fitted.append(_cast(values, wanted))
        except pa.ArrowInvalid as error:  # too large a number, too fine a time
            raise clash from error
    return pa.table(fitted, names=part.schema.names), columns


def _check_declared(part: pa.Table, columns: TableColumns, *, indexer: str, image_id: str) -> None:
    for name in {**dict.fromkeys(part.schema.names), **columns.fixed}:
        if name not in columns.fixed:
            reason = "the indexer does not declare it; add it to columns(), or leave it out"
        elif name not in part.schema.names:
            reason = "the indexer declares it but did not return it; return it"
        else:
            continue
        raise RowError(indexer=indexer, image_id=image_id, column=name, reason=reason)


def _agrees(kind: pa.DataType, wanted: pa.DataType, *, closed: bool) -> bool:
    """Whether values of a type can become another without becoming something else.

    Only a declaration may narrow floats. Whether whole numbers fit is seen when they are cast.
    """
    import pyarrow as pa

    types = pa.types
    if kind == wanted:
        return True
    if types.is_integer(wanted):
        return types.is_integer(kind)
    if types.is_floating(wanted):
        if types.is_floating(kind):
            return closed or kind.bit_width <= wanted.bit_width
        return types.is_integer(kind)
    if isinstance(kind, pa.TimestampType) and isinstance(wanted, pa.TimestampType):
        return bool(kind.tz == wanted.tz)
    return _wider(kind, wanted) == wanted


def _learn(
    columns: TableColumns,
    column: pa.Field[Any],
    values: pa.ChunkedArray[Any],
) -> TableColumns | None:
    """What is known after these values were seen; None if they contradict earlier ones."""
    name = column.name
    blank = _is_blank(values)
    if name not in columns.learned or name in columns.blank:
        kind: pa.DataType | None = column.type
    elif blank:
        return columns
    else:
        kind = _wider(columns.learned[name], column.type)
    needs_exact = _needs_exact(values)
    if kind is None or (name in columns.exact and kind != columns.learned[name]):
        return None
    if needs_exact and kind != column.type:
        return None
    nullable = (column.metadata or {}).get(NULLABLE)
    return replace(
        columns,
        learned={**columns.learned, name: kind},
        blank=columns.blank | {name} if blank else columns.blank - {name},
        exact=columns.exact | {name} if needs_exact else columns.exact,
        nullable={name: nullable.decode("utf-8"), **columns.nullable}
        if nullable is not None
        else columns.nullable,
    )


def _wider(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """A type for the values of both; None if there is none."""
    import pyarrow as pa

    if one == other:
        return one
    schemas = [pa.schema([pa.field("column", kind)]) for kind in (one, other)]
    try:
        wider = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None
    # Bytes take text in silence; nobody wants text that turns into bytes.
    return None if pa.types.is_string(one) or pa.types.is_string(other) else wider


def _needs_exact(values: pa.ChunkedArray[Any]) -> bool:
    """Whether there are whole numbers that lose digits as floats."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_integer(values.type) or values.type.bit_width < 64:
        return False
    if _is_blank(values):
        return False
    low, high = pc.min(values).as_py(), pc.max(values).as_py()
    return bool(-low > _EXACT_IN_DOUBLE or high > _EXACT_IN_DOUBLE)


def _is_blank(values: pa.ChunkedArray[Any]) -> bool:
    return values.null_count == len(values)


def _cast(values: pa.ChunkedArray[Any], kind: pa.DataType) -> pa.ChunkedArray[Any]:
    if values.type == kind:
        return values
    return _nulls(len(values), kind) if _is_blank(values) else values.cast(kind)


def _nulls(count: int, kind: Any) -> pa.ChunkedArray[Any]:
    import pyarrow as pa

    return pa.chunked_array([pa.nulls(count, kind)])
