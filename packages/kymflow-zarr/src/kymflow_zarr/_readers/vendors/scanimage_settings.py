"""The settings of ScanImage, ``key = value`` lines in one of its dialects.

- since 2016: ``SI.hRoiManager.linePeriod = …`` in the tag ``Software``
- 5 and 2015: the same behind ``scanimage.`` in each page's description; 4: ``scanimage.SI4.…``
- 3: ``state.acq.msPerLine=…`` in each page's description, lines ended by a carriage return

Values are written as MATLAB prints them. Since 2016, the tag may hold a JSON object of objects
instead. Read from the published key names.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from kymflow_zarr._readers.clock import stated_clock
from kymflow_zarr._readers.decimals import decimal_of
from kymflow_zarr._storage.json_text import JsonValue, loads
from kymflow_zarr.errors import CorruptDataError

_LINE: Final = re.compile(
    r"^[ \t]*(?:scanimage\.)?((?:SI4?|state)\.[\w.]+|epoch|frameTimestamps_sec)[ \t]*=(.*)$",
    re.MULTILINE,
)
_NAMES: Final = ("SI", "state")
_PREFIXES: Final = ("SI.", "SI4.", "state.")
_NUMBER: Final = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_QUOTED: Final = re.compile(r"'([^']*)'")
_CORNERS: Final = 8  # four corners, x and y
_CHANNELS: Final = range(1, 65)
_LONGEST_RUN_S: Final = 1e7
_MAX_YEAR: Final = 10_000
_TOLERANCE: Final = 0.01
_TRIGGER_OF_3: Final = "state.internal.triggerTimeString"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanImage:
    """What ScanImage says of an acquisition; None where it says nothing.

    Attributes:
        is_line_scan: Whether the slow mirror stood still, so that rows are times.
        has_regions: Whether a page holds several regions, one above another (mROI).
        rows: Rows of a frame.
        columns: Pixels of a row.
        line_period_s: Time between two rows.
        frame_period_s: Time between two frames, before averaging.
        dwell_time_us: Time spent on a pixel.
        width_um: Length of a row.
        height_um: Height of a frame.
        um_per_degree: Length that a degree of the scan angle is.
        flyback_lines: Lines between two regions of a page.
        z_um: Depth of a page; None where pages are of several.
        z_step_um: Distance of two slices.
        channels: Numbers of the saved channels, from 1.
        channel_names: Their names.
        average: How many frames were averaged into one.
        frames_per_slice: Frames that were asked for at each slice, before averaging; None for no
            end.
        slices: Slices of a volume.
        slices_with_flyback: Those, and frames taken on the way back.
        is_fast: Whether one frame is taken at each slice in turn, without a pause.
        zoom: Scan zoom.
        is_bidirectional: Whether every other row was scanned backwards.
        acquired_local_epoch_ns: Start, see `clock`.
        warnings: What is doubtful.
    """

    is_line_scan: bool
    has_regions: bool
    rows: int | None
    columns: int | None
    line_period_s: float | None
    frame_period_s: float | None
    dwell_time_us: float | None
    width_um: float | None
    height_um: float | None
    um_per_degree: float | None
    flyback_lines: int | None
    z_um: float | None
    z_step_um: float | None
    channels: tuple[int, ...]
    channel_names: tuple[str, ...]
    average: int
    frames_per_slice: int | None
    slices: int
    slices_with_flyback: int
    is_fast: bool
    zoom: float | None
    is_bidirectional: bool | None
    acquired_local_epoch_ns: int | None
    warnings: tuple[str, ...]


def scanimage_settings(software: str, description: str) -> ScanImage | None:
    """The settings in two tags of a file's first page; None when ScanImage did not write it."""
    texts = (software, description)
    if not any(name in text for name in _NAMES for text in texts):  # as in most files
        return None
    values: dict[str, str] = {}
    for text in texts:
        for key, value in _entries(text):
            values.setdefault(key, value.strip())
    if not any(key.startswith(_PREFIXES) for key in values):
        return None
    return _settings(values)


def _entries(text: str) -> Iterable[tuple[str, str]]:
    """The settings of a tag, with their values as text."""
    if not text.lstrip().startswith("{"):
        return _LINE.findall(text.replace("\r", "\n"))
    try:
        return _flattened("", loads(text.encode("utf-8", errors="replace"), key="ScanImage"))
    except CorruptDataError:
        return ()


def _flattened(key: str, value: JsonValue) -> Iterator[tuple[str, str]]:
    """The entries of an object of objects, keys joined by points, values as MATLAB prints them."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flattened(f"{key}.{name}" if key else name, inner)
    else:
        yield key, value if isinstance(value, str) else json.dumps(value).replace('"', "'")


def _settings(values: Mapping[str, str]) -> ScanImage:
    """Each setting by the names that it has since version 5, in 4 and in 3."""
    roi, stack, acq = "SI.hRoiManager", "SI.hStackManager", "state.acq"
    warnings: list[str] = []
    channels, names = _channels(values)
    width, height = _field_of_view(_text(values, f"{roi}.imagingFovUm"), warnings)
    slices = _count(
        values,
        f"{stack}.actualNumSlices",
        f"{stack}.numSlices",
        "SI4.stackNumSlices",
        f"{acq}.numberOfZSlices",
    )
    with_flyback = _count(
        values, f"{stack}.numFramesPerVolumeWithFlyback", "SI.hFastZ.numFramesPerVolume"
    )
    if with_flyback is None and _is_true(_text(values, "SI.hFastZ.discardFlybackFrames")):
        with_flyback = (slices or 1) + (_count(values, "SI.hFastZ.numDiscardFlybackFrames") or 0)
    is_fast = (
        _is_true(_text(values, "SI.hFastZ.enable", "SI4.fastZActive"))
        or "fast" in _text(values, f"{stack}.stackMode").lower()
    )
    dwell_s = _number(values, "SI.hScan2D.scanPixelTimeMean", f"{acq}.pixelTime")
    direction = _text(values, "SI.hScan2D.bidirectional", f"{acq}.bidirectionalScan")
    line_s = _number(values, f"{roi}.linePeriod", "SI4.scanLinePeriod")
    line_ms = _number(values, f"{acq}.msPerLine")
    if line_ms is not None:
        line_s = float(f"{line_ms / 1e3:.12g}")
    fly_s = _number(values, "SI.hScan2D.flytoTimePerScanfield")
    frame_s = _number(values, f"{roi}.scanFramePeriod", "SI4.scanFramePeriod")
    by_rate_s = _period(
        _number(values, f"{roi}.scanFrameRate", "SI4.scanFrameRate", f"{acq}.frameRate")
    )
    slow = _number(
        values,
        f"{roi}.scanAngleMultiplierSlow",
        "SI4.scanAngleMultiplierSlow",
        f"{acq}.scanAngleMultiplierSlow",
    )
    if frame_s and by_rate_s and not math.isclose(frame_s, by_rate_s, rel_tol=_TOLERANCE):
        warnings.append(
            f"ScanImage contradicts itself: a frame takes {frame_s:g} s, by its rate "
            f"{by_rate_s:g} s"
        )
    return ScanImage(
        is_line_scan=slow == 0 or _is_true(_text(values, f"{acq}.linescan")),
        has_regions=_is_true(_text(values, f"{roi}.mroiEnable")),
        rows=_count(
            values, f"{roi}.linesPerFrame", "SI4.scanLinesPerFrame", f"{acq}.linesPerFrame"
        ),
        columns=_count(
            values, f"{roi}.pixelsPerLine", "SI4.scanPixelsPerLine", f"{acq}.pixelsPerLine"
        ),
        line_period_s=line_s,
        frame_period_s=frame_s or by_rate_s,
        dwell_time_us=None if dwell_s is None else float(f"{dwell_s * 1e6:.12g}"),
        width_um=width,
        height_um=height,
        um_per_degree=_number(values, "SI.objectiveResolution"),
        flyback_lines=round(fly_s / line_s) if fly_s and line_s else None,
        z_um=None if (slices or 1) > 1 else _number(values, f"{stack}.zs") or 0.0,
        z_step_um=_number(
            values,
            f"{stack}.actualStackZStepSize",
            f"{stack}.stackZStepSize",
            "SI4.stackZStepSize",
            f"{acq}.zStepSize",
        ),
        channels=channels,
        channel_names=names,
        average=_count(
            values,
            "SI.hScan2D.logAverageFactor",
            "SI4.acqNumAveragedFrames",
            f"{acq}.numAvgFramesSave",
        )
        or 1,
        frames_per_slice=_count(
            values, f"{stack}.framesPerSlice", "SI4.acqNumFrames", f"{acq}.numberOfFrames"
        ),
        slices=slices or 1,
        slices_with_flyback=max(with_flyback or 0, slices or 1) if is_fast else slices or 1,
        is_fast=is_fast,
        zoom=_number(values, f"{roi}.scanZoomFactor", "SI4.scanZoomFactor", f"{acq}.zoomFactor"),
        is_bidirectional=_is_true(direction)
        if direction
        else {"bidirectional": True, "unidirectional": False}.get(
            _text(values, "SI4.scanMode").strip("'")
        ),
        acquired_local_epoch_ns=_started(values, warnings),
        warnings=tuple(warnings),
    )


def _started(values: Mapping[str, str], warnings: list[str]) -> int | None:
    """The start: ``[2022 8 8 16 39 49.190]``, or a clock's text before 2015.

    Where a long run is cut into files, a later one starts when its first frame does.
    """
    clock = _text(values, "SI4.triggerClockTimeFirst", _TRIGGER_OF_3).strip("'")
    epoch = [Decimal(number) for number in _NUMBER.findall(_text(values, "epoch"))]
    if len(epoch) == 6 and max(map(abs, epoch)) < _MAX_YEAR:
        year, month, day, hour, minute = map(int, epoch[:5])
        clock = f"{year:04}-{month}-{day} {hour}:{minute:02}:{epoch[5]:012.9f}"
    start = stated_clock(
        clock, what="ScanImage's start", warnings=warnings, month_first=_TRIGGER_OF_3 in values
    )
    later_s = _number(values, "frameTimestamps_sec") or 0.0
    if start is None or not 0 < later_s < _LONGEST_RUN_S:
        return start
    return start + round(later_s * 1e9)


def _field_of_view(corners: str, warnings: list[str]) -> tuple[float | None, float | None]:
    """Width and height by the corners ``[x y;x y;x y;x y]``, of a field that may be turned."""
    numbers = [float(text) for text in _NUMBER.findall(corners)]
    if len(numbers) != _CORNERS:
        if corners:
            warnings.append(f"ScanImage's field of view {corners[:60]!r} is not four corners")
        return None, None
    first, second, third = zip(numbers[0:6:2], numbers[1:6:2], strict=True)
    return math.dist(first, second), math.dist(second, third)


def _channels(values: Mapping[str, str]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The saved channels and their names, which version 3 does not give."""
    of_3 = [n for n in _CHANNELS if _is_true(_text(values, f"state.acq.savingChannel{n}"))]
    if of_3:
        return tuple(of_3), tuple(f"Channel {number}" for number in of_3)
    saved = _text(values, "SI.hChannels.channelSave", "SI4.channelsSave")  # 1 or [1;2]
    numbers = map(float, _NUMBER.findall(saved))
    channels = tuple(dict.fromkeys(int(number) for number in numbers if number in _CHANNELS))
    names = _QUOTED.findall(_text(values, "SI.hChannels.channelName", "SI4.channelsName"))
    return channels, tuple(names[n - 1] if n <= len(names) else "" for n in channels)


def _text(values: Mapping[str, str], *keys: str) -> str:
    """The value of the first key that has one; MATLAB's ``[]`` is none."""
    found = (values.get(key, "") for key in keys)
    return next((value for value in found if value not in {"", "[]", "{}", "''"}), "")


def _number(values: Mapping[str, str], *keys: str) -> float | None:
    number = decimal_of(_text(values, *keys))
    return None if number is None else float(number)


def _period(rate: float | None) -> float | None:
    """The time that one of so many a second takes."""
    return float(f"{1 / rate:.12g}") if rate else None


def _count(values: Mapping[str, str], *keys: str) -> int | None:
    number = _number(values, *keys)
    return int(number) if number is not None and number >= 1 and number == int(number) else None


def _is_true(text: str) -> bool:
    return text.lower() in {"true", "1"}
