"""Intervals that people marked, as rows beside those that were computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from kymflow.core.provenance import ANALYSIS_VERSION, PARAMS_HASH, params_hash

if TYPE_CHECKING:
    import pandas as pd

    from kymflow.core.analysis.definition import Column
    from kymflow.core.analysis.regions import Place, Region
    from kymflow.core.decisions import Mark

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
    import pandas as pd

    frame = pd.DataFrame(
        {
            PARAMS_HASH: pd.Series([params_hash(mark.to_json()) for mark in marks], dtype="str"),
            ANALYSIS_VERSION: pd.Series([BY_HAND] * len(marks), dtype="str"),
            "label": pd.Series([""] * len(marks), dtype="str"),
            "channel": pd.array([mark.channel for mark in marks], dtype="int64"),
            "roi_id": pd.array([mark.roi_id for mark in marks], dtype="Int64"),
            "region_hash": pd.Series([regions[mark.place].hash for mark in marks], dtype="str"),
        }
    )
    said = [_values(mark) for mark in marks]
    for column in columns:
        values = [values.get(column.name) for values in said]
        frame[column.name] = pd.Series(values, dtype=column.dtype)
    return frame.assign(**{ORIGIN: pd.Series([BY_HAND] * len(marks), dtype="str")})


def _values(mark: Mark) -> dict[str, float | str | None]:
    start, stop = mark.start_s, mark.stop_s
    return {
        "kind": mark.kind,
        "start_line": mark.start_line,
        "stop_line": mark.stop_line,
        "start_s": start,
        "stop_s": stop,
        "duration_s": None if start is None or stop is None else stop - start,
    }
