"""Row discipline: what an indexer returned for each image becomes checked Arrow rows.

All functions here are pure. Images whose frames have the same columns are converted together,
because converting costs far more than a row; only when that fails is each image looked at alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kymflow.core.errors import RowError
from kymflow.core.provenance import ANALYSIS_VERSION, IMAGE_ID, PARAMS_HASH
from kymflow_zarr import ColumnError, SchemaValidationError, frames

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


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
    """Refuse anything but a data frame with distinct column names.

    Raises:
        RowError: It names indexer, image and column.
    """
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        raise RowError(
            indexer=indexer,
            image_id=image_id,
            column="",
            reason=f"it returned a {type(frame).__name__}; return a pandas DataFrame",
        )
    with _row_errors(indexer=indexer, image_id=image_id):
        return frames.check_frame(frame, what="the rows")


def check_text(value: object, column: str, *, indexer: str, image_id: str) -> str:
    """Refuse a provenance value that is not text.

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
        try:
            groups.setdefault(signature, []).append(image)
        except UnicodeEncodeError:  # a category that is not Unicode: refused by name, later
            groups[image.image_id] = [image]
    return list(groups.values())


def _stamp(group: Sequence[ImageRows], *, indexer: str, analysis_version: str) -> pa.Table:
    """The rows of images with equal columns; a `RowError` names the first of them."""
    import pandas as pd
    import pyarrow as pa

    parts = [image.frame for image in group]
    frame = parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True, sort=False)
    image_id = group[0].image_id
    with _row_errors(indexer=indexer, image_id=image_id):
        table = frames.frame_to_table(frame, what="the rows")
    rows = dict(zip(table.column_names, table.columns, strict=True))
    counts = [len(part) for part in parts]
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
    fields: list[pa.Field[Any]] = [pa.field(column, pa.string()) for column in expected]
    for field in table.schema:
        if field.name not in expected:
            if frame.dtypes[field.name] == np.dtype(object) and _holds_dicts(field.type):
                raise RowError(
                    indexer=indexer,
                    image_id=image_id,
                    column=field.name,
                    reason="dicts are not kept in tables; store them as JSON text",
                )
            values.append(rows[field.name])
            fields.append(field)
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


def _holds_dicts(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if isinstance(kind, pa.ListType):
        return _holds_dicts(kind.value_type)
    return pa.types.is_nested(kind)


@contextmanager
def _row_errors(*, indexer: str, image_id: str) -> Iterator[None]:
    """What the store refuses of a frame, as an error of the image."""
    try:
        yield
    except ColumnError as error:
        raise RowError(
            indexer=indexer,
            image_id=image_id,
            column=error.column,
            reason=f"it {error.problem}; {error.remedy}",
        ) from error
    except SchemaValidationError as error:
        raise RowError(indexer=indexer, image_id=image_id, column="", reason=str(error)) from error
