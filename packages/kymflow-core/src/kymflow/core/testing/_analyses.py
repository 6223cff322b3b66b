"""Does an analysis keep every rule?"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from kymflow.core.analysis import (
    Analysis,
    Calibration,
    Input,
    InputResult,
    Region,
    Result,
    calibration_of,
    regions_of,
)
from kymflow.core.analysis.params import params_json
from kymflow.core.analysis.regions import region_pixels
from kymflow.core.analysis.storage import summary_values
from kymflow.core.errors import (
    AnalysisFailedError,
    AnalysisResultError,
    InvalidKymographError,
    ParamsValueError,
    RegionError,
)
from kymflow.core.metadata import load_metadata
from kymflow.core.provenance import params_hash

if TYPE_CHECKING:
    import pandas as pd
    from _typeshed import DataclassInstance
    from numpy.typing import NDArray

    from kymflow_zarr import ZarrDataset

P = TypeVar("P", bound="DataclassInstance")

AnalysisRule: TypeAlias = Literal["definition", "run", "result", "repeatable", "pickle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisProblem:
    """A rule that an analysis breaks.

    Attributes:
        rule: Which one.
        image_id: For which image; "" if for all.
        message: What is wrong, ending with what to do.
    """

    rule: AnalysisRule
    image_id: str
    message: str


def check_analysis(analysis: object, dataset: ZarrDataset) -> list[AnalysisProblem]:
    """Try an analysis with its default parameters on every region; nothing is written.

    Args:
        analysis: What should be an `Analysis`.
        dataset: Images to try it on.

    Returns:
        A problem for each rule that is broken and each image where it is; none if all is well.

        ``definition``: it is an `Analysis`, says what it computes, and its parameters can be
        hashed. ``run``: it raises nothing but `InvalidKymographError`, and leaves the pixels alone.
        ``result``: it returns what it declares. ``repeatable``: run again, it returns the same.
        ``pickle``: it can be sent to another process, and returns the same there.
    """
    if not isinstance(analysis, Analysis):
        message = "it is not an Analysis; make it one: kymflow.core.analysis.Analysis(name=…)"
        return [AnalysisProblem(rule="definition", image_id="", message=message)]
    problems = list(_definition_problems(analysis))
    try:
        copy = pickle.loads(pickle.dumps(analysis))  # noqa: S301 - it was pickled a moment ago
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        message = f"it cannot be pickled ({error}); define run() at the top level of a module"
        problems.append(AnalysisProblem(rule="pickle", image_id="", message=message))
        copy = None
    computed = 0
    for image_id, region, arguments in _regions(dataset):
        try:
            first = _compute(analysis, image_id, arguments)
            again = _compute(analysis, image_id, arguments)
            there = first if copy is None else _compute(copy, image_id, arguments)
        except InvalidKymographError:
            continue
        except AnalysisResultError as error:
            problems.append(AnalysisProblem(rule="result", image_id=image_id, message=str(error)))
            continue
        except AnalysisFailedError as error:
            message = (
                f"{region}: it raised {error.reason}; raise InvalidKymographError for pixels that "
                "cannot be analyzed, and do not write to them"
            )
            problems.append(AnalysisProblem(rule="run", image_id=image_id, message=message))
            continue
        computed += 1
        if first != again:
            message = f"{region}: it returns something else when run again; keep no state"
            problems.append(AnalysisProblem(rule="repeatable", image_id=image_id, message=message))
        elif first != there:
            message = f"{region}: a copy of it returns something else; keep no state"
            problems.append(AnalysisProblem(rule="pickle", image_id=image_id, message=message))
    if not computed and not problems:
        message = "no region could be analyzed; give a dataset with images that can"
        problems.append(AnalysisProblem(rule="run", image_id="", message=message))
    return problems


_Arguments: TypeAlias = tuple["NDArray[Any]", Calibration, Region]


def _definition_problems(analysis: Analysis[Any]) -> Iterator[AnalysisProblem]:
    if not analysis.doc:
        message = "run() has no docstring; its first line says what the analysis computes"
        yield AnalysisProblem(rule="definition", image_id="", message=message)
    try:
        params_hash(params_json(analysis.params()))
    except ParamsValueError as error:
        yield AnalysisProblem(rule="definition", image_id="", message=str(error))


def _regions(dataset: ZarrDataset) -> Iterator[tuple[str, Region, _Arguments]]:
    for record in dataset.as_read_only().iter_records():
        metadata = load_metadata(record)
        try:
            regions = regions_of(record, metadata)
        except RegionError:
            continue  # no analysis sees it
        pixels = record.load_array()
        calibration = calibration_of(record, metadata)
        for region in regions:
            own = region_pixels(record, metadata, pixels, region)
            yield record.image_id, region, (own, calibration, region)


def _compute(analysis: Analysis[Any], image_id: str, arguments: _Arguments) -> str:
    """A result as text that is equal if the results are."""
    pixels, calibration, region = arguments
    try:
        found = compute_result(analysis, pixels, calibration=calibration, region=region)
        tables = [table.frame(found.tables[table.name]) for table in analysis.tables]
        return repr([sorted(summary_values(found.summary).items()), *map(_text, tables)])
    except (AnalysisResultError, InvalidKymographError):
        raise
    except Exception as error:
        raise AnalysisFailedError(
            image_id=image_id,
            analysis=analysis.name,
            reason=f"{type(error).__name__}: {error}",
            details="",
        ) from error


def compute_result(
    analysis: Analysis[P],
    pixels: NDArray[Any],
    *,
    calibration: Calibration,
    params: P | None = None,
    region: Region | None = None,
) -> Result:
    """What an analysis finds in an array of pixels; nothing is stored.

    What it builds on is computed first, from the same pixels with default parameters.

    Args:
        analysis: The analysis.
        pixels: The pixels, ``(time, space)``.
        calibration: What is known of the axes.
        params: Its parameters; the defaults if None.
        region: Where the pixels lie; the whole picture of channel 1 if None.
    """
    lines, width = pixels.shape
    where = region or Region(channel=1, roi_id=None, z=0, lines=(0, lines), pixels=(0, width))
    chosen = analysis.params() if params is None else params
    inputs = {
        needed.analysis.name: _input_result(needed, pixels, calibration, where)
        for needed in analysis.inputs
        if needed.place(chosen, where) is not None
    }
    return analysis.compute(pixels, calibration, chosen, where, inputs)


def _input_result(
    needed: Input, pixels: NDArray[Any], calibration: Calibration, region: Region
) -> InputResult:
    analysis = needed.analysis
    try:
        found = compute_result(analysis, pixels, calibration=calibration, region=region)
    except InvalidKymographError as error:
        if not needed.may_fail:
            raise
        return InputResult(failure=str(error))
    return InputResult(
        parameters=params_json(analysis.params()),
        summary=summary_values(found.summary),
        tables={table.name: table.frame(found.tables[table.name]) for table in analysis.tables},
    )


def _text(frame: pd.DataFrame) -> str:
    return frame.to_csv()
