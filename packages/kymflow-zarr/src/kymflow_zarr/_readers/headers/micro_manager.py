"""The ``metadata.txt`` that Micro-Manager writes beside its images: JSON, in spite of its name.

It lies in the folder of images that are a file each (``img_….tif``), or beside a stack as
``<stack>_metadata.txt``. ``Summary`` describes the acquisition, and an entry for each frame
(``FrameKey-0-0-0``, in version 2 ``Metadata-…/img_….tif``) what was true of that one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from kymflow_zarr._readers.clock import parse_iso
from kymflow_zarr._readers.facts import Channel, Facts, Rank
from kymflow_zarr._readers.intervals import steady_step
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import FolderListing
from kymflow_zarr._readers.settings import bit_depth, known
from kymflow_zarr._readers.statements import Statements
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity
from kymflow_zarr._storage.json_text import JsonValue, json_object, loads
from kymflow_zarr.errors import CorruptDataError

_SOURCE: Final = "micro_manager"
_SINGLE: Final = re.compile(r"img_.+\.tiff?", re.IGNORECASE)
_STACK: Final = re.compile(r"(.+?)(?:\.ome)?\.tiff?", re.IGNORECASE)
_ZONE: Final = re.compile(r"\s*[+-]\d{2}:?\d{2}$")
_MAX_MS: Final = 1e15


class MicroManagerHeader:
    """Reads Micro-Manager's ``metadata.txt``. See `kymflow_zarr.readers.HeaderReader`."""

    name = "micro_manager"
    suffixes = (".txt",)

    def find(self, path: Path, listing: FolderListing) -> Path | None:
        """The metadata of a stack, or of the folder that an image of one frame lies in."""
        stack = _STACK.fullmatch(path.name)
        found = listing.named(f"{stack[1]}_metadata.txt") if stack else None
        if found is None and _SINGLE.fullmatch(path.name):
            found = listing.named("metadata.txt")
        return found

    def read(
        self, path: Path, listing: FolderListing, *, shape: tuple[int, ...], limits: ReadLimits
    ) -> Facts | None:
        """What the metadata of an image's folder, or of its stack, say."""
        found = self.find(path, listing)
        if found is None:
            return None
        text = listing.read_text(found, limits=limits)
        return read_micro_manager(text, name=found.name, pages=len(shape) > 2)


def read_micro_manager(
    text: str, *, name: str = "metadata.txt", pages: bool = True
) -> Facts | None:
    """What Micro-Manager's metadata say; None if they are of another kind.

    ``pages`` tells whether the image has several, which may be a time apart.
    """
    try:
        document = json_object(loads(text.encode(), key=name))
    except (CorruptDataError, UnicodeEncodeError) as error:
        reason = error.reason
        return Facts(
            source=_SOURCE, rank=Rank.HEADER_FILE, warnings=(f"{name!r} cannot be read: {reason}",)
        )
    summary = document.get("Summary")
    if not isinstance(summary, dict):
        return None
    frames = [
        frame for frame in document.values() if isinstance(frame, dict) and "PixelSizeUm" in frame
    ]
    first = frames[0] if frames else {}
    stated = Statements(source="Micro-Manager's")
    return Facts(
        source=_SOURCE,
        rank=Rank.HEADER_FILE,
        texts={_SOURCE: text},
        steps=_steps(summary, first, frames if pages else None, stated),
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
        warnings=tuple(stated.warnings),
    )


def _steps(
    summary: Mapping[str, JsonValue],
    first: Mapping[str, JsonValue],
    frames: Sequence[Mapping[str, JsonValue]] | None,
    stated: Statements,
) -> dict[str, Quantity]:
    """Pixel sizes; with frames, also how far these are apart in depth and time."""
    sizes = (_text(summary, "PixelSize_um"), _text(first, "PixelSizeUm"))
    read = (stated.quantity(size or "", LENGTH, of=LENGTH, what="pixel size") for size in sizes)
    found = [pixel for pixel in read if pixel is not None]
    pixel = found[0] if found else None
    if len(set(found)) > 1:
        stated.warnings.append(
            f"Micro-Manager contradicts itself: a pixel is {found[0].value:g} um according to the "
            f"summary, {found[1].value:g} um according to the first image"
        )
    steps = {"x": pixel, "y": pixel}
    if frames is not None:
        times = _times_ms(frames)
        measured = steady_step(times)
        if len(times) > 1 and measured is None:
            stated.warnings.append("Micro-Manager's frames are not evenly spaced in time")
        asked = _text(summary, "Interval_ms") if len(times) < 2 else None
        interval = (asked or "") if measured is None else measured
        depth = _text(summary, "z-step_um") or ""
        steps["z"] = stated.quantity(depth, LENGTH, of=LENGTH, what="depth")
        steps["t"] = stated.quantity(interval, "ms", of=TIME, what="interval")
    return known(steps)


def _times_ms(frames: Sequence[Mapping[str, JsonValue]]) -> list[float]:
    """The times of the frames that differ from the first in nothing but time, as measured."""
    places = [(_text(frame, "ChannelIndex"), _text(frame, "SliceIndex")) for frame in frames]
    of_first = [frame for frame, place in zip(frames, places, strict=True) if place == places[0]]
    return sorted({time for frame in of_first if (time := _elapsed_ms(frame)) is not None})


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
