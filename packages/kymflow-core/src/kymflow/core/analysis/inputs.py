"""Reading the stored results that an analysis builds on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kymflow.core.analysis.definition import InputResult
from kymflow.core.analysis.storage import load_result_table, load_results, rows_of_region
from kymflow.core.errors import AnalysisInputError

if TYPE_CHECKING:
    from kymflow.core.analysis.definition import Analysis, Input
    from kymflow.core.provenance import Params
    from kymflow_zarr import JsonValue, ZarrImageRecord


def load_inputs(
    rec: ZarrImageRecord, analysis: Analysis[Any], document: Params
) -> dict[str, InputResult]:
    """The stored results that an analysis builds on, by the names of their analyses.

    Args:
        rec: The image.
        analysis: The analysis.
        document: Its parameter document for one region, which says which results they are.

    Raises:
        AnalysisInputError: One of them is missing or not current.
    """
    chosen = document.get("inputs")
    if not isinstance(chosen, dict):
        return {}
    return {
        needed.analysis.name: _load(rec, needed, said)
        for needed in analysis.inputs
        if isinstance(said := chosen.get(needed.analysis.name), dict)
    }


def _load(rec: ZarrImageRecord, needed: Input, said: dict[str, JsonValue]) -> InputResult:
    analysis, label = needed.analysis, str(said["label"])
    if said["state"] == "failed" and needed.may_fail:
        return InputResult(failure=str(said["reason"]))
    if said["state"] != "current":
        roi = "the whole picture" if said["roi_id"] is None else f"ROI {said['roi_id']}"
        where = f"channel {said['channel']}, {roi}"
        raise AnalysisInputError(
            analysis.name, where, str(said["state"]), reason=str(said.get("reason", ""))
        )
    stored = load_results(rec, analysis, label=label)
    (entry,) = (
        e for e in stored.results if (e.channel, e.roi_id) == (said["channel"], said["roi_id"])
    )
    parameters = stored.params[entry.params_hash]["parameters"]
    return InputResult(
        parameters=parameters if isinstance(parameters, dict) else {},
        summary=entry.values,
        tables={
            table.name: rows_of_region(
                load_result_table(rec, analysis, table.name, label=label), entry.place
            ).reset_index(drop=True)
            for table in analysis.tables
        },
    )
