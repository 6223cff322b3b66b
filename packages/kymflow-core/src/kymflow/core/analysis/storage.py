"""Results of an analysis as artifacts of a record, region by region.

::

    velocity/params.json        parameter documents by hash: all that decided a result, but the code
    velocity/summary.json       per region: its numbers and the hash of its parameter document;
                                per region whose last run failed: why
    velocity/<table>.parquet    the other tables: rows of all regions
    velocity/<label>/…          the same for results under a label

The summary says which regions have results. It is written last, and a region that gets new results
is taken out of it first: wherever a writer is killed, no result is read with the parameters of
another one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from kymflow.core.analysis.regions import Place
from kymflow.core.errors import MetadataError
from kymflow_zarr import ArtifactNotFoundError

if TYPE_CHECKING:
    import pandas as pd

    from kymflow.core.analysis.definition import Analysis, Result, ResultTable, Scalar
    from kymflow.core.provenance import Params
    from kymflow_zarr import JsonValue, ZarrImageRecord

_SUMMARY: Final = "summary"
_PARAMS: Final = "params"
_REMEDY: Final = "run the analysis on all regions of the image again"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionEntry:
    """What is stored of one region.

    Attributes:
        channel: From 1.
        roi_id: The ROI; None for the whole picture.
        analysis_version: The version of the analysis that ran.
    """

    channel: int
    roi_id: int | None
    analysis_version: str

    @property
    def place(self) -> Place:
        """Channel and ROI."""
        return self.channel, self.roi_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionResult(RegionEntry):
    """What is stored of one region's result, its tables apart.

    Attributes:
        params_hash: The hash of the parameter document.
        values: The summary by column; None where there is no value.
    """

    params_hash: str
    values: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionFailure(RegionEntry):
    """Why the last run on a region failed; forgotten as soon as one succeeds.

    Attributes:
        params: The parameter document of that run.
        reason: The cause as one line.
    """

    params: Params
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResults:
    """What a record has of one analysis under one label, its tables apart.

    Attributes:
        results: One for each region that has a result.
        failures: One for each region whose last run failed.
        params: The parameter documents of the results by hash.
        lost_tables: Tables of the results that someone removed.
    """

    results: tuple[RegionResult, ...] = ()
    failures: tuple[RegionFailure, ...] = ()
    params: Mapping[str, Params] = field(default_factory=dict)
    lost_tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedRegion:
    """A new result, to be stored.

    Attributes:
        entry: What the summary says of it.
        params: The parameter document.
        result: The result.
    """

    entry: RegionResult
    params: Params
    result: Result


def list_labels(rec: ZarrImageRecord, analysis: str) -> list[str]:
    """The labels under which a record has results or failures, sorted; "" stands for none."""
    start, end = f"{_folder_key(rec)}{analysis}/", f"{_SUMMARY}.json"
    keys = (key for key in rec.list_analysis_keys() if key.startswith(start) and key.endswith(end))
    labels = {key.removeprefix(start).removesuffix(end).rstrip("/") for key in keys}
    return sorted(label for label in labels if "/" not in label)


def load_results(
    rec: ZarrImageRecord, analysis: Analysis[Any], *, label: str = ""
) -> StoredResults:
    """What a record has of an analysis, its tables apart; nothing if it never ran.

    Raises:
        MetadataError: An artifact is there, but someone has damaged it.
    """
    folder = _folder(analysis, label)
    said = _load_object(rec, f"{folder}/{_SUMMARY}")
    if not said:
        return StoredResults()
    try:
        results = tuple(RegionResult(**entry) for entry in said["regions"])
        failures = tuple(RegionFailure(**entry) for entry in said.get("failures", ()))
    except (KeyError, TypeError, AttributeError) as error:
        raise MetadataError(
            f"{folder}/{_SUMMARY}", f"is not a summary of regions ({error!r})", remedy=_REMEDY
        ) from error
    params = _load_object(rec, f"{folder}/{_PARAMS}")
    for digest, document in params.items():
        if not isinstance(document, dict):
            raise MetadataError(
                f"{folder}/{_PARAMS}.{digest}", f"is {document!r}, not an object", remedy=_REMEDY
            )
    there = set(rec.list_analysis_keys())
    return StoredResults(
        results=results,
        failures=failures,
        params=params,
        lost_tables=tuple(
            table.name
            for table in analysis.tables
            if f"{_folder_key(rec)}{folder}/{table.name}.parquet" not in there
        ),
    )


def load_result_table(
    rec: ZarrImageRecord, analysis: Analysis[Any], table: str, *, label: str = ""
) -> pd.DataFrame:
    """A table of the results of all regions.

    Returns:
        Columns ``channel``, ``roi_id``, those that the analysis declares, ``params_hash``. Those
        that an earlier version did not have hold no value.

    Raises:
        ArtifactNotFoundError: The analysis never ran.
        MetadataError: A column that says whose results these are is missing.
    """
    import pandas as pd

    name = f"{_folder(analysis, label)}/{table}"
    frame = rec.load_df_parquet(name)
    for key in ("channel", "roi_id", "params_hash"):
        if key not in frame.columns:
            raise MetadataError(name, f"has no column {key!r}", remedy=_REMEDY)
    for column in analysis.table(table).columns:
        if column.name not in frame.columns:  # an earlier version had no such result
            absent = [None] * len(frame)
            frame[column.name] = pd.Series(absent, index=frame.index, dtype=column.dtype)
    return frame


def rows_of_region(frame: pd.DataFrame, place: Place) -> pd.DataFrame:
    """The rows of one region in a table of the results of all regions."""
    channel, roi_id = place
    own = frame["roi_id"].fillna(-1).eq(-1 if roi_id is None else roi_id)
    return frame[own & frame["channel"].eq(channel)]


def save_results(
    rec: ZarrImageRecord,
    analysis: Analysis[Any],
    *,
    label: str,
    computed: Sequence[ComputedRegion],
    failures: Sequence[RegionFailure],
    places: Collection[Place],
) -> None:
    """Store new results and failures; those of other regions stay as they are.

    Args:
        rec: The image, writable.
        analysis: The analysis.
        label: The label; "" for none.
        computed: The new results.
        failures: The new failures; older results of these regions stay.
        places: The regions that the image has now: what there is of others is removed.
    """
    folder = _folder(analysis, label)
    new = {computed_region.entry.place for computed_region in computed}
    tried = new.union(failure.place for failure in failures)
    # Where everything is recomputed, nothing old is read, so damaged results can be replaced.
    old = load_results(rec, analysis, label=label) if new != set(places) else StoredResults()
    kept = [] if old.lost_tables else [r for r in old.results if r.place in set(places) - new]
    failed = [*(f for f in old.failures if f.place in set(places) - tried), *failures]
    if computed or len(kept) < len(old.results):
        _save_summary(rec, folder, kept, failed)
        fresh = {region.entry.params_hash: region.params for region in computed}
        used = {entry.params_hash: old.params[entry.params_hash] for entry in kept} | fresh
        rec.save_json(f"{folder}/{_PARAMS}", dict(sorted(used.items())))
        for table in analysis.tables:
            _save_table(rec, folder, table, kept, computed)
    _save_summary(rec, folder, [*kept, *(region.entry for region in computed)], failed)


def summary_values(summary: Mapping[str, Scalar]) -> dict[str, JsonValue]:
    """A summary as JSON: no value, and NaN, are null."""
    plain = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in summary.items()
    }
    return {name: None if value != value else value for name, value in plain.items()}  # noqa: PLR0124


def _folder(analysis: Analysis[Any], label: str) -> str:
    return f"{analysis.name}/{label}" if label else analysis.name


def _folder_key(rec: ZarrImageRecord) -> str:
    return f"images/{rec.image_id}/analysis/"


def _load_object(rec: ZarrImageRecord, name: str) -> dict[str, Any]:
    """A JSON object; empty where there is none."""
    try:
        found = rec.load_json(name)
    except ArtifactNotFoundError:
        return {}
    if not isinstance(found, dict):
        raise MetadataError(name, f"is {found!r}, not an object", remedy=_REMEDY)
    return found


def _save_summary(
    rec: ZarrImageRecord,
    folder: str,
    results: Sequence[RegionResult],
    failures: Sequence[RegionFailure],
) -> None:
    said = {"regions": [asdict(entry) for entry in sorted(results, key=_order)]}
    if failures:
        said["failures"] = [asdict(failure) for failure in sorted(failures, key=_order)]
    rec.save_json(f"{folder}/{_SUMMARY}", said)


def _order(entry: RegionEntry) -> tuple[int, int]:
    return entry.channel, -1 if entry.roi_id is None else entry.roi_id


def _save_table(
    rec: ZarrImageRecord,
    folder: str,
    table: ResultTable,
    kept: Sequence[RegionResult],
    computed: Sequence[ComputedRegion],
) -> None:
    """Write a table of all regions: the rows of those that stay, then the new ones."""
    import pandas as pd

    parts = [_region_rows(region, table) for region in computed]
    if kept or not parts:
        old = rec.load_df_parquet(f"{folder}/{table.name}")
        staying = {(*_order(entry), entry.params_hash) for entry in kept}
        rows = zip(old["channel"], old["roi_id"].fillna(-1), old["params_hash"], strict=True)
        parts.insert(0, old[[row in staying for row in rows]])
    filled = [part for part in parts if len(part)] or parts[:1]
    rec.save_df_parquet(f"{folder}/{table.name}", pd.concat(filled, ignore_index=True))


def _region_rows(region: ComputedRegion, table: ResultTable) -> pd.DataFrame:
    import pandas as pd

    frame = table.frame(region.result.tables[table.name])
    entry, rows = region.entry, len(frame)
    place = pd.DataFrame(
        {
            "channel": pd.array([entry.channel] * rows, dtype="int64"),
            "roi_id": pd.array([entry.roi_id] * rows, dtype="Int64"),
        }
    )
    return pd.concat([place, frame], axis=1).assign(
        params_hash=pd.Series([entry.params_hash] * rows, dtype="str")
    )
