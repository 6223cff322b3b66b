"""ScanImage TIFFs: calibration, and how pages make up lines, frames, slices and channels.

Channels alternate fastest, then frames of a slice, then slices, then volumes. The file is read by
the pages that it has, whatever was asked for: runs are stopped, frames averaged.

With a slow mirror that stands still, each "frame" is a block of lines of one and the same place, a
line period apart. Where a block takes as long as its lines, no line is missing between two blocks,
and they are joined. Not checked against a microscope's own files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.facts import Channel, Facts
from kymflow_zarr._readers.settings import known
from kymflow_zarr._readers.tiff_layout import PageLayout
from kymflow_zarr._readers.tiff_metadata import TiffMetadata
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, quantity
from kymflow_zarr._readers.vendors.scanimage_settings import ScanImage, scanimage_settings
from kymflow_zarr._storage.json_text import JsonValue

_HALF_A_LINE: Final = 0.5
_DIRECTIONS: Final[dict[bool | None, str]] = {True: "Bidirectional", False: "Oneway"}
_Pages: TypeAlias = npt.NDArray[np.int_]


def read_scanimage(metadata: TiffMetadata) -> Facts | None:
    """What a ScanImage TIFF tells; None when it is none."""
    settings = scanimage_settings(metadata.page.software, metadata.page.description)
    if settings is None:
        return None
    warnings = list(settings.warnings)
    line, frame, rows = settings.line_period_s, settings.frame_period_s, settings.rows
    if line and frame and rows and (rows - _HALF_A_LINE) * line > frame:
        warnings.append(
            f"ScanImage contradicts itself: {rows} lines of {line:g} s take longer than a frame, "
            f"{frame:g} s"
        )
    return Facts(
        source="vendor_tiff",
        pixels={} if settings.columns is None else {"x": settings.columns},
        steps=_steps(settings, metadata),
        acquired_local_epoch_ns=settings.acquired_local_epoch_ns,
        channels=tuple(Channel(name=name or None) for name in settings.channel_names),
        vendor=_vendor(settings),
        texts={"scanimage": f"{metadata.page.software}\n{metadata.page.description}"},
        warnings=tuple(warnings),
    )


def scanimage_layout(
    settings: ScanImage, *, page_count: int, page_shape: tuple[int, ...]
) -> PageLayout | None:
    """Arrange the pages of a file.

    Returns:
        The layout: ``c, t, x`` for lines, else ``t, z, c, y, x``, without those of length 1; None
        when the pages are not plain frames.
    """
    channels = max(1, len(settings.channels))
    frames, left_over = divmod(page_count, channels)
    if len(page_shape) != 2 or frames == 0:
        return None
    by_channel = np.arange(frames * channels).reshape(frames, channels)
    arrange = _lines if settings.is_line_scan else _frames
    layout = arrange(settings, by_channel, page_shape)
    warnings = [*layout.warnings]
    if left_over:
        warnings.append(
            f"{left_over} pages of its last frame, of {channels} channels, are not read"
        )
    if settings.rows not in {None, page_shape[0]} and not settings.has_regions:
        warnings.append(
            f"ScanImage describes {settings.rows} lines a frame, its pages have {page_shape[0]}"
        )
    return replace(layout, warnings=tuple(warnings))


def _lines(settings: ScanImage, by_channel: _Pages, page_shape: tuple[int, ...]) -> PageLayout:
    """Blocks of lines (frame, channel): joined, unless lines are missing between them."""
    frames, channels = by_channel.shape
    rows, columns = page_shape
    warnings: tuple[str, ...] = ()
    lengths = {"c": channels, "t": frames * rows, "x": columns}
    if frames > 1 and not _is_continuous(settings, rows):
        lengths = {"c": channels, "z": frames, "t": rows, "x": columns}
        warnings = (
            f"its {frames} blocks of {rows} lines are not known to follow each other without a "
            "gap; they are kept apart along 'z'",
        )
    if settings.average > 1:
        warnings += (
            f"each line is the mean of {settings.average} lines scanned at different times "
            "(logAverageFactor), which no velocity can be read from",
        )
    warnings += _unfinished(settings, frames, "blocks of lines")
    if channels == 1:
        del lengths["c"]
    return PageLayout(
        kind="scanimage",
        shape=tuple(lengths.values()),
        axes=tuple(lengths),
        pages=by_channel.T.ravel().tolist(),
        warnings=warnings,
    )


def _unfinished(settings: ScanImage, count: int, what: str) -> tuple[str, ...]:
    """A warning where a run of frames has fewer than were asked for."""
    asked = (settings.frames_per_slice or 0) // settings.average
    if settings.slices > 1 or count >= asked:
        return ()
    return (f"{asked} {what} were to be recorded, the file holds {count}",)


def _is_continuous(settings: ScanImage, rows: int) -> bool:
    """Whether a block takes as long as its lines, so that the next one follows at once."""
    line, frame = settings.line_period_s, settings.frame_period_s
    if line is None or frame is None or settings.average > 1 or settings.slices > 1:
        return False
    return abs(frame - rows * line) < _HALF_A_LINE * line


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stack:
    """How many volumes, slices and frames a file has; the slices with those on the way back."""

    volumes: int
    slices: int
    slices_on_the_way: int
    frames_per_slice: int


def _stack(settings: ScanImage, frames: int) -> _Stack:
    """By the number of frames that there are; of a volume that was not finished, its slices."""
    per_slice, on_the_way = 1, settings.slices_with_flyback
    if settings.frames_per_slice and not settings.is_fast:
        per_slice = max(1, settings.frames_per_slice // settings.average)
    volumes, slices = frames // (on_the_way * per_slice), settings.slices
    if volumes == 0:
        volumes, slices = 1, min(slices, frames // per_slice)
        on_the_way = slices
    if settings.slices == 1 or slices == 0:
        volumes, slices, on_the_way, per_slice = frames, 1, 1, 1
    return _Stack(
        volumes=volumes, slices=slices, slices_on_the_way=on_the_way, frames_per_slice=per_slice
    )


def _frames(settings: ScanImage, by_channel: _Pages, page_shape: tuple[int, ...]) -> PageLayout:
    """Frames (frame, channel) as volumes of slices."""
    count, channels = by_channel.shape
    stack = _stack(settings, count)
    used = stack.volumes * stack.slices_on_the_way * stack.frames_per_slice
    pages = by_channel[:used].reshape(
        stack.volumes, stack.slices_on_the_way, stack.frames_per_slice, channels
    )[:, : stack.slices]
    names = ("t", "z", "t" if stack.volumes == 1 else "frame", "c")
    kept = [(name, length) for name, length in zip(names, pages.shape, strict=True) if length > 1]
    warnings = list(_unfinished(settings, count, "frames"))
    if stack.slices < settings.slices:
        warnings.append(
            f"{settings.slices} slices were to be recorded, the file holds {stack.slices}"
        )
    if used < count:
        warnings.append(f"{count - used} frames of an incomplete slice or volume are not read")
    return PageLayout(
        kind="scanimage",
        shape=(*(length for _, length in kept), *page_shape),
        axes=(*(name for name, _ in kept), "y", "x"),
        pages=pages.ravel().tolist(),
        warnings=tuple(warnings),
    )


def _time_step_s(settings: ScanImage, stack: _Stack) -> float | None:
    """The time between two lines, frames or volumes; None where no such axis is there."""
    if settings.is_line_scan:
        return settings.line_period_s
    if settings.frame_period_s is None or stack.volumes * stack.frames_per_slice == 1:
        return None
    if stack.slices == 1 or stack.volumes == 1:
        return settings.frame_period_s * settings.average
    return settings.frame_period_s * stack.slices_on_the_way if settings.is_fast else None


def _steps(settings: ScanImage, metadata: TiffMetadata) -> dict[str, Quantity]:
    stack = _stack(settings, len(metadata.tif.pages) // max(1, len(settings.channels)))
    time_s = _time_step_s(settings, stack)
    width, height = settings.width_um, settings.height_um
    if settings.has_regions or settings.is_line_scan:
        height = None
    if settings.has_regions:
        width = None
    found = {
        "x": _rounded(_quotient(width, settings.columns), LENGTH),
        "y": _rounded(_quotient(height, settings.rows), LENGTH),
        "z": _rounded(abs(settings.z_step_um or 0), LENGTH) if stack.slices > 1 else None,
        "t": _rounded(time_s, TIME),
    }
    region = None if metadata.layout is None else metadata.layout.region
    return known(found) if region is None else {**known(found), **region.steps}


def _quotient(length: float | None, count: int | None) -> float | None:
    return None if length is None or count is None else length / count


def _rounded(value: float | None, unit: str) -> Quantity | None:
    """A quotient to 12 digits, as those of its parts are decimal."""
    return None if value is None else quantity(float(f"{value:.12g}"), unit)


def _vendor(settings: ScanImage) -> dict[str, JsonValue]:
    return known(
        {
            "scan_mode": "line" if settings.is_line_scan else None,
            "line_period_s": settings.line_period_s,
            "dwell_time_us": settings.dwell_time_us,
            "zoom": settings.zoom,
            "scan_direction": _DIRECTIONS.get(settings.is_bidirectional),
            "system": "ScanImage",
        }
    )
