"""A pandas frame as an Arrow table, and back: equal in values and dtypes, or refused by name.

Every column is proven on the way in: its dtype has a name that leads back to it, or its Python
objects are compared with those that Arrow gives back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kymflow_zarr._tables.arrow_types import plain_column
from kymflow_zarr._tables.dtypes import (
    CATEGORIES,
    CATEGORY,
    DTYPE,
    MASKED,
    OBJECT,
    Metadata,
    dtype_name,
    is_category,
    is_masked,
    name_in,
    named_dtype,
)
from kymflow_zarr.errors import ColumnError, SchemaValidationError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = [
    "categories_in",
    "category_metadata",
    "check_column_names",
    "check_frame",
    "frame_to_table",
    "table_to_frame",
]

_MAX_CATEGORIES_BYTES: Final = 16 * 2**20


def frame_to_table(frame: pd.DataFrame, *, what: str) -> pa.Table:
    """A frame as a table that `table_to_frame` makes the same frame of.

    What pandas calls equal may look different: decimals of a column get the same number of places,
    and NumPy's scalars among objects become Python's.

    Args:
        frame: Columns whose names are text and differ in more than case. An index of unnamed whole
            numbers is dropped.
        what: What is being stored, for messages.

    Raises:
        TypeError: It is not a frame.
        SchemaValidationError: It has an index that would be lost.
        ColumnError: A column cannot be kept as it is.
    """
    import pyarrow as pa

    check_frame(frame, what=what)
    columns, fields = [], []
    for name, series in frame.items():
        try:
            column, metadata = _to_arrow(series)
            column.validate(full=True)
        # TypeError: Arrow has no type for the values. Its other errors are of the first kind.
        except (pa.ArrowException, TypeError, ValueError, ArithmeticError) as error:
            raise ColumnError(
                what,
                str(name),
                problem=f"holds {_kind(series)}; Parquet cannot hold it as it is ({error})",
                remedy=_remedy(series),
            ) from error
        columns.append(column)
        fields.append(pa.field(str(name), column.type, metadata=metadata))
    return pa.table(columns, schema=pa.schema(fields))


def table_to_frame(table: pa.Table) -> pd.DataFrame:
    """The frame that `frame_to_table` made a table of.

    A column that does not say what it was has the dtype that pandas prefers for its type, and keeps
    its values: whole numbers and booleans of which some are missing are ``Int64`` and ``boolean``,
    and what pandas has no values for is Arrow-backed.
    """
    import pandas as pd

    if not table.num_columns:
        return pd.DataFrame(index=range(table.num_rows))
    values = map(_to_pandas, table.columns, table.schema)
    frame = pd.DataFrame(dict(enumerate(values)))
    frame.columns = pd.Index(table.column_names)
    return frame


def check_frame(frame: object, *, what: str) -> pd.DataFrame:
    """A frame whose columns have names of their own and whose index says nothing.

    Args:
        frame: What may be one. An index of unnamed whole numbers only counts rows.
        what: What is being stored, for messages.

    Raises:
        TypeError: It is not a frame.
        SchemaValidationError: It has an index that would be lost, or rows but no columns.
        ColumnError: A column's name is not text, or differs from another one in no more than case.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise TypeError(
            f"{what}: expected a pandas DataFrame, not a {type(frame).__name__} of "
            f"{type(frame).__module__}; convert it first"
        )
    check_column_names(frame.columns, what=what)
    index = frame.index
    counts_rows = index.nlevels == 1 and (not len(index) or index.dtype.kind in "iu")
    named = [str(name) for name in index.names if name is not None]
    if named or not counts_rows:
        raise SchemaValidationError(
            f"{what}: its index ({', '.join(named) or index.dtype}) would be lost; make columns "
            "of it with reset_index(), or drop it with reset_index(drop=True)"
        )
    if frame.columns.name is not None:
        raise SchemaValidationError(
            f"{what}: the name {frame.columns.name!r} of its columns would be lost; drop it with "
            "rename_axis(columns=None)"
        )
    if frame.attrs:
        raise SchemaValidationError(
            f"{what}: its attrs ({', '.join(map(str, frame.attrs))}) would be lost; save them "
            "as a JSON artifact, and clear them with attrs.clear()"
        )
    if len(index) and not len(frame.columns):
        raise SchemaValidationError(f"{what}: it has {len(index)} rows but no columns; add some")
    return frame


def check_column_names(names: Iterable[object], *, what: str) -> None:
    """Refuse names that are not text, or that do not differ in more than case.

    Raises:
        ColumnError: The message names the column.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name or not _is_unicode(name):
            problem, remedy = f"has the name {name!r}, but a name must be text", "rename it"
        elif (other := seen.get(name.lower())) is None:
            seen[name.lower()] = name
            continue
        elif other == name:
            problem, remedy = "is there twice", "rename or drop one of them"
        else:
            problem, remedy = f"differs from {other!r} only in case", "rename one of them"
        raise ColumnError(what, str(name), problem=problem, remedy=remedy)


def _is_unicode(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


# --- to Arrow -------------------------------------------------------------------------------------


def _to_arrow(series: pd.Series[Any]) -> tuple[pa.ChunkedArray[Any], Metadata]:
    """A column in its plain type, and the metadata of its field.

    Raises:
        ValueError: It cannot be kept as it is; Arrow's own errors mean the same.
    """
    import pandas as pd
    import pyarrow as pa

    dtype: Any = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _categories_to_arrow(series)
    if dtype == np.dtype(object):
        return _objects_to_arrow(series)
    if isinstance(dtype, pd.ArrowDtype) and pa.types.is_nested(dtype.pyarrow_dtype):
        raise ValueError("nested values in an Arrow-backed column")
    name = dtype_name(dtype)
    column = plain_column(_chunked(pa.array(series, from_pandas=True)))
    if named_dtype(name, column.type) != dtype:
        raise ValueError(f"{dtype!r} would come back as another dtype")
    return column, {DTYPE: name.encode("utf-8")}


def _objects_to_arrow(series: pd.Series[Any]) -> tuple[pa.ChunkedArray[Any], Metadata]:
    import pyarrow as pa

    values = series.to_numpy(copy=True)
    missing = series.isna().to_numpy()
    markers = {_marker(value) for value in values[missing]} or {"None"}
    if len(markers) > 1:
        raise ValueError(f"missing values are {' and '.join(sorted(markers))}")
    values[missing] = None
    column = plain_column(_chunked(pa.array(values, from_pandas=False)))
    # Text and bytes need no proof, which takes longer than to write them.
    types = set(map(type, values[~missing]))
    if types not in ({str}, {bytes}) and not all(map(_are_same, values, column.to_pylist())):
        raise ValueError("they would come back as other objects")
    (marker,) = markers
    name = OBJECT if marker == "None" else f"{OBJECT}[{marker}]"
    return column, {DTYPE: name.encode("utf-8")}


def _categories_to_arrow(series: pd.Series[Any]) -> tuple[pa.ChunkedArray[Any], Metadata]:
    import pandas as pd
    import pyarrow as pa

    categories, metadata = _to_arrow(pd.Series(series.cat.categories))
    codes = series.cat.codes.to_numpy()
    places: Any = pa.array(codes, mask=codes < 0)
    ordered = bool(series.cat.ordered)
    return categories.take(places), category_metadata(categories, metadata, ordered=ordered)


def category_metadata(
    categories: pa.ChunkedArray[Any], metadata: Metadata, *, ordered: bool
) -> Metadata:
    """The metadata of a categorical column's field.

    Args:
        categories: All categories in order, plain.
        metadata: What they were in pandas.
        ordered: Whether they have an order.

    Raises:
        ValueError: They take more room than a file should have for them.
    """
    import pyarrow as pa

    schema = pa.schema([pa.field("categories", categories.type, metadata=metadata)])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.table([categories], schema=schema))
    stream = sink.getvalue().to_pybytes()
    if len(stream) > _MAX_CATEGORIES_BYTES:
        raise ValueError(f"the categories have {len(stream)} bytes")
    name = f"{CATEGORY}[ordered]" if ordered else CATEGORY
    return {DTYPE: name.encode("utf-8"), CATEGORIES: stream}


def _chunked(values: Any) -> pa.ChunkedArray[Any]:
    import pyarrow as pa

    return values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])


def _marker(value: object) -> str:
    """What stands for a missing value."""
    import pandas as pd

    for marker, name in ((None, "None"), (pd.NA, "NA"), (pd.NaT, "NaT")):
        if value is marker:
            return name
    if isinstance(value, float):
        return "nan"
    raise ValueError(f"a missing value is {value!r}")


def _are_same(one: object, other: object) -> bool:
    """Whether two objects are equal and of the same type; NumPy's scalars are numbers, too."""
    one = one.item() if isinstance(one, np.generic) else one
    if type(one) is not type(other):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_are_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_are_same(one[key], other[key]) for key in one)
    if isinstance(one, dt.datetime) and isinstance(other, dt.datetime):
        return one == other and one.tzinfo == other.tzinfo
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return one == other and one.is_signed() == other.is_signed()
    return bool(one == other or (one != one and other != other))  # noqa: PLR0124 - NaN


def _kind(series: pd.Series[Any]) -> str:
    """What a column holds, in words."""
    if series.dtype != np.dtype(object):
        return f"values of dtype {series.dtype}"
    types = {type(value).__name__ for value in series}
    return f"objects of type {' and '.join(sorted(types))}"


def _remedy(series: pd.Series[Any]) -> str:
    """What to do about a column that cannot be kept."""
    import pandas as pd

    dtype: Any = series.dtype
    if isinstance(dtype, pd.SparseDtype):
        return "call .sparse.to_dense()"
    if isinstance(dtype, pd.DatetimeTZDtype):
        return "convert it with .dt.tz_convert('UTC')"
    if isinstance(dtype, pd.CategoricalDtype):
        return "convert it with .astype(str)"
    if isinstance(dtype, np.dtype):
        if dtype.kind == "c":
            return "keep the real and the imaginary parts in two columns"
        if dtype.kind == "O":
            return "give it values of one type, and one for those that are missing, or JSON text"
        if not dtype.isnative:
            return f"convert it with .astype({dtype.newbyteorder('=').name!r})"
        return "convert it with .astype('float64')"
    return "convert it with .astype(object)"


# --- to pandas ------------------------------------------------------------------------------------


def categories_in(field: pa.Field[Any]) -> tuple[pa.ChunkedArray[Any], pa.Field[Any]]:
    """The categories of a categorical column in order, and what they were in pandas."""
    import pyarrow as pa

    stored = pa.ipc.open_stream((field.metadata or {})[CATEGORIES]).read_all()
    return stored.column(0), stored.schema.field(0)


def _to_pandas(column: pa.ChunkedArray[Any], field: pa.Field[Any]) -> Any:
    """A column as values that a frame takes."""
    import pyarrow as pa

    name = name_in(field)
    if name is None:
        return _preferred(column)
    if is_category(name):
        return _categorical(column, field)
    if name.startswith(OBJECT):
        return _objects(column, marker=name.removeprefix(OBJECT).strip("[]"))
    dtype = named_dtype(name, column.type)
    if dtype is None:
        return _preferred(column)
    try:
        return _masked(column, dtype) if is_masked(name) else _of_dtype(column, dtype)
    except pa.ArrowInvalid:  # a file of someone else: its values are not those of its dtype
        return _preferred(column)


def _of_dtype(column: pa.ChunkedArray[Any], dtype: Any) -> Any:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(dtype, np.dtype):
        if dtype.kind in "biu" and column.null_count:
            return _preferred(column)
        return column.cast(pa.from_numpy_dtype(dtype)).to_numpy()
    if isinstance(dtype, pd.ArrowDtype):
        return pd.arrays.ArrowExtensionArray(column.cast(dtype.pyarrow_dtype))
    if isinstance(dtype, pd.IntervalDtype):
        subtype: Any = dtype.subtype
        if column.null_count and subtype.kind in "iu":
            subtype = np.dtype(float)
        left, right = (
            _of_dtype(pc.struct_field(column, side), subtype) for side in ("left", "right")
        )
        closed: Any = dtype.closed
        return pd.arrays.IntervalArray.from_arrays(left, right, closed=closed)
    if isinstance(dtype, pd.DatetimeTZDtype):
        column = column.cast(pa.timestamp(dtype.unit, column.type.tz))
    return dtype.__from_arrow__(column)


def _masked(column: pa.ChunkedArray[Any], dtype: Any) -> Any:
    """Numbers or booleans of which some are missing, which a NaN is not."""
    missing = column.is_null().to_numpy()
    zero: Any = False if dtype.kind == "b" else 0
    values = column.fill_null(zero).to_numpy()
    return dtype.construct_array_type()(values.astype(dtype.numpy_dtype), missing)


def _objects(column: pa.ChunkedArray[Any], *, marker: str = "") -> pd.Series[Any]:
    import pandas as pd

    # A bare array would become times where its objects are such.
    values = pd.Series(column.to_pylist(), dtype=object)
    if marker:
        missing = {"nan": np.nan, "NA": pd.NA, "NaT": pd.NaT}[marker]
        values[column.is_null().to_numpy()] = missing
    return values


def _categorical(column: pa.ChunkedArray[Any], field: pa.Field[Any]) -> Any:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    stored, kind = categories_in(field)
    if pa.types.is_nested(stored.type):  # intervals
        places = {repr(value): at for at, value in enumerate(stored.to_pylist())}
        found: Any = pa.array([places.get(repr(value)) for value in column.to_pylist()], pa.int64())
    else:
        found = pc.index_in(column, value_set=stored.combine_chunks())
    if found.null_count != column.null_count:  # values of someone else
        return _preferred(column)
    values = pd.Series(_to_pandas(stored, kind))
    dtype = pd.CategoricalDtype(
        pd.Index(values, dtype=values.dtype), ordered=name_in(field) != CATEGORY
    )
    return pd.Categorical.from_codes(found.fill_null(-1).to_numpy(), dtype=dtype)


def _preferred(column: pa.ChunkedArray[Any]) -> Any:
    """A column in the dtype that pandas prefers for its type, its values being what they are."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_nested(column.type):
        return _objects(column)
    masked = MASKED.get(str(column.type))
    if masked is not None and column.null_count and not pa.types.is_floating(column.type):
        return _masked(column, pd.api.types.pandas_dtype(masked))
    try:
        return column.to_pandas().array
    except (ValueError, LookupError):  # no such date or time in Python, no such time zone
        return pd.arrays.ArrowExtensionArray(column)
