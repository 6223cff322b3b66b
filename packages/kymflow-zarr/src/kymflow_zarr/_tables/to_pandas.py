"""An Arrow table as the pandas frame that `from_pandas` made it of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kymflow_zarr._tables.dtypes import (
    CATEGORIES,
    CATEGORY,
    MASKED,
    NAME,
    OBJECT,
    dtype_from_name,
    is_category,
    is_masked,
    name_in,
)

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


_HAS_NO_VALUE: Final = (ArithmeticError, LookupError, NotImplementedError, ValueError)
"""What Python and pandas raise for what they have not: the year 10,000, a zone, a category NaN."""


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


def categories_in(field: pa.Field[Any]) -> tuple[pa.ChunkedArray[Any], pa.Field[Any]]:
    """The categories of a categorical column in order, and what they were in pandas."""
    import pyarrow as pa

    stored = pa.ipc.open_stream((field.metadata or {})[CATEGORIES]).read_all()
    return stored.column(0), stored.schema.field(0)


def _to_pandas(column: pa.ChunkedArray[Any], field: pa.Field[Any]) -> Any:
    """A column as values that a frame takes."""
    name = name_in(field)
    if name is None:
        return _to_preferred(column)
    try:
        if is_category(name):
            return _to_categorical(column, field)
        if name.startswith(OBJECT):
            return _to_objects(column, marker=name.removeprefix(OBJECT).strip("[]"))
        dtype = dtype_from_name(name, column.type)
        if dtype is None:
            return _to_preferred(column)
        return _to_masked(column, dtype) if is_masked(name) else _to_dtype(column, dtype)
    except _HAS_NO_VALUE:  # rows of Arrow's or of another program, which do not fit the dtype
        return _to_preferred(column)


def _to_dtype(column: pa.ChunkedArray[Any], dtype: Any) -> Any:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(dtype, np.dtype):
        if dtype.kind in "biu" and column.null_count:
            return _to_preferred(column)
        return column.cast(pa.from_numpy_dtype(dtype)).to_numpy()
    if isinstance(dtype, pd.ArrowDtype):
        return pd.arrays.ArrowExtensionArray(column.cast(dtype.pyarrow_dtype))
    if isinstance(dtype, pd.IntervalDtype):
        subtype: Any = dtype.subtype
        if column.null_count and subtype.kind in "iu":
            subtype = np.dtype(float)
        left, right = (
            _to_dtype(pc.struct_field(column, side), subtype) for side in ("left", "right")
        )
        closed: Any = dtype.closed
        return pd.arrays.IntervalArray.from_arrays(left, right, closed=closed)
    if isinstance(dtype, pd.DatetimeTZDtype):
        column = column.cast(pa.timestamp(dtype.unit, column.type.tz))
    return dtype.__from_arrow__(column)


def _to_masked(column: pa.ChunkedArray[Any], dtype: Any) -> Any:
    """Numbers or booleans of which some are missing, which a NaN is not."""
    missing = column.is_null().to_numpy()
    zero: Any = False if dtype.kind == "b" else 0
    values = column.fill_null(zero).to_numpy()
    return dtype.construct_array_type()(values.astype(dtype.numpy_dtype), missing)


def _to_objects(column: pa.ChunkedArray[Any], *, marker: str = "") -> pd.Series[Any]:
    import pandas as pd

    # A bare array would become times where its objects are such.
    values = pd.Series(column.to_pylist(), dtype=object)
    missing = {"nan": np.nan, "NA": pd.NA, "NaT": pd.NaT}.get(marker)
    if missing is not None:
        values[column.is_null().to_numpy()] = missing
    return values


def _to_categorical(column: pa.ChunkedArray[Any], field: pa.Field[Any]) -> Any:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    stored, kind = categories_in(field)
    if pa.types.is_nested(stored.type):  # intervals
        places = {repr(value): at for at, value in enumerate(stored.to_pylist())}
        found: Any = pa.array([places.get(repr(value)) for value in column.to_pylist()], pa.int64())
    else:
        found = pc.index_in(column, value_set=stored.combine_chunks())
    if found.null_count != column.null_count:  # values of another program
        return _to_preferred(column)
    values = pd.Series(_to_pandas(stored, kind))
    name = (kind.metadata or {}).get(NAME)
    dtype = pd.CategoricalDtype(
        pd.Index(values, dtype=values.dtype, name=None if name is None else name.decode("utf-8")),
        ordered=name_in(field) != CATEGORY,
    )
    return pd.Categorical.from_codes(found.fill_null(-1).to_numpy(), dtype=dtype)


def _to_preferred(column: pa.ChunkedArray[Any]) -> Any:
    """A column in the dtype that pandas prefers for its type, its values being what they are."""
    import pandas as pd
    import pyarrow as pa

    masked = MASKED.get(str(column.type))
    if masked is not None and column.null_count and not pa.types.is_floating(column.type):
        return _to_masked(column, pd.api.types.pandas_dtype(masked))
    try:
        return _to_objects(column) if pa.types.is_nested(column.type) else column.to_pandas().array
    except _HAS_NO_VALUE:
        return pd.arrays.ArrowExtensionArray(column)
