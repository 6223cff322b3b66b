"""Frames as tables and back, as `ZarrDataset` keeps them: for code that makes tables of its own.

`frame_to_table` is what every call that takes a frame does first, and `table_to_frame` what every
call that returns one does last. `common_field` and `fit_columns` bring rows together. `harmless`
makes a text safe for a cell of a spreadsheet.
"""

from __future__ import annotations

from kymflow_zarr._tables.columns import common_field, fit_columns, plain_schema
from kymflow_zarr._tables.from_pandas import check_frame, frame_to_table
from kymflow_zarr._tables.spreadsheet import harmless
from kymflow_zarr._tables.to_pandas import table_to_frame

__all__ = [
    "check_frame",
    "common_field",
    "fit_columns",
    "frame_to_table",
    "harmless",
    "plain_schema",
    "table_to_frame",
]
