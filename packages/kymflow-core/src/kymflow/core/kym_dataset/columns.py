"""Which columns a table has, and of what types: declared, stored already, or learned in a run.

A declared or stored type never changes. A learned one may still widen until the run is over, so
that the result does not depend on which image comes first: whole numbers become floats, times get
finer. A column in which nothing but nulls was seen has no type yet, whatever pandas calls it.

`TableColumns` is a value: every function here returns a new one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from kymflow.core.errors import ColumnTypeError, RowError, TableSchemaError, how_to_rebuild
from kymflow.core.provenance import IMAGE_ID, PROVENANCE_COLUMNS
from kymflow_zarr.frames import common_field, plain_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

_EXACT_IN_DOUBLE: Final = 2**53
_EXACT_IN_INT64: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownColumn:
    """What is known of one column.

    Attributes:
        field: Its type, and what it is in pandas.
        fixed: Whether it was declared or stored: then its type does not change.
        blank: Whether nothing but nulls was seen: then its type may become any other.
        largest: The largest whole number that was seen, without its sign.
    """

    field: pa.Field[Any]
    fixed: bool = False
    blank: bool = False
    largest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumns:
    """What is known of a table's columns.

    Attributes:
        table: The table's name.
        columns: Its columns by name, in order.
        closed: Whether the indexer declared them: then there are no others.
        metadata: Schema metadata of the declaration.
    """

    table: str
    columns: Mapping[str, KnownColumn]
    closed: bool
    metadata: Mapping[bytes, bytes] = field(default_factory=dict)


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
        SchemaValidationError: A declared type has no place in a table.
    """
    import pyarrow as pa

    fixed = {name: pa.field(name, pa.string()) for name in PROVENANCE_COLUMNS}
    # A null type was learned from nulls alone: it is still open.
    fixed |= {column.name: column for column in stored or () if not pa.types.is_null(column.type)}
    if declared is not None:
        for column in plain_schema(declared, what=f"the columns of table {table!r}"):
            there = fixed.setdefault(column.name, column)
            if there.type != column.type:
                raise TableSchemaError(
                    table, column.name, stored=str(there.type), declared=str(column.type)
                )
        fixed = {name: fixed[name] for name in (*PROVENANCE_COLUMNS, *declared.names)}
    return TableColumns(
        table=table,
        columns={name: KnownColumn(field=column, fixed=True) for name, column in fixed.items()},
        closed=declared is not None,
        metadata=(declared.metadata if declared is not None else None) or {},
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
    import pyarrow as pa

    fields = [column.field for column in columns.columns.values()]
    return pa.schema(fields).with_metadata({**columns.metadata})


def _fit(part: pa.Table, columns: TableColumns, *, indexer: str) -> tuple[pa.Table, TableColumns]:
    """`fit_rows` as a whole or not at all; a `RowError` names the first image."""
    import pyarrow as pa

    image_id = part[IMAGE_ID][0].as_py()
    if columns.closed:
        _check_declared(part, columns, indexer=indexer, image_id=image_id)
    known = dict(columns.columns)
    fitted = []
    for column, values in zip(part.schema, part.columns, strict=True):
        before = known.get(column.name, KnownColumn(field=column, blank=True))
        after = _with_values(before, column, values, closed=columns.closed)
        try:
            if after is None:
                raise pa.ArrowInvalid("no value is of both types")
            fitted.append(_cast(values, after.field.type))
        except pa.ArrowInvalid as error:  # too large a number, too fine a time
            wanted = before.field.type
            raise ColumnTypeError(
                indexer=indexer,
                image_id=image_id,
                column=column.name,
                reason=f"it holds {column.type}, but in the table it is {wanted}; "
                f"return {wanted}, or {how_to_rebuild(columns.table)}",
            ) from error
        known[column.name] = after
    return pa.table(fitted, names=part.schema.names), replace(columns, columns=known)


def _check_declared(part: pa.Table, columns: TableColumns, *, indexer: str, image_id: str) -> None:
    for name in {**dict.fromkeys(part.schema.names), **columns.columns}:
        if name not in columns.columns:
            reason = "the indexer does not declare it; add it to columns(), or leave it out"
        elif name not in part.schema.names:
            reason = "the indexer declares it but did not return it; return it"
        else:
            continue
        raise RowError(indexer=indexer, image_id=image_id, column=name, reason=reason)


def _with_values(
    known: KnownColumn, column: pa.Field[Any], values: pa.ChunkedArray[Any], *, closed: bool
) -> KnownColumn | None:
    """A column once some values were seen; None if they do not fit those before.

    Whether each of them fits a type that does not change is seen when they are cast.
    """
    import pyarrow as pa

    if values.null_count == len(values):
        return known
    # A type that pandas gave to nothing but nulls says nothing; a null type keeps what these are.
    is_open = known.blank and not pa.types.is_null(known.field.type)
    common = column if is_open else common_field(known.field, column)
    if common is None:
        return None
    if known.fixed and common.type != known.field.type:
        return known if _may_narrow(known.field.type, column.type, closed=closed) else None
    if common.type != known.field.type and known.largest > _limit(common.type):
        return None
    largest = max(known.largest, _largest(values))
    return replace(known, field=common, blank=False, largest=largest)


def _may_narrow(wanted: pa.DataType, kind: pa.DataType, *, closed: bool) -> bool:
    """Whether values may be cast to a narrower type: floats only to a declared one of floats."""
    import pyarrow as pa

    types = pa.types
    return not types.is_floating(kind) or (closed and types.is_floating(wanted))


def _largest(values: pa.ChunkedArray[Any]) -> int:
    """The largest whole number without its sign; 0 where values are something else."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_integer(values.type):
        return 0
    low: int = pc.min(values).as_py()
    high: int = pc.max(values).as_py()
    return max(abs(low), abs(high))


def _limit(kind: pa.DataType) -> float:
    """The whole number up to which a type holds each of them exactly."""
    import pyarrow as pa

    if pa.types.is_floating(kind):
        return _EXACT_IN_DOUBLE
    return _EXACT_IN_INT64 if pa.types.is_int64(kind) else math.inf


def _cast(values: pa.ChunkedArray[Any], kind: Any) -> pa.ChunkedArray[Any]:
    import pyarrow as pa

    if values.null_count == len(values):
        return pa.chunked_array([pa.nulls(len(values), kind)])
    return values.cast(kind)
