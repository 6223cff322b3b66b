"""Intervals that people marked, as rows beside those that were computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from kymflow.core.analysis.storage import RegionResult
from kymflow.core.provenance import ANALYSIS_VERSION, PARAMS_HASH, params_hash

if TYPE_CHECKING:
    import pandas as pd

    from kymflow.core.analysis.definition import Column
    from kymflow.core.analysis.regions import Place, Region
    from kymflow.core.decisions import Mark
    from kymflow_zarr import JsonValue

ORIGIN: Final = "origin"
"""The column that tells intervals marked by hand from computed ones."""
BY_HAND: Final = "by hand"
COMPUTED: Final = "computed"


def mark_rows(
    marks: Sequence[Mark], regions: Mapping[Place, Region], columns: Sequence[Column]
) -> pd.DataFrame:
    """One row per mark.

    Args:
        marks: Marks in regions that exist.
        regions: The regions of the image.
        columns: The columns of the table; those that a mark says nothing about have no value.
    """
    results = [
        RegionResult(
            channel=mark.channel,
            roi_id=mark.roi_id,
            params_hash=params_hash(mark.to_json()),
            analysis_version=BY_HAND,
            values=_values(mark),
        )
        for mark in marks
    ]
    rows = result_rows(results, regions, columns, label="")
    return rows.assign(**{ORIGIN: BY_HAND}).astype({ORIGIN: "str"})


def result_rows(
    results: Sequence[RegionResult],
    regions: Mapping[Place, Region],
    columns: Sequence[Column],
    *,
    label: str,
) -> pd.DataFrame:
    """One row per result: where it comes from, then the values of columns."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            PARAMS_HASH: pd.Series([e.params_hash for e in results], dtype="str"),
            ANALYSIS_VERSION: pd.Series([e.analysis_version for e in results], dtype="str"),
            "label": pd.Series([label] * len(results), dtype="str"),
            "channel": pd.array([e.channel for e in results], dtype="int64"),
            "roi_id": pd.array([e.roi_id for e in results], dtype="Int64"),
            "region_hash": pd.Series([regions[e.place].hash for e in results], dtype="str"),
        }
    )
    for column in columns:
        values = [entry.values.get(column.name) for entry in results]
        frame[column.name] = pd.Series(values, dtype=column.dtype)
    return frame


def _values(mark: Mark) -> dict[str, JsonValue]:
    start, stop = mark.start_s, mark.stop_s
    return {
        "kind": mark.kind,
        "start_line": mark.start_line,
        "stop_line": mark.stop_line,
        "start_s": start,
        "stop_s": stop,
        "duration_s": None if start is None or stop is None else stop - start,
    }
