"""Row discipline: what an indexer returned for each image becomes checked Arrow rows.

All functions here are pure. Images whose frames have the same columns are converted together,
because converting costs far more than a row; only when that fails is each image looked at alone.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kymflow.core.errors import RowError
from kymflow.core.provenance import ANALYSIS_VERSION, IMAGE_ID, PARAMS_HASH

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

__all__ = ["NULLABLE", "ImageRows", "check_frame", "check_text", "stamped_rows"]

NULLABLE = b"pandas_nullable"

_KINDS: Final = (
    (bool, np.bool_),
    (int, float, np.integer, np.floating),
    (str,),
    (dt.datetime, np.datetime64),
    (dt.timedelta, np.timedelta64),
    (list, tuple, np.ndarray),
)
"""Types of values that may share a column; any other type stays among its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRows:
    """What an indexer says of one image.

    Attributes:
        image_id: The image.
        params_hash: The hash of what decides the rows; None if each row says that, and the version
            of the code, itself.
        frame: The rows, at least one, with column names that are text and unique.
    """

    image_id: str
    params_hash: str | None
    frame: pd.DataFrame


def check_frame(frame: object, *, indexer: str, image_id: str) -> pd.DataFrame:
    """Refuse anything but a data frame whose columns have names of their own.

    Raises:
        RowError: It names indexer, image and column.
    """
    import pandas as pd

    def refuse(column: str, reason: str) -> RowError:
        return RowError(indexer=indexer, image_id=image_id, column=column, reason=reason)

    if not isinstance(frame, pd.DataFrame):
        raise refuse("", f"it returned a {type(frame).__name__}; return a pandas DataFrame")
    names: list[object] = list(frame.columns)
    for name in names:
        if not isinstance(name, str) or not name:
            raise refuse(str(name), "a column name must be text; rename the column")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise refuse(str(twice), "the column is there twice; rename or drop one")
    return frame


def check_text(value: object, column: str, *, indexer: str, image_id: str) -> str:
    """Refuse a provenance value that is no text.

    Raises:
        RowError: It names indexer, image and column.
    """
    if not isinstance(value, str) or not value:
        raise RowError(
            indexer=indexer,
            image_id=image_id,
            column=column,
            reason=f"{column}() returned {value!r}; return text that is not empty",
        )
    return value


def stamped_rows(
    images: Sequence[ImageRows], *, indexer: str, analysis_version: str
) -> tuple[list[pa.Table], list[RowError]]:
    """The rows of some images with their provenance, in parts that have one schema each.

    Args:
        images: The images, each with at least one row.
        indexer: The indexer's name, for messages.
        analysis_version: Its version.

    Returns:
        The parts, the provenance columns first in each; and an error for each image whose rows
        break a rule, which then is in no part.
    """
    parts: list[pa.Table] = []
    errors: list[RowError] = []
    for group in _same_columns(images):
        try:
            parts.append(_stamp(group, indexer=indexer, analysis_version=analysis_version))
        except RowError as error:
            if len(group) == 1:
                errors.append(error)
                continue
            for image in group:
                try:
                    one = _stamp([image], indexer=indexer, analysis_version=analysis_version)
                except RowError as own:
                    errors.append(own)
                else:
                    parts.append(one)
    return parts, errors


def _same_columns(images: Iterable[ImageRows]) -> list[list[ImageRows]]:
    groups: dict[object, list[ImageRows]] = {}
    for image in images:
        frame = image.frame
        signature = (tuple(frame.columns), tuple(frame.dtypes.array))
        groups.setdefault(signature, []).append(image)
    return list(groups.values())


def _stamp(group: Sequence[ImageRows], *, indexer: str, analysis_version: str) -> pa.Table:
    """The rows of images with equal columns; a `RowError` names the first of them."""
    import pandas as pd
    import pyarrow as pa

    frames = [image.frame for image in group]
    frame = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True, sort=False)
    image_id = group[0].image_id
    rows = _arrow_columns(frame, indexer=indexer, image_id=image_id)
    counts = [len(frame) for frame in frames]
    expected: dict[str, pa.StringArray] = {
        IMAGE_ID: _repeated([image.image_id for image in group], counts),
        ANALYSIS_VERSION: _provenance(
            group, [analysis_version] * len(group), counts, rows, ANALYSIS_VERSION, indexer=indexer
        ),
        PARAMS_HASH: _provenance(
            group, [i.params_hash for i in group], counts, rows, PARAMS_HASH, indexer=indexer
        ),
    }
    for given, right in expected.items():
        if given in rows:
            _check_given(rows[given], right, given, indexer=indexer, image_id=image_id)
    values: list[pa.Array[Any] | pa.ChunkedArray[Any]] = list(expected.values())
    fields = [pa.field(column, pa.string()) for column in expected]
    for name, column in rows.items():
        if name not in expected:
            values.append(column)
            fields.append(pa.field(name, column.type, metadata=_nullable(frame.dtypes[name])))
    return pa.table(values, schema=pa.schema(fields))


def _repeated(values: list[str], counts: list[int]) -> pa.StringArray:
    import pyarrow as pa

    return pa.array(values, pa.string()).take(np.repeat(np.arange(len(counts)), counts))


def _provenance(
    group: Sequence[ImageRows],
    given: Sequence[str | None],
    counts: list[int],
    rows: Mapping[str, pa.ChunkedArray[Any]],
    column: str,
    *,
    indexer: str,
) -> pa.StringArray:
    """A provenance column: one value per image, or what each row itself says."""
    import pyarrow as pa

    values: list[str | None] = []
    said = rows[column].to_pylist() if column in rows else [None] * sum(counts)
    for image, value, count in zip(group, given, counts, strict=True):
        if image.params_hash is not None:
            values += [value] * count
            continue
        for text in said[len(values) : len(values) + count]:
            if not isinstance(text, str) or not text:
                raise RowError(
                    indexer=indexer,
                    image_id=image.image_id,
                    column=column,
                    reason=f"a row says {text!r}; give every row text that is not empty",
                )
            values.append(text)
    return pa.array(values, pa.string())


def _check_given(
    given: pa.ChunkedArray[Any],
    expected: pa.StringArray,
    column: str,
    *,
    indexer: str,
    image_id: str,
) -> None:
    import pyarrow as pa

    if given.equals(pa.chunked_array([expected])):
        return
    for said, right in zip(given.to_pylist(), expected.to_pylist(), strict=True):
        if said != right:
            raise RowError(
                indexer=indexer,
                image_id=image_id,
                column=column,
                reason=f"a row says {said!r}, but it must be {right!r}; "
                "return that, or leave the column out",
            )


def _arrow_columns(
    frame: pd.DataFrame, *, indexer: str, image_id: str
) -> dict[str, pa.ChunkedArray[Any]]:
    """Every column in a type that Parquet holds and that means the same everywhere."""
    import pyarrow as pa

    for name, dtype in zip(frame.columns, frame.dtypes.array, strict=True):
        if isinstance(dtype, np.dtype) and dtype.kind == "O":
            _check_one_kind(frame[name], indexer=indexer, image_id=image_id)
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        for name in frame.columns:
            try:
                pa.Array.from_pandas(frame[name])
            except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
                raise RowError(
                    indexer=indexer,
                    image_id=image_id,
                    column=name,
                    reason=f"Parquet cannot hold it ({error}); "
                    "give it one type, and store nested values as JSON text",
                ) from error
        raise
    columns = {}
    for name in table.schema.names:
        column = table[name]
        plain = _plain_type(column.type)
        if plain is None:
            raise RowError(
                indexer=indexer,
                image_id=image_id,
                column=name,
                reason=f"values of type {column.type} are not kept in tables; "
                "store them as JSON text, or as plain numbers, text or times",
            )
        columns[name] = column if plain == column.type else column.cast(plain)
    return columns


def _check_one_kind(column: pd.Series[Any], *, indexer: str, image_id: str) -> None:
    """Refuse a mixture that Arrow would make one type of without a word: dates with times, …."""
    types = {type(value) for value in column.dropna()}
    kinds = {
        next((kind for kind in _KINDS if issubclass(value_type, kind)), (value_type,))
        for value_type in types
    }
    if len(kinds) > 1:
        raise RowError(
            indexer=indexer,
            image_id=image_id,
            column=str(column.name),
            reason=f"Parquet cannot hold it ({', '.join(sorted(t.__name__ for t in types))} "
            "in one column); give it one type, and store nested values as JSON text",
        )


def _plain_type(kind: pa.DataType) -> pa.DataType | None:
    """The type that stands for this one in tables; None if no table should hold it."""
    import pyarrow as pa

    types = pa.types
    if isinstance(kind, pa.DictionaryType):
        return _plain_type(kind.value_type)
    if types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_large_binary(kind) or types.is_binary_view(kind):
        return pa.binary()
    if isinstance(kind, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
        inner = _plain_type(kind.value_type)
        return None if inner is None else pa.list_(inner)
    if types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType):
        return None
    return kind


def _nullable(dtype: object) -> dict[bytes, bytes] | None:
    """Names pandas' own type for numbers with gaps (``Int64``), which Arrow does not tell apart."""
    import pandas as pd

    if isinstance(dtype, pd.api.extensions.ExtensionDtype) and pd.api.types.is_numeric_dtype(dtype):
        return {NULLABLE: dtype.name.encode("utf-8")}
    return None
