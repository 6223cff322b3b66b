"""Compute the velocity of an image again, with the parameters of its results."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from kymflow.core.analysis import load_results, params_from_json, run_analysis
from kymflow.core.analysis.velocity import VELOCITY, VelocityParams

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset, ZarrImageRecord


def recompute(
    dataset: ZarrDataset, record: ZarrImageRecord, *, roi_ids: Collection[int] | None = None
) -> None:
    """Compute what is not current, with the parameters of the results that there are.

    A failure is remembered as that of its region, as always.

    Args:
        dataset: The dataset, writable.
        record: The image.
        roi_ids: Only these ROIs; all regions if None.

    Raises:
        AnalysisParameterError: The parameters are those of another version of the analysis.
    """
    params, ids = _params_of(record), [record.image_id]
    for _ in run_analysis(dataset, VELOCITY, params=params, image_ids=ids, roi_ids=roi_ids):
        pass


def _params_of(record: ZarrImageRecord) -> VelocityParams:
    """The parameters of an image's results; the defaults if it has none."""
    for document in load_results(record, VELOCITY).params.values():
        chosen = document.get("parameters")
        if isinstance(chosen, dict):
            return params_from_json(VelocityParams, chosen)
    return VelocityParams()
