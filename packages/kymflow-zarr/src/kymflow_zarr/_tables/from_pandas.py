"""A pandas frame as an Arrow table that `to_pandas` makes an equal frame of, or an error.

Every column is verified: its dtype has a name from which it can be restored, or its Python objects
are compared with those that Arrow gives back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kymflow_zarr._storage.json_text import is_unicode
from kymflow_zarr._tables.arrow_types import plain_column
from kymflow_zarr._tables.dtypes import (
    CATEGORIES,
    CATEGORY,
    DTYPE,
    NAME,
    OBJECT,
    Metadata,
    dtype_from_name,
    dtype_name,
)
from kymflow_zarr.errors import ColumnError, SchemaValidationError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_MAX_CATEGORIES_BYTES: Final = 16 * 2**20
_PLAIN_VALUES: Final = "convert its values to text or numbers, with None for missing ones"


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


def check_frame(frame: object, *, what: str) -> pd.DataFrame:
    """A frame with distinct column names and an index that only counts rows.

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
    if not frame.flags.allows_duplicate_labels:
        raise SchemaValidationError(
            f"{what}: its flag against duplicate labels would be lost; drop it with "
            "set_flags(allows_duplicate_labels=True)"
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
        if not isinstance(name, str) or not name or not is_unicode(name):
            problem, remedy = f"has the name {name!r}, but a name must be text", "rename it"
        elif (other := seen.get(name.lower())) is None:
            seen[name.lower()] = name
            continue
        elif other == name:
            problem, remedy = "appears twice", "rename or drop one of them"
        else:
            problem, remedy = f"differs from {other!r} only in case", "rename one of them"
        raise ColumnError(what, str(name), problem=problem, remedy=remedy)


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
    column = plain_column(_as_chunked(pa.array(series, from_pandas=True)))
    if dtype_from_name(name, column.type) != dtype:
        raise ValueError(f"{dtype!r} would come back as another dtype")
    return column, {DTYPE: name.encode("utf-8")}


def _objects_to_arrow(series: pd.Series[Any]) -> tuple[pa.ChunkedArray[Any], Metadata]:
    import pyarrow as pa

    values = series.to_numpy(copy=True)
    missing = series.isna().to_numpy()
    markers = {_marker(value) for value in values[missing]}
    if len(markers) > 1:
        raise ValueError(f"missing values are {' and '.join(sorted(markers))}")
    values[missing] = None
    column = plain_column(_as_chunked(pa.array(values, from_pandas=False)))
    # Text and bytes need no check, which would take longer than writing them.
    types = set(map(type, values[~missing]))
    if types not in ({str}, {bytes}) and not all(map(_are_same, values, column.to_pylist())):
        raise ValueError("they would come back as other objects")
    name = "".join([OBJECT, *(f"[{marker}]" for marker in markers)])
    return column, {DTYPE: name.encode("utf-8")}


def _categories_to_arrow(series: pd.Series[Any]) -> tuple[pa.ChunkedArray[Any], Metadata]:
    import pandas as pd
    import pyarrow as pa

    index = series.cat.categories
    categories, metadata = _to_arrow(pd.Series(index))
    if index.name is not None:
        if not isinstance(index.name, str):
            raise ValueError(f"its categories have the name {index.name!r}, which is not text")
        metadata = {**metadata, NAME: index.name.encode("utf-8")}
    codes = series.cat.codes.to_numpy()
    places: Any = pa.array(codes, mask=codes < 0)
    ordered = bool(series.cat.ordered)
    return categories.take(places), category_metadata(categories, metadata, ordered=ordered)


def category_metadata(
    categories: pa.ChunkedArray[Any], metadata: Metadata, *, ordered: bool
) -> Metadata:
    """The metadata of a categorical column's field.

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


def _as_chunked(values: Any) -> pa.ChunkedArray[Any]:
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
    """What a column holds, as text."""
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
        if not dtype.isnative:
            return f"convert it with .astype({dtype.newbyteorder('=').name!r})"
        if dtype.kind == "f":
            return "convert it with .astype('float64')"
        return f"try .infer_objects(), or {_PLAIN_VALUES}"
    return _PLAIN_VALUES
