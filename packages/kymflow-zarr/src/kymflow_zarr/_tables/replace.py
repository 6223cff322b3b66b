"""Replacing some images' rows in a sorted table: one streamed rewrite, whatever their number."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kymflow_zarr._storage.json_text import is_unicode
from kymflow_zarr._tables.columns import fit_columns, to_table
from kymflow_zarr._tables.stored_table import ROW_GROUP_ROWS
from kymflow_zarr.errors import ColumnError, SchemaValidationError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class RowUpdate:
    """New rows for some images, in place of all that these had.

    Attributes:
        image_ids: The images whose rows are replaced. One of them may have no new row.
        rows: The new rows, in any order.

    Raises:
        TypeError: The rows are not a table, or an image id is not text.
    """

    image_ids: frozenset[str]
    rows: pa.Table

    def __post_init__(self) -> None:
        import pyarrow as pa

        object.__setattr__(self, "image_ids", image_id_set(self.image_ids))
        if not isinstance(self.rows, pa.Table):
            raise TypeError(
                f"expected rows as a pyarrow Table, not a {type(self.rows).__name__}; "
                "convert a frame with frame_to_table()"
            )


def check_rows(update: RowUpdate, schema: pa.Schema, column: str, *, what: str) -> RowUpdate:
    """Rows in plain types; refused if they name no image, or one that is not being replaced.

    Raises:
        SchemaValidationError: The message names the image or the column.
    """
    import pyarrow as pa

    if not len(update.rows):
        return update
    rows = to_table(update.rows, what=what)
    for name in {*rows.column_names, column}.difference(schema.names):
        raise ColumnError(what, name, problem="is not in the schema", remedy="add it there")
    if column not in rows.schema.names:
        raise SchemaValidationError(
            f"{what} have no column {column!r}; add it, or name the right one with image_id_col="
        )
    if not pa.types.is_string(rows.schema.field(column).type):
        kind = rows.schema.field(column).type
        raise ColumnError(what, column, problem=f"holds {kind}, not text", remedy="convert it")
    for image_id in rows[column].unique().to_pylist():
        if image_id not in update.image_ids:
            raise SchemaValidationError(
                f"{what} name image {image_id!r} in {column!r}, "
                "which is not one of those being replaced; split the rows by image"
            )
    return RowUpdate(image_ids=update.image_ids, rows=rows)


def image_id_set(image_ids: str | Iterable[str]) -> frozenset[str]:
    """One image id, or several, as a set.

    Raises:
        TypeError: One of them is not text.
    """
    if not isinstance(image_ids, Iterable):
        raise TypeError(f"expected image ids as text, not {image_ids!r}; give one, or several")
    found = frozenset([image_ids] if isinstance(image_ids, str) else image_ids)
    given: frozenset[object] = found
    for image_id in given:
        if not isinstance(image_id, str) or not is_unicode(image_id):
            raise TypeError(f"expected image ids as text, not {image_id!r}; convert it")
    return found


def merge_rows(
    old: Iterator[pa.Table],
    updates: Iterable[RowUpdate],
    *,
    schema: pa.Schema,
    column: str,
    keep_others: Collection[str] | None,
    what: str,
) -> Iterator[pa.Table]:
    """The new table in sorted parts of about one row group each.

    The old parts are sorted by `column` within and across, and every image of one update comes
    before every image of the next. Of other images, those in `keep_others` keep their rows.

    Raises:
        SchemaValidationError: The updates are out of order, or a row does not fit the schema.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = (fit_columns(part, schema, what=what) for part in old)
    if keep_others is not None:
        kept = pa.array(sorted(keep_others), pa.string())
        parts = (_rows_of(part, column, kept) for part in parts)
    rest = _OldRows(parts, column=column)
    last: str | None = None
    for update in updates:
        if not update.image_ids:
            continue
        low, high = min(update.image_ids), max(update.image_ids)
        if last is not None and low <= last:
            raise SchemaValidationError(
                f"row updates out of order: {low!r} comes after {last!r}; sort them by image id"
            )
        last = high
        yield from rest.take_before(low)
        replaced = pa.array(sorted(update.image_ids), pa.string())
        others = [
            part.filter(pc.invert(pc.is_in(part[column], value_set=replaced)))
            for part in rest.take_before(high, inclusive=True)
        ]
        joined = pa.concat_tables([*others, fit_columns(update.rows, schema, what=what)])
        yield joined.sort_by(column) if len(joined) else joined
    yield from rest.take_all()


class _OldRows:
    """The old table's rows, handed out in order as the merge passes by."""

    def __init__(self, parts: Iterator[pa.Table], *, column: str) -> None:
        self._parts = parts
        self._column = column
        self._head: pa.Table | None = None

    def take_before(self, image_id: str, *, inclusive: bool = False) -> Iterator[pa.Table]:
        """Rows of images before `image_id`, and if `inclusive` of that one."""
        import pyarrow as pa
        import pyarrow.compute as pc

        is_due = pc.less_equal if inclusive else pc.less
        while (head := self._next_part()) is not None:
            ids = head[self._column]
            count = len(ids.filter(is_due(ids, pa.scalar(image_id))))
            yield head.slice(0, count)
            if count < len(head):
                self._head = head.slice(count)
                return

    def take_all(self) -> Iterator[pa.Table]:
        """All that are left."""
        return iter(self._next_part, None)

    def _next_part(self) -> pa.Table | None:
        head, self._head = self._head, None
        return next(self._parts, None) if head is None else head


def _rows_of(rows: pa.Table, column: str, image_ids: pa.Array[Any]) -> pa.Table:
    """The rows of some images, and those without an id, whose image cannot be gone."""
    import pyarrow.compute as pc

    ids = rows[column]
    return rows.filter(pc.or_(pc.is_in(ids, value_set=image_ids), pc.is_null(ids)))


def regroup(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
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
