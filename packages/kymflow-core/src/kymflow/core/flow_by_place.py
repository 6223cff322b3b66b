"""Flow with the diameter that was measured on the same day at the same place, in another image.

An image of a line along a vessel shows its velocity, another one across it, or a frame, its
diameter. They belong together if people wrote down the same of both: animal, date and vessel, or
other fields of the experiment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from kymflow.core.analysis import run_analysis
from kymflow.core.analysis.diameter import DIAMETER
from kymflow.core.analysis.flow import FLOW, FlowParams
from kymflow.core.combine import combine_regions
from kymflow.core.kym_dataset import KymDataset

if TYPE_CHECKING:
    import pandas as pd

    from kymflow.core.analysis import AnalysisOutcome
    from kymflow_zarr import ZarrDataset

__all__ = ["diameters_by_place", "run_flow_by_place"]

_SAME: Final = ("animal", "date", "vessel")
_Z_95: Final = 1.96


def diameters_by_place(
    dataset: ZarrDataset,
    *,
    same: Sequence[str] = _SAME,
    label: str = "",
    params: FlowParams | None = None,
) -> dict[str, FlowParams]:
    """For each image the parameters of flow with the diameter of its place.

    Of several diameters of one place the mean counts, with what they scatter as its error. Excluded
    images, and images of which one of the fields is unknown, are left out.

    Args:
        dataset: The dataset; run the analysis ``diameter`` first.
        same: The fields of the experiment that are the same at one place and day.
        label: The label of the diameters; "" for none.
        params: The other parameters of flow; the defaults if None.

    Returns:
        By image id. Images without a diameter of their place are not in it.

    Raises:
        KeyError: No image has one of these fields.
    """
    import pandas as pd

    names = KymDataset(dataset).image_names("flow_by_place")
    images = names.join(pd.DataFrame({"image_id": dataset.list_image_ids()}))
    fields = images[list(same)]
    images = images[(fields.notna() & (fields != "")).all(axis=1)]
    found = combine_regions(dataset, (DIAMETER,))
    found = found[(found["label"] == label) & found["diameter_mean_um"].notna()]
    chosen: dict[str, FlowParams] = {}
    for _, place in images.groupby(list(same), sort=False):
        own = found[found["image_id"].isin(place["image_id"])]
        if len(own):
            one = _with_diameter(params or FlowParams(), own)
            chosen |= dict.fromkeys(place["image_id"], one)
    return chosen


def run_flow_by_place(
    dataset: ZarrDataset,
    diameters: Mapping[str, FlowParams],
    *,
    label: str = "",
    overwrite: bool = False,
) -> Iterator[AnalysisOutcome]:
    """Run flow on images, each with its own diameter.

    Args:
        dataset: The dataset, writable; run the analysis ``velocity`` first.
        diameters: What `diameters_by_place` returns.
        label: The label of the results; "" for none.
        overwrite: Whether flow of other diameters under the same label may be replaced.

    Yields:
        What became of each image.

    Raises:
        OtherParametersError: There is flow of another diameter under this label.
    """
    places: dict[FlowParams, list[str]] = {}
    for image_id, params in diameters.items():
        places.setdefault(params, []).append(image_id)
    for params, image_ids in places.items():
        yield from run_analysis(
            dataset, FLOW, params=params, label=label, image_ids=image_ids, overwrite=overwrite
        )


def _with_diameter(params: FlowParams, found: pd.DataFrame) -> FlowParams:
    """Parameters with the mean of one or more diameters, a row each."""
    import pandas as pd

    values = found["diameter_mean_um"].to_numpy(np.float64)
    errors = (found["diameter_mean_high_um"].to_numpy(np.float64) - values) / _Z_95
    count = values.size
    scatter = float(values.std(ddof=1)) / math.sqrt(count) if count > 1 else 0.0
    regions = [
        f"image {row['image_id']}" + ("" if pd.isna(row["roi_id"]) else f" ROI {row['roi_id']}")
        for row in found.to_dict("records")
    ]
    return replace(
        params,
        diameter_um=float(values.mean()),
        diameter_error_um=max(scatter, math.sqrt(float(np.square(errors).sum())) / count),
        diameter_source=", ".join(sorted(regions)),
    )
