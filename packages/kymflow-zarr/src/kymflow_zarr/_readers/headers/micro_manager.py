"""The ``metadata.txt`` that Micro-Manager writes beside its images: JSON, in spite of its name.

It lies in the folder of images that are a file each (``img_….tif``), or beside a stack as
``<stack>_metadata.txt``. ``Summary`` describes the acquisition, and an entry for each frame
(``FrameKey-0-0-0``, in version 2 ``Metadata-…/img_….tif``) what was true of that one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

from kymflow_zarr._readers.clock import parse_iso
from kymflow_zarr._readers.facts import Channel, Facts, Rank
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import FolderListing
from kymflow_zarr._readers.settings import bit_depth, known, step_of
from kymflow_zarr._readers.units import LENGTH, Quantity
from kymflow_zarr._storage.json_text import JsonValue, loads
from kymflow_zarr.errors import CorruptDataError

__all__ = ["MicroManagerHeader", "read_micro_manager"]

_SOURCE: Final = "micro_manager"
_SINGLE: Final = re.compile(r"img_.+\.tiff?", re.IGNORECASE)
_STACK: Final = re.compile(r"(.+?)(?:\.ome)?\.tiff?", re.IGNORECASE)
_ZONE: Final = re.compile(r"\s*[+-]\d{2}:?\d{2}$")
_STEADY: Final = 0.05
_MAX_MS: Final = 1e15


class MicroManagerHeader:
    """Reads Micro-Manager's ``metadata.txt``. See `kymflow_zarr.readers.HeaderReader`."""

    name = "micro_manager"
    suffixes = (".txt",)

    def read(
        self,
        path: Path,
        listing: FolderListing,
        *,
        shape: tuple[int, ...],  # noqa: ARG002 - frames may be fewer than were asked for
        limits: ReadLimits,
    ) -> Facts | None:
        """What the metadata of an image's folder, or of its stack, say.

        Raises:
            UnreadableImageError: They cannot be read, or are too large.
        """
        stack = _STACK.fullmatch(path.name)
        names = [f"{stack[1]}_metadata.txt"] if stack else []
        if _SINGLE.fullmatch(path.name):
            names.append("metadata.txt")
        found = next((name for name in names if name in listing.names), None)
        if found is None:
            return None
        text = listing.read_text(listing.folder / found, limits=limits)
        return read_micro_manager(text, name=found)


def read_micro_manager(text: str, *, name: str = "metadata.txt") -> Facts | None:
    """Read Micro-Manager's metadata; None if they are of another kind.

    Args:
        text: The document.
        name: The file's name, for messages.
    """
    try:
        document = loads(text.encode(), key=name)
    except (CorruptDataError, UnicodeEncodeError) as error:
        reason = error.reason
        return Facts(
            source=_SOURCE, rank=Rank.HEADER_FILE, warnings=(f"{name!r} cannot be read: {reason}",)
        )
    summary = document.get("Summary") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(summary, dict):
        return None
    frames = [
        frame for frame in document.values() if isinstance(frame, dict) and "PixelSizeUm" in frame
    ]
    first = frames[0] if frames else {}
    warnings: list[str] = []
    return Facts(
        source=_SOURCE,
        rank=Rank.HEADER_FILE,
        texts={_SOURCE: text},
        steps=_steps(summary, first, frames, warnings),
        acquired_local_epoch_ns=_acquired(summary, first),
        bits_per_pixel=bit_depth(_text(summary, "BitDepth") or _text(first, "BitDepth")),
        channels=tuple(
            Channel(name=name) for name in _list(summary, "ChNames") if isinstance(name, str)
        ),
        vendor=known(
            {
                "scan_device": _text(first, "Core-Camera"),
                "system": f"Micro-Manager {_text(summary, 'MicroManagerVersion') or ''}".strip(),
            }
        ),
        warnings=tuple(warnings),
    )


def _steps(
    summary: Mapping[str, JsonValue],
    first: Mapping[str, JsonValue],
    frames: Sequence[Mapping[str, JsonValue]],
    warnings: list[str],
) -> dict[str, Quantity]:
    pixel_text = _text(summary, "PixelSize_um") or _text(first, "PixelSizeUm")
    pixel = step_of(pixel_text, LENGTH, name="PixelSize_um", warnings=warnings)
    depth = step_of(_text(summary, "z-step_um"), LENGTH, name="z-step_um", warnings=[])
    steps = {"x": pixel, "y": pixel, "z": depth, "t": _interval(summary, frames, warnings)}
    return {axis: step for axis, step in steps.items() if step is not None}


def _interval(
    summary: Mapping[str, JsonValue],
    frames: Sequence[Mapping[str, JsonValue]],
    warnings: list[str],
) -> Quantity | None:
    """The time between two frames: as measured where that is steady, else as asked for."""
    places = [(_text(frame, "ChannelIndex"), _text(frame, "SliceIndex")) for frame in frames]
    of_first = [frame for frame, place in zip(frames, places, strict=True) if place == places[0]]
    times = sorted({time for frame in of_first if (time := _elapsed_ms(frame)) is not None})
    gaps = [after - before for before, after in pairwise(times)]
    if gaps:
        middle = median(gaps)
        if all(abs(gap - middle) <= _STEADY * middle for gap in gaps):
            return step_of(repr(middle), "ms", name="ElapsedTime-ms", warnings=warnings)
        warnings.append("Micro-Manager's frames are not evenly spaced in time")
    return step_of(_text(summary, "Interval_ms"), "ms", name="Interval_ms", warnings=warnings)


def _elapsed_ms(frame: Mapping[str, JsonValue]) -> float | None:
    value = frame.get("ElapsedTime-ms")
    return float(value) if isinstance(value, (int, float)) and abs(value) < _MAX_MS else None


def _acquired(summary: Mapping[str, JsonValue], first: Mapping[str, JsonValue]) -> int | None:
    """The start, on the clock of the room: what is behind it is that room's zone."""
    for text in (_text(summary, "StartTime"), _text(summary, "Time"), _text(first, "Time")):
        found = parse_iso(_ZONE.sub("", text or ""))
        if found is not None:
            return found[0]
    return None


def _text(values: Mapping[str, JsonValue], name: str) -> str | None:
    """A value as text, whether it was written as a number or as text."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    return str(value)


def _list(values: Mapping[str, JsonValue], name: str) -> list[JsonValue]:
    value = values.get(name)
    return value if isinstance(value, list) else []
