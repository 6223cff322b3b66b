"""The tables of an analysis: one over its summaries, one for each further table of its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kymflow.core.analysis.definition import REGION_COLUMNS, Analysis, ResultTable
from kymflow.core.analysis.regions import Place, Region, regions_of
from kymflow.core.analysis.storage import (
    RegionResult,
    StoredResults,
    list_labels,
    load_result_table,
    load_results,
)
from kymflow.core.decisions import Mark, read_decisions
from kymflow.core.errors import RegionError
from kymflow.core.indexers.mark_rows import COMPUTED, ORIGIN, mark_rows, result_rows
from kymflow.core.kym_dataset.indexer_base import RegionRows
from kymflow.core.metadata import load_metadata
from kymflow.core.provenance import PARAMS_HASH, params_hash

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kymflow_zarr import ZarrImageRecord


def analysis_tables(analysis: Analysis[Any]) -> tuple[AnalysisTable, ...]:
    """The indexers of an analysis: for its summary, and for each table that is indexed."""
    names = [table.name for table in analysis.tables if table.indexed]
    return tuple(AnalysisTable(analysis=analysis, table=name) for name in ("", *names))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisTable:
    """What an analysis found, region by region.

    Each row begins with ``label``, ``channel``, ``roi_id`` (null for a whole picture) and
    ``region_hash``, the hash of the region's borders. Results of a region that no longer exists, or
    has other borders now, have no row. A table of intervals has those that people marked, too, and
    a last column ``origin``, which is ``computed`` or ``by hand``.

    Attributes:
        analysis: The analysis.
        table: One of its tables; "" for the summary, which has one row per region.
    """

    analysis: Analysis[Any]
    table: str = ""

    @property
    def name(self) -> str:
        """The analysis, and the table if it is not the summary."""
        return f"{self.analysis.name}_{self.table}" if self.table else self.analysis.name

    @property
    def doc(self) -> str:
        """What it has, in a line."""
        if not self.table:
            return f"One row per region: {self.analysis.doc[:1].lower()}{self.analysis.doc[1:]}"
        return f"The {self.table.replace('_', ' ')} of {self.analysis.name} in each region."

    def columns(self) -> pa.Schema:
        """The columns."""
        import pyarrow as pa

        types: dict[type, pa.DataType] = {
            float: pa.float64(),
            int: pa.int64(),
            str: pa.string(),
            bool: pa.bool_(),
        }
        region = dict(zip(REGION_COLUMNS, (types[t] for t in (str, int, int, str)), strict=True))
        declared = self._result_table.columns
        origin = {ORIGIN: types[str]} if self._result_table.marks else {}
        return pa.schema(
            {**region, **{column.name: types[column.type] for column in declared}, **origin}
        )

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """`extract_region_rows`, the rows only."""
        return self.extract_region_rows(rec).rows

    def extract_region_rows(self, rec: ZarrImageRecord) -> RegionRows:
        """The rows of all labels and regions; none if the analysis never ran.

        Raises:
            MetadataError: The image's metadata or results are damaged.
        """
        import pandas as pd

        labels = list_labels(rec, self.analysis.name)
        regions = _regions_now(rec) if labels else {}
        parts: list[pd.DataFrame] = []
        left_out: list[str] = []
        for label in labels:
            stored = load_results(rec, self.analysis, label=label)
            reasons = [self._why_left_out(entry, stored, regions) for entry in stored.results]
            shown = [e for e, reason in zip(stored.results, reasons, strict=True) if not reason]
            left_out += (f"{self._title(label)}, {reason}" for reason in reasons if reason)
            if shown:
                parts.append(self._rows(rec, label, shown, regions))
        if self._result_table.marks:
            parts = [part.assign(**{ORIGIN: COMPUTED}).astype({ORIGIN: "str"}) for part in parts]
            marks = read_decisions(rec).marks
            regions = _regions_now(rec) if marks else {}
            there = [mark for mark in marks if mark.place in regions]
            left_out += (_without_region(mark) for mark in marks if mark not in there)
            if there:
                parts.append(mark_rows(there, regions, self._result_table.columns))
        rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
        return RegionRows(rows=rows, left_out=tuple(left_out))

    def params_hash(self, rec: ZarrImageRecord) -> str:
        """The hash of the hashes of all results."""
        labels = list_labels(rec, self.analysis.name)
        stored = [load_results(rec, self.analysis, label=label) for label in labels]
        return params_hash(
            {"regions": sorted(entry.params_hash for each in stored for entry in each.results)}
        )

    def analysis_version(self) -> str:
        """The version of the analysis; a row of an older result has that result's."""
        return self.analysis.version

    @property
    def _result_table(self) -> ResultTable:
        return self.analysis.table(self.table)

    def _title(self, label: str) -> str:
        return f"{self.analysis.name} under the label {label!r}" if label else self.analysis.name

    def _why_left_out(
        self, entry: RegionResult, stored: StoredResults, regions: Mapping[Place, Region]
    ) -> str:
        """Why a result has no row; "" if it has one."""
        region = regions.get(entry.place)
        params = stored.params.get(entry.params_hash)
        name = f"channel {entry.channel}" + (f", ROI {entry.roi_id}" if entry.roi_id else "")
        if region is None:
            return f"{name}: this region no longer exists"
        if params is None:
            return f"{name}: its parameters are lost; run the analysis again"
        if params.get("region") != region.geometry():
            return f"{name}: the region has other borders now; run the analysis again"
        if self.table in stored.lost_tables:
            return f"{name}: the table {self.table!r} is lost; run the analysis again"
        return ""

    def _rows(
        self,
        rec: ZarrImageRecord,
        label: str,
        shown: Sequence[RegionResult],
        regions: Mapping[Place, Region],
    ) -> pd.DataFrame:
        """The rows of some results under one label."""
        declared = self._result_table.columns
        if not self.table:
            return result_rows(shown, regions, declared, label=label)
        places = result_rows(shown, regions, (), label=label)
        frame = load_result_table(rec, self.analysis, self.table, label=label)
        keys = ["channel", "roi_id", PARAMS_HASH]
        return places.merge(frame[[*keys, *(column.name for column in declared)]], on=keys)


def _without_region(mark: Mark) -> str:
    name = f"channel {mark.channel}" + (f", ROI {mark.roi_id}" if mark.roi_id else "")
    return f"{mark.kind} marked by {mark.author} in {name}: this region no longer exists"


def _regions_now(rec: ZarrImageRecord) -> dict[Place, Region]:
    try:
        return {region.place: region for region in regions_of(rec, load_metadata(rec))}
    except RegionError:
        return {}
