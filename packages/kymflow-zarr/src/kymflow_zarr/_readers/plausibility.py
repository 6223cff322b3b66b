"""Calibration that no microscope has, or that its own numbers contradict: warnings, never changes.

A wrong step makes every velocity wrong by the same factor, and nothing else looks odd. So what is
out of any microscope's range, or does not fit what else is known, is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kymflow_zarr._readers.facts import Facts
from kymflow_zarr._storage.json_text import JsonValue

_LINE_PERIOD_S: Final = (10e-6, 1.0)
_FRAME_PERIOD_S: Final = (10e-6, math.inf)  # a frame may take as long as it likes
_PIXEL_UM: Final = (0.010, 50.0)
_SLACK: Final = 1.001  # dwell times are rounded
_FIJI: Final = "imagej"
_RESOLUTION_TAGS: Final = "tiff"


def doubts(
    shape: Mapping[str, int],
    scale: Mapping[str, float | None],
    vendor: Mapping[str, JsonValue],
    facts: Sequence[Facts],
) -> Iterator[str]:
    """What is doubtful about an image's calibration, a sentence for each doubt.

    Shape and scale are by axis: in seconds along ``t``, else in micrometres; None when unknown.
    """
    for axis in ("x", "y"):
        step = scale.get(axis)
        if step is not None and not _PIXEL_UM[0] <= step <= _PIXEL_UM[1]:
            yield (
                f"the pixel size along {axis!r}, {step:g} um, is out of a microscope's range "
                f"({_PIXEL_UM[0]:g} to {_PIXEL_UM[1]:g} um)"
            )
    yield from _weak_pixel_size(scale, facts)
    yield from _times_without_axis(shape, facts)
    period = scale.get("t")
    if period is None:
        return
    shortest, longest = _LINE_PERIOD_S if "y" not in shape else _FRAME_PERIOD_S
    if not shortest <= period <= longest:
        what = "line period" if "y" not in shape else "time between frames"
        yield (
            f"the {what}, {period:g} s, is out of a microscope's range ({shortest:g} to "
            f"{longest:g} s)"
        )
    if "y" in shape:
        return
    dwell_us = vendor.get("dwell_time_us")
    if isinstance(dwell_us, int | float) and "x" in shape:
        line_s = shape["x"] * dwell_us * 1e-6
        if line_s > period * _SLACK:
            yield (
                f"{shape['x']} pixels of {dwell_us:g} us take {line_s:g} s, longer than the line "
                f"period of {period:g} s"
            )


def _weak_pixel_size(scale: Mapping[str, float | None], facts: Sequence[Facts]) -> Iterator[str]:
    """Pixel sizes that only those say who say something of files without calibration, too."""
    sizes = {axis: size for axis in ("x", "y") if (size := scale.get(axis)) is not None}
    said_by = {source.source for source in facts if sizes.keys() & source.steps.keys()}
    if said_by == {_RESOLUTION_TAGS}:
        yield (
            "the pixel size comes from the TIFF's resolution tags alone, where "
            "programs may write anything"
        )
    if said_by == {_FIJI} and any(math.isclose(size, 1.0, rel_tol=1e-6) for size in sizes.values()):
        yield (
            "the pixel size is exactly 1 um according to ImageJ alone, which writes that for "
            "files without calibration"
        )


def _times_without_axis(shape: Mapping[str, int], facts: Sequence[Facts]) -> Iterator[str]:
    for source in facts:
        step = source.steps.get("t")
        if step is not None and "t" not in shape:
            yield (
                f"{source.source} gives a time step of {step.value:g} s, but none of the image's "
                "axes is a time"
            )
            return
        if step is not None and "y" in shape and source.line_scan:
            yield (
                f"{source.source} gives a line period of {step.value:g} s, but the image consists "
                "of frames, not lines"
            )
            return
