"""ND2 files of Nikon NIS-Elements, read by nd2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.clock import stated_clock
from kymflow_zarr._readers.facts import Channel, Facts
from kymflow_zarr._readers.files import closed_on_error
from kymflow_zarr._readers.formats.planes import (
    PlaneImage,
    axis_name,
    check_expansion,
    is_line_scan,
    line_scan_sizes,
    required,
)
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import ImageReader
from kymflow_zarr._readers.settings import bit_depth, known
from kymflow_zarr._readers.units import LENGTH, Quantity, quantity

if TYPE_CHECKING:
    from nd2 import ND2File
    from nd2.structures import Channel as Nd2Channel

_IN_FRAME: Final = frozenset("CYXS")


class Nd2Reader(ImageReader):
    """Reads Nikon ND2 files. See `kymflow_zarr.readers.ImageReader`."""

    name = "nd2"
    suffixes = (".nd2",)

    def open(self, path: Path, *, limits: ReadLimits) -> PlaneImage:
        """Open an image; frames are read one at a time."""
        with required("nd2", path, extra="nd2"):
            from nd2 import ND2File
        with closed_on_error(ND2File(path)) as file:
            sizes, warnings = _recorded(file)
            check_expansion(path, sizes, file.dtype, limits)
            kept = line_scan_sizes(sizes)
            frame = [sizes[axis] for axis in sizes if axis in _IN_FRAME]
            by_channel = next(iter(kept)) == "C" and "T" in kept
            lines = kept.get("T", 1)

            def read_plane(number: int) -> npt.NDArray[Any]:
                at = number % lines if by_channel else number
                pixels: npt.NDArray[Any] = file.read_frame(at).reshape(frame)
                return pixels[number // lines] if by_channel else pixels

            return PlaneImage(
                shape=tuple(kept.values()),
                dtype=np.dtype(file.dtype).newbyteorder("="),
                facts=(_facts(file, tuple(kept), warnings),),
                plane_ndim=len(frame) - by_channel,
                read_plane=read_plane,
                close=file.close,
            )


def _recorded(file: ND2File) -> tuple[dict[str, int], tuple[str, ...]]:
    """The sizes by axis letter: of a run that was stopped, those of the frames that are there."""
    sizes = dict(file.sizes)
    loops = [axis for axis in sizes if axis not in _IN_FRAME]
    asked = math.prod(sizes[axis] for axis in loops)
    there = file.attributes.sequenceCount
    if there >= asked:
        return sizes, ()
    first = loops[0]
    whole = there // (asked // sizes[first])
    if whole < 1:
        raise ValueError(f"it holds {there} of {asked} frames")
    warning = f"the file holds {there} of the {asked} frames that were asked for"
    return {**sizes, first: whole}, (warning,)


def _facts(file: ND2File, letters: tuple[str, ...], warnings: tuple[str, ...]) -> Facts:
    doubts = [*warnings]
    channels = _channels(file, doubts)
    volume = channels[0].volume if channels else None
    microscope = channels[0].microscope if channels else None
    names = list(map(axis_name, letters))
    line_scan = is_line_scan(letters)
    if volume is not None and volume.axesInterpretation[1] == "time" and "t" not in names:
        names = ["t" if name == "y" else name for name in names]
        line_scan = True
        doubts.append("the ND2 file says that its rows are times, but not how far apart they are")
    date = str(file.text_info.get("date", ""))
    acquired = stated_clock(date, what="the date in the ND2 file", warnings=doubts)
    return Facts(
        source="nd2",
        axes=tuple(names),
        line_scan=line_scan,
        steps={axis: step for axis, step in _steps(file, channels).items() if axis in names},
        acquired_local_epoch_ns=acquired,
        bits_per_pixel=bit_depth(str(file.attributes.bitsPerComponentSignificant)),
        channels=tuple(
            Channel(
                name=one.channel.name or None,
                emission_nm=one.channel.emissionLambdaNm,
                laser_nm=one.channel.excitationLambdaNm,
            )
            for one in channels
        ),
        vendor={}
        if microscope is None
        else known(
            {
                "objective": microscope.objectiveName,
                "objective_magnification": microscope.objectiveMagnification,
                "objective_na": microscope.objectiveNumericalAperture,
                "zoom": microscope.zoomMagnification,
            }
        ),
        warnings=tuple(doubts),
    )


def _channels(file: ND2File, doubts: list[str]) -> Sequence[Nd2Channel]:
    """The channels, with the pixel size and objective of each.

    nd2 0.12 raises an UnboundLocalError where a channel names no probe; the pixels are sound.
    """
    try:
        return file.metadata.channels or []
    except (LookupError, NameError, TypeError, ValueError) as error:
        doubts.append(
            f"what the ND2 file says about its channels and pixel size cannot be read: {error}"
        )
        return []


def _steps(file: ND2File, channels: Sequence[Nd2Channel]) -> dict[str, Quantity]:
    """Calibrated pixel sizes; the time between frames as measured, else as asked for."""
    steps: dict[str, Quantity | None] = {}
    if channels:
        volume = channels[0].volume
        for axis, step, calibrated, kind in zip(
            "xyz",
            volume.axesCalibration,
            volume.axesCalibrated,
            volume.axesInterpretation,
            strict=True,
        ):
            if calibrated and kind == "distance":
                steps[axis] = quantity(float(step), LENGTH)
    for loop in file.experiment:
        if loop.type == "TimeLoop":
            period = loop.parameters.periodDiff.avg or loop.parameters.periodMs
            steps["t"] = quantity(float(period), "ms")
    return known(steps)
