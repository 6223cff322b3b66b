"""Set the line period and the pixel size of images."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from kymflow.cli.decided import DecisionResult, Where, decide
from kymflow.cli.errors import UnknownNameError

_ABOVE_0 = Parameter(validator=Number(gt=0))


def calibrate(
    dataset: str,
    /,
    *images: str,
    seconds_per_line: Annotated[float | None, _ABOVE_0] = None,
    line_ms: Annotated[float | None, _ABOVE_0] = None,
    um_per_pixel: Annotated[
        float | None, Parameter(name=["--um-per-pixel", "--um"]), _ABOVE_0
    ] = None,
    where: Where = None,
) -> DecisionResult:
    """Set the line period and the pixel size of images.

    Results that were computed with others are outdated then: kymflow status says so, and kymflow
    update recomputes them. With --where, images that are ingested later and meet the condition
    get what their files do not say, too, until kymflow undo takes that back.

    Args:
        dataset: Path or URL of the dataset.
        images: The images: ids, the first characters of them, or their source files.
        seconds_per_line: Line period, in seconds.
        line_ms: The same, in milliseconds.
        um_per_pixel: Length of a pixel along the line, in micrometres.
        where: Choose images by a condition in SQL, such as "folder LIKE '%day1%'".

    Raises:
        UnknownNameError: No image is chosen, one does not exist, or no value is given, or the line
            period twice.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow.core import decisions

    if line_ms is not None and seconds_per_line is not None:
        raise UnknownNameError(
            "the line period is given twice", hint="give --seconds-per-line or --line-ms"
        )
    if line_ms is None and seconds_per_line is None and um_per_pixel is None:
        raise UnknownNameError(
            "no calibration is given", hint="give --line-ms, --seconds-per-line or --um-per-pixel"
        )
    period = seconds_per_line if line_ms is None else float(f"{line_ms / 1000:.15g}")
    return decide(
        "calibrate",
        dataset,
        images,
        where,
        lambda record, step: decisions.calibrate(
            record,
            seconds_per_line=period,
            um_per_pixel=um_per_pixel,
            step=step,
            where=where or "",
        ),
    )
