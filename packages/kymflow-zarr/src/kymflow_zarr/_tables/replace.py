"""Replacing some images' rows in a sorted table: one streamed rewrite, whatever their number."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kymflow_zarr._tables.parquet import ROW_GROUP_ROWS, merge_pandas_metadata
from kymflow_zarr.errors import SchemaValidationError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RowUpdate", "check_rows", "merged_schema", "merged_tables"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowUpdate:
    """New rows for some images; whatever rows these had go.

    Attributes:
        image_ids: The images whose rows are replaced. One of them may have no new row.
        rows: The new rows, in any order.
    """

    image_ids: frozenset[str]
    rows: pa.Table


def merged_schema(old: pa.Schema | None, new: pa.Schema, *, table: str) -> pa.Schema:
    """The schema of a table that holds rows of both.

    A column that only one side has is null on the other; numbers widen.

    Raises:
        SchemaValidationError: A column has two types that do not go together.
    """
    import pyarrow as pa

    if old is None:
        return new
    try:
        unified = pa.unify_schemas(
            [old.remove_metadata(), new.remove_metadata()], promote_options="permissive"
        )
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        raise SchemaValidationError(
            f"the new rows do not fit table {table!r} ({error}); "
            "convert them, or save_table() it anew with the type you want"
        ) from error
    for field in old:
        fresh = unified.field(field.name)
        if pa.types.is_string(fresh.type) and not (
            pa.types.is_string(field.type) or pa.types.is_null(field.type)
        ):
            raise SchemaValidationError(
                f"column {field.name!r} of table {table!r} holds {field.type}, the new rows hold "
                "text; convert them, or save_table() it anew with the type you want"
            )
    return merge_pandas_metadata(unified, old, new)


def check_rows(update: RowUpdate, column: str, *, table: str) -> None:
    """Refuse rows that name no image, or another than those that they are for.

    Raises:
        SchemaValidationError: The message names the image or the column.
    """
    import pyarrow as pa

    if not len(update.rows):
        return
    if column not in update.rows.schema.names:
        raise SchemaValidationError(
            f"rows for table {table!r} have no column {column!r}; add it, "
            "or name the right one with image_id_col="
        )
    if not pa.types.is_string(update.rows.schema.field(column).type):
        raise SchemaValidationError(
            f"column {column!r} of rows for table {table!r} holds "
            f"{update.rows.schema.field(column).type}, not text; convert it"
        )
    for image_id in update.rows[column].unique().to_pylist():
        if image_id not in update.image_ids:
            raise SchemaValidationError(
                f"rows for table {table!r} name image {image_id!r} in {column!r}, "
                "which is not one of those being replaced; split the rows by image"
            )


def merged_tables(
    old: Iterator[pa.Table],
    updates: Iterable[RowUpdate],
    *,
    schema: pa.Schema,
    column: str,
    keep_others: Collection[str] | None,
) -> Iterator[pa.Table]:
    """The new table in sorted parts of about one row group each.

    Args:
        old: The old table's parts, sorted by `column` within and across.
        updates: In ascending order: every image of one comes before every image of the next.
        schema: The new table's schema.
        column: The column with the image id.
        keep_others: Of the images that no update names, those that keep their rows; None: all.

    Raises:
        SchemaValidationError: The updates are out of order.
    """
    rest = _OldRows(old, schema=schema, column=column, keep_others=keep_others)
    last = ""
    for update in updates:
        if not update.image_ids:
            continue
        low, high = min(update.image_ids), max(update.image_ids)
        if low <= last:
            raise SchemaValidationError(
                f"row updates out of order: {low!r} comes after {last!r}; sort them by image id"
            )
        last = high
        yield from rest.before(low)
        yield _sorted([*rest.up_to(high, without=update.image_ids), update.rows], schema, column)
    yield from rest.remaining()


class _OldRows:
    """The old table's rows, handed out in order as the merge passes by."""

    def __init__(
        self,
        parts: Iterator[pa.Table],
        *,
        schema: pa.Schema,
        column: str,
        keep_others: Collection[str] | None,
    ) -> None:
        import pyarrow as pa

        self._parts = parts
        self._schema = schema
        self._column = column
        self._kept = (
            None if keep_others is None else pa.array(sorted(set(keep_others)), pa.string())
        )
        self._head: pa.Table | None = None

    def before(self, image_id: str) -> Iterator[pa.Table]:
        """Rows of images before `image_id`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        while (head := self._current()) is not None:
            ids = head[self._column]
            count = len(ids.filter(pc.less(ids, pa.scalar(image_id))))
            taken, complete = self._split(head, count)
            yield from self._filtered(taken)
            if not complete:
                return

    def up_to(self, image_id: str, *, without: frozenset[str]) -> Iterator[pa.Table]:
        """Rows of images up to and with `image_id`, except those of the images in `without`."""
        import pyarrow as pa
        import pyarrow.compute as pc

        gone = pa.array(sorted(without), pa.string())
        while (head := self._current()) is not None:
            ids = head[self._column]
            count = len(ids.filter(pc.less_equal(ids, pa.scalar(image_id))))
            taken, complete = self._split(head, count)
            yield from self._filtered(
                taken.filter(pc.invert(pc.is_in(taken[self._column], value_set=gone)))
            )
            if not complete:
                return

    def remaining(self) -> Iterator[pa.Table]:
        """All that is left."""
        while (head := self._current()) is not None:
            self._head = None
            yield from self._filtered(head)

    def _current(self) -> pa.Table | None:
        while self._head is None or not len(self._head):
            part = next(self._parts, None)
            if part is None:
                return None
            self._head = fit(part, self._schema)
        return self._head

    def _split(self, head: pa.Table, count: int) -> tuple[pa.Table, bool]:
        """Take the first `count` rows; says whether that was the whole part."""
        self._head = head.slice(count)
        return head.slice(0, count), count == len(head)

    def _filtered(self, rows: pa.Table) -> Iterator[pa.Table]:
        import pyarrow.compute as pc

        if self._kept is not None:
            ids = rows[self._column]
            # A row without an id is of no image that could be gone.
            rows = rows.filter(pc.or_(pc.is_in(ids, value_set=self._kept), pc.is_null(ids)))
        if len(rows):
            yield rows


def fit(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows with exactly the columns of `schema`, nulls where they had none."""
    import pyarrow as pa

    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.schema.names
        else pa.nulls(len(rows), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _sorted(parts: list[pa.Table], schema: pa.Schema, column: str) -> pa.Table:
    import pyarrow as pa

    joined = pa.concat_tables([fit(part, schema) for part in parts])
    return joined.sort_by(column) if len(joined) else joined


def regrouped(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in parts of `ROW_GROUP_ROWS`, the last one shorter."""
    waiting: list[pa.Table] = []
    rows = 0
    for part in parts:
        waiting.append(part)
        rows += len(part)
        if rows >= ROW_GROUP_ROWS:
            joined = _one_piece(waiting)
            whole = rows - rows % ROW_GROUP_ROWS
            for start in range(0, whole, ROW_GROUP_ROWS):
                yield joined.slice(start, ROW_GROUP_ROWS)
            waiting = [joined.slice(whole)]
            rows -= whole
    if rows:
        yield _one_piece(waiting)


def _one_piece(parts: list[pa.Table]) -> pa.Table:
    """The parts as one: how the rows came together must not show in the file's bytes."""
    import pyarrow as pa

    return pa.concat_tables(parts).combine_chunks()
