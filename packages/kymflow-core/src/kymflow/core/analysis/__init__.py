"""Analyses: pure functions of pixels, and the layer that runs them and keeps their results.

`Analysis` defines one, `run_analysis` runs it on the images of a dataset, `is_current` and
`image_status` tell whether its results are current, `load_results` and `load_result_table` read
them. The velocity analysis is ``VELOCITY`` in `kymflow.core.analysis.velocity`.
"""

from __future__ import annotations

from kymflow.core.analysis.definition import (
    Analysis,
    Column,
    Input,
    InputResult,
    Result,
    ResultTable,
)
from kymflow.core.analysis.display import Display, Overlay, Panels, RegionData
from kymflow.core.analysis.params import (
    Param,
    ParamInfo,
    describe_params,
    make_params,
    params_from_json,
)
from kymflow.core.analysis.region_data import load_region_data
from kymflow.core.analysis.regions import (
    Calibration,
    Region,
    calibration_of,
    find_region,
    regions_of,
)
from kymflow.core.analysis.run import AnalysisOutcome, run_analysis
from kymflow.core.analysis.status import ImageStatus, RegionStatus, image_status, is_current
from kymflow.core.analysis.storage import (
    RegionFailure,
    RegionResult,
    StoredResults,
    list_labels,
    load_result_table,
    load_results,
)
from kymflow.core.analysis.survey import ImageState, survey_images, used_labels

__all__ = [
    "Analysis",
    "AnalysisOutcome",
    "Calibration",
    "Column",
    "Display",
    "ImageState",
    "ImageStatus",
    "Input",
    "InputResult",
    "Overlay",
    "Panels",
    "Param",
    "ParamInfo",
    "Region",
    "RegionData",
    "RegionFailure",
    "RegionResult",
    "RegionStatus",
    "Result",
    "ResultTable",
    "StoredResults",
    "calibration_of",
    "describe_params",
    "find_region",
    "image_status",
    "is_current",
    "list_labels",
    "load_region_data",
    "load_result_table",
    "load_results",
    "make_params",
    "params_from_json",
    "regions_of",
    "run_analysis",
    "survey_images",
    "used_labels",
]
