"""What a column was in pandas: a name in its Arrow field, because Arrow's type alone does not say.

Whole numbers in Arrow are ``int64``, ``Int64`` or Arrow-backed in pandas, text is one of six
things. The name is in the field's metadata, ``kymflow_zarr.dtype``, which other readers ignore. A
column without one becomes what pandas makes of its Arrow type.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from kymflow_zarr._tables.arrow_types import plain_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

Metadata: TypeAlias = "dict[bytes | str, bytes | str]"
"""Metadata of a field, as Arrow takes them."""

DTYPE: Final = b"kymflow_zarr.dtype"
CATEGORIES: Final = b"kymflow_zarr.categories"
"""The categories of a categorical column: an Arrow stream with one column."""

NAME: Final = b"kymflow_zarr.name"
"""The name of the categories, in the metadata of that column."""

CATEGORY: Final = "category"
"""Categories without an order; ``category[ordered]`` where they have one."""

OBJECT: Final = "object"
"""Python objects; ``object[nan]`` where some are missing, and are ``nan``."""

MASKED: Final[Mapping[str, str]] = {
    "bool": "boolean",
    "float": "Float32",
    "double": "Float64",
    **{
        f"{sign}int{bits}": f"{sign.upper()}Int{bits}"
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
}
"""Arrow type → pandas' own dtype for such values, of which some may be missing."""

_MASKED_NAMES: Final = frozenset(MASKED.values())


def name_in(field: pa.Field[Any]) -> str | None:
    """The name of a column's dtype; None where it has none, or one that says nothing."""
    known = field.metadata or {}
    name = known.get(DTYPE, b"").decode("utf-8", errors="replace")
    return name if name and (CATEGORIES in known or not is_category(name)) else None


def is_category(name: str | None) -> bool:
    """Whether a name is that of categories."""
    return name is not None and name.startswith(CATEGORY)


def is_masked(name: str | None) -> bool:
    """Whether a name is that of one of pandas' own dtypes for numbers of which some are missing."""
    return name in _MASKED_NAMES


def has_meaning(name: str | None) -> bool:
    """Whether a name is that of periods or intervals: in any other dtype they are bare numbers."""
    return name is not None and name.startswith(("period[", "interval["))


def dtype_name(dtype: Any) -> str:
    """The name of a dtype. It need not lead back to it: ask `dtype_from_name`."""
    import pandas as pd

    if isinstance(dtype, pd.StringDtype):
        return f"{'string' if dtype.na_value is pd.NA else 'str'}[{dtype.storage}]"
    if isinstance(dtype, pd.ArrowDtype):
        return f"arrow[{dtype.pyarrow_dtype}]"
    if isinstance(dtype, pd.CategoricalDtype):
        return f"{CATEGORY}[ordered]" if dtype.ordered else CATEGORY
    return str(dtype)


def dtype_from_name(name: str, kind: pa.DataType) -> Any | None:
    """The dtype of a name, neither objects nor categories; None if it cannot hold such values."""
    dtype, plain = _parse_name(name)
    if name.startswith("arrow[") and dtype is None:
        import pandas as pd

        return pd.ArrowDtype(kind) if name == f"arrow[{kind}]" else None
    return dtype if plain == kind else None


@cache
def _parse_name(name: str) -> tuple[Any, pa.DataType | None]:
    """A dtype, and the plain type of its values."""
    import pandas as pd
    import pyarrow as pa

    dtype: Any
    if name.startswith("arrow["):
        # Those whose plain type differs.
        several: list[pa.DataType] = [
            pa.large_string(),
            pa.string_view(),
            pa.large_binary(),
            pa.binary_view(),
            pa.timestamp("s"),
            pa.time32("s"),
            pa.date64(),
        ]
        kind = next((kind for kind in several if name == f"arrow[{kind}]"), None)
        return (None, None) if kind is None else (pd.ArrowDtype(kind), plain_type(kind))
    if name.startswith(("str[", "string[")):
        base, _, storage = name.removesuffix("]").partition("[")
        na_value = np.nan if base == "str" else pd.NA
        try:
            return pd.StringDtype(storage, na_value=na_value), pa.string()
        except ValueError:
            return None, None
    try:
        dtype = pd.api.types.pandas_dtype(name)
        kind = pa.Array.from_pandas(pd.Series(dtype=dtype)).type
    except (LookupError, NotImplementedError, TypeError, ValueError):  # Arrow's errors are such
        return None, None
    if not isinstance(dtype, np.dtype) and not hasattr(dtype, "__from_arrow__"):
        return None, None  # a dtype of another package that leads to Arrow, but not back
    return dtype, plain_type(kind)


def names_from_pandas(schema: pa.Schema) -> dict[str, str]:
    """Column → name, of those that have none, from what pandas or version 0.1 wrote instead."""
    text = (schema.metadata or {}).get(b"pandas")
    if text is None:
        return {}
    from pandas import CategoricalDtype
    from pandas.api.extensions import ExtensionDtype

    try:
        columns = json.loads(text)["columns"]
        stored_names = {column["field_name"]: column["numpy_type"] for column in columns}
    except (ValueError, LookupError, TypeError):  # values do not depend on it
        return {}
    found = {}
    for field in schema:
        name = stored_names.get(field.name)
        if isinstance(name, str) and name_in(field) is None:
            dtype = _parse_name(name)[0]
            # Categories are with the values.
            if isinstance(dtype, ExtensionDtype) and not isinstance(dtype, CategoricalDtype):
                found[field.name] = dtype_name(dtype)
    return found


def pandas_metadata(schema: pa.Schema) -> Mapping[bytes, bytes]:
    """What lets other programs, and version 0.1, read a table with pandas' own dtypes."""
    import pandas as pd
    import pyarrow as pa

    known = {}
    for field in schema:
        name = name_in(field)
        if name is not None and (
            is_masked(name) or has_meaning(name) or name.startswith("string[")
        ):
            known[field.name] = pd.Series(dtype=dtype_from_name(name, field.type))
    if not known:
        return {}
    return pa.Schema.from_pandas(pd.DataFrame(known), preserve_index=False).metadata or {}
