"""The stored results of one image, region by region, with the rows of their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kymflow.core.analysis.display import RegionData
from kymflow.core.analysis.regions import calibration_of, regions_of
from kymflow.core.analysis.storage import load_result_table, load_results, rows_of_region
from kymflow.core.metadata import load_metadata

if TYPE_CHECKING:
    from kymflow.core.analysis.definition import Analysis
    from kymflow_zarr import ZarrImageRecord


def load_region_data(
    rec: ZarrImageRecord, analysis: Analysis[Any], *, label: str = "", tables: bool = True
) -> tuple[RegionData, ...]:
    """What an analysis found in the regions that an image has now.

    Args:
        rec: The image.
        analysis: The analysis.
        label: The label of the results; "" for none.
        tables: Whether to read the tables.

    Raises:
        RegionError: The image cannot be analyzed.
        MetadataError: Its metadata or results are damaged.
        CorruptDataError: A table is damaged.
    """
    # Imported here: decisions build on analyses.
    from kymflow.core.decisions import read_decisions

    metadata = load_metadata(rec)
    has_intervals = any(table.marks for table in analysis.tables)
    marks = read_decisions(rec).marks if has_intervals else ()
    now = {region.place: region for region in regions_of(rec, metadata)}
    stored = load_results(rec, analysis, label=label)
    there = [table.name for table in analysis.tables if table.name not in stored.lost_tables]
    frames = {
        name: load_result_table(rec, analysis, name, label=label)
        for name in (there if tables and stored.results else ())
    }
    calibration = calibration_of(rec, metadata)
    return tuple(
        RegionData(
            region=now[entry.place],
            calibration=calibration,
            values=entry.values,
            # Of exactly the parameters that the summary names.
            tables={
                name: rows_of_region(frame[frame["params_hash"] == entry.params_hash], entry.place)
                for name, frame in frames.items()
            },
            marks=tuple(mark for mark in marks if mark.place == entry.place),
        )
        for entry in stored.results
        if entry.place in now
    )
