"""The results of all analyses in one table, and that table as a file for R or MATLAB.

`combine_regions` has one row per image, label and region; `combine_times` one per moment as well,
and `combine_all_times` does that for all images.
Columns are named ``<analysis>_<column>``, and ``<analysis>_<table>_<column>`` for further tables.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kymflow.core.analysis import (
    Analysis,
    RegionResult,
    list_labels,
    load_result_table,
    load_results,
)
from kymflow.core.analysis.storage import rows_of_region
from kymflow.core.errors import KymflowCoreError, MissingExtraError
from kymflow_zarr import KymflowZarrError

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr import ZarrDataset, ZarrImageRecord

__all__ = [
    "combine_all_times",
    "combine_regions",
    "combine_times",
    "matlab_names",
    "save_table",
]

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_LONGEST_NAME: Final = 63
_MATLAB_KEYWORDS: Final = frozenset(
    {
        *("break", "case", "catch", "classdef", "continue", "else", "elseif", "end", "for"),
        *("function", "global", "if", "otherwise", "parfor", "persistent", "return", "spmd"),
        *("switch", "try", "while"),
    }
)
_REGION: Final = ("image_id", "label", "channel", "roi_id")


def combine_regions(dataset: ZarrDataset, analyses: Sequence[Analysis[Any]]) -> pd.DataFrame:
    """The summaries of several analyses, one row per image, label and region.

    A result under a label stands in the rows of this label only.

    Args:
        dataset: The dataset.
        analyses: The analyses.

    Returns:
        ``image_id``, ``label``, ``channel``, ``roi_id`` (null for a whole picture), then for each
        analysis its columns, ``<analysis>_version`` and ``<analysis>_params_hash``. Null where
        an analysis has no result. Images that cannot be read have no rows, and a line in the log.
    """
    import pandas as pd

    rows: dict[tuple[str, str, int, int | None], dict[str, Any]] = {}
    read = partial(_all_results, analyses=analyses)
    for image_id, results in _of_readable_images(dataset, read):
        for analysis, label, entry in results:
            key = (image_id, label, entry.channel, entry.roi_id)
            found = {name: entry.values.get(name) for name in _names(analysis)}
            found |= {"version": entry.analysis_version, "params_hash": entry.params_hash}
            row = rows.setdefault(key, dict(zip(_REGION, key, strict=True)))
            row |= {f"{analysis.name}_{name}": value for name, value in found.items()}
    dtypes = {"image_id": "str", "label": "str", "channel": "int64", "roi_id": "Int64"}
    for analysis in analyses:
        dtypes |= {f"{analysis.name}_{column.name}": column.dtype for column in analysis.summary}
        dtypes |= {f"{analysis.name}_version": "str", f"{analysis.name}_params_hash": "str"}
    return pd.DataFrame(list(rows.values()), columns=list(dtypes)).astype(dtypes)


def combine_times(
    record: ZarrImageRecord, analyses: Sequence[Analysis[Any]], *, label: str = ""
) -> pd.DataFrame:
    """The results of several analyses of one image over time.

    The times are those of the table with the most rows that has a column ``time_s``, such as the
    trace of velocity. Other such tables give their nearest value, tables with ``start_s`` and
    ``stop_s`` that of the stretch in which the time lies.

    Args:
        record: The image.
        analyses: The analyses; those without a result, or without such tables, add no columns.
        label: The label of the results; "" for none.

    Returns:
        ``image_id``, ``label``, ``channel``, ``roi_id``, ``time_s``, then the columns of the
        tables. Empty if no analysis has a result with times.
    """
    import pandas as pd

    stored = {analysis.name: load_results(record, analysis, label=label) for analysis in analyses}
    tables = {
        f"{analysis.name}_{table.name}": load_result_table(
            record, analysis, table.name, label=label
        ).drop(columns="params_hash")
        for analysis in analyses
        if stored[analysis.name].results
        for table in analysis.tables
    }
    moments = {name: table for name, table in tables.items() if "time_s" in table.columns}
    parts = []
    if moments:
        base = max(moments, key=lambda name: len(moments[name]))
        places = (entry.place for results in stored.values() for entry in results.results)
        for place in dict.fromkeys(places):
            own = {name: rows_of_region(table, place) for name, table in tables.items()}
            part = _joined(own, base)
            roi_id = pd.array([place[1]] * len(part), dtype="Int64")
            parts.append(
                part.assign(image_id=record.image_id, label=label, channel=place[0], roi_id=roi_id)
            )
    if not parts:
        return pd.DataFrame(columns=[*_REGION, "time_s"])
    whole = pd.concat(parts, ignore_index=True)
    return whole[[*_REGION, *(name for name in whole.columns if name not in _REGION)]]


def combine_all_times(dataset: ZarrDataset, analyses: Sequence[Analysis[Any]]) -> pd.DataFrame:
    """The results of several analyses of all images over time.

    A result under a label stands in the rows of this label only.

    Args:
        dataset: The dataset.
        analyses: The analyses.

    Returns:
        As `combine_times`, for each image and label. Images that cannot be read have no rows, and
        a line in the log.
    """
    import pandas as pd

    read = partial(_times_by_label, analyses=analyses)
    # What an image lacks is null in its rows, and "bool" has no null.
    parts = [
        part.astype(dict.fromkeys(part.select_dtypes("bool"), "boolean"))
        for _, found in _of_readable_images(dataset, read)
        for part in found
        if len(part)
    ]
    if not parts:
        return pd.DataFrame(columns=[*_REGION, "time_s"])
    return pd.concat(parts, ignore_index=True)


def save_table(table: pd.DataFrame, path: str | Path, *, suffix: str | None = None) -> Path:
    """Save a table as Parquet, as CSV or for MATLAB.

    Args:
        table: The table.
        path: The file.
        suffix: ``.parquet``, ``.csv`` or ``.mat``; that of the file if None. In a ``.mat`` file
            each column is a variable: numbers, with NaN for null, or a cell array of texts, with
            an empty one for null. Names that MATLAB does not allow are changed, see `matlab_names`.

    Raises:
        ValueError: Another suffix.
        MissingExtraError: ``.mat`` needs scipy (extra ``kymflow-core[matlab]``).
    """
    path = Path(path)
    match suffix or path.suffix:
        case ".parquet":
            table.to_parquet(path, index=False)
        case ".csv":
            # R reads TRUE as a truth value, but True as a text.
            truth = table.select_dtypes(["bool", "boolean"])
            texts = {str(n): truth[n].map({True: "TRUE", False: "FALSE"}) for n in truth}
            table.assign(**texts).to_csv(path, index=False, lineterminator="\n")
        case ".mat":
            _save_mat(table, path)
        case other:
            raise ValueError(f"{other!r} is not a table format; use .parquet, .csv or .mat")
    return path


def matlab_names(names: Iterable[str]) -> list[str]:
    """Names that MATLAB allows for variables, each once.

    They begin with a letter, consist of letters, digits and ``_``, have at most 63 characters, and
    are none of its keywords: ``2nd try`` becomes ``x2nd_try``, ``end`` becomes ``x_end``. Of
    longer names the end is kept, which tells columns of one table from each other.
    """
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
        if not re.match("[A-Za-z]", plain):
            plain = f"x{plain}"
        if plain in _MATLAB_KEYWORDS:
            plain = f"x_{plain}"
        if len(plain) > _LONGEST_NAME:
            plain = f"x{plain[1 - _LONGEST_NAME :]}"
        free, number = plain, 2
        while free in found:
            ending = f"_{number}"
            free = plain[: _LONGEST_NAME - len(ending)] + ending
            number += 1
        found.append(free)
    return found


def _save_mat(table: pd.DataFrame, path: Path) -> None:
    import numpy as np
    import pandas as pd

    try:
        from scipy.io import savemat
    except ImportError as error:
        raise MissingExtraError("scipy", "matlab", "a .mat file") from error
    variables = {}
    for name, at in zip(matlab_names(map(str, table.columns)), range(table.shape[1]), strict=True):
        column = table.iloc[:, at]
        if pd.api.types.is_numeric_dtype(column.dtype):
            variables[name] = column.to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            texts = ["" if pd.isna(value) else str(value) for value in column]
            variables[name] = np.array(texts, dtype=object)
    savemat(path, variables, appendmat=False, oned_as="column", long_field_names=True)


def _of_readable_images(
    dataset: ZarrDataset, read: Callable[[ZarrImageRecord], list[_T]]
) -> Iterator[tuple[str, list[_T]]]:
    """What is read of each image, by id; those that cannot be read are left out, and logged."""
    for image_id in dataset.load_manifest().entries:
        try:
            found = read(dataset.record(image_id))
        except (KymflowCoreError, KymflowZarrError) as problem:
            logger.warning("image %r is left out: %s", image_id, problem)
        else:
            yield image_id, found


def _all_results(
    record: ZarrImageRecord, analyses: Sequence[Analysis[Any]]
) -> list[tuple[Analysis[Any], str, RegionResult]]:
    return [
        (one, label, entry)
        for one in analyses
        for label in list_labels(record, one.name)
        for entry in load_results(record, one, label=label).results
    ]


def _times_by_label(
    record: ZarrImageRecord, analyses: Sequence[Analysis[Any]]
) -> list[pd.DataFrame]:
    labels = dict.fromkeys(label for one in analyses for label in list_labels(record, one.name))
    return [combine_times(record, analyses, label=label) for label in labels]


def _names(analysis: Analysis[Any]) -> list[str]:
    return [column.name for column in analysis.summary]


def _joined(tables: Mapping[str, pd.DataFrame], base: str) -> pd.DataFrame:
    """The tables of one region at the times of one of them."""
    joined = _prefixed(tables[base], base).dropna(subset="time_s").sort_values("time_s")
    for name, table in tables.items():
        if name == base or table.empty:
            continue
        if "time_s" in table.columns:
            joined = _nearest(joined, _prefixed(table, name))
        elif {"start_s", "stop_s"} <= set(table.columns):
            joined = _inside(joined, _prefixed(table, name), name)
    return joined


def _prefixed(table: pd.DataFrame, name: str) -> pd.DataFrame:
    own = table.drop(columns=["channel", "roi_id"])
    return own.rename(columns={c: f"{name}_{c}" for c in own.columns if c != "time_s"})


def _nearest(part: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    known = other.dropna(subset="time_s").sort_values("time_s")
    return pd.merge_asof(part, known, on="time_s", direction="nearest") if len(known) else part


def _inside(part: pd.DataFrame, other: pd.DataFrame, name: str) -> pd.DataFrame:
    import pandas as pd

    start, stop = f"{name}_start_s", f"{name}_stop_s"
    known = other.dropna(subset=[start, stop]).sort_values(start)
    joined = pd.merge_asof(part, known, left_on="time_s", right_on=start)
    outside = ~(joined["time_s"] < joined[stop])
    columns = [column for column in other.columns if column in joined.columns]
    joined[columns] = joined[columns].mask(outside)
    return joined
