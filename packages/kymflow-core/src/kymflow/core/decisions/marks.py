"""Intervals that a person marks, moves and removes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kymflow.core.analysis.regions import Place, Region, calibration_of, regions_of
from kymflow.core.decisions.ledger import add_act, exclusive
from kymflow.core.decisions.state import Mark, read_decisions
from kymflow.core.errors import DecisionError, UnknownKeyError
from kymflow.core.metadata import load_metadata

if TYPE_CHECKING:
    from kymflow_zarr import JsonValue, ZarrImageRecord


@exclusive
def mark_interval(
    record: ZarrImageRecord,
    region: Region,
    start_s: float,
    stop_s: float,
    kind: str = "stall",
    *,
    author: str | None = None,
    step: str | None = None,
) -> Mark:
    """Mark an interval in one region. Nothing happens if it is marked already.

    Args:
        record: The image, writable.
        region: One of its regions, see `kymflow.core.analysis.regions_of`.
        start_s: Its beginning, in seconds from the beginning of the recording.
        stop_s: Its end.
        kind: What happens in it.
        author: Who decides; the login name if None.
        step: What this is undone together with; nothing else if None.

    Returns:
        The mark.

    Raises:
        DecisionError: The interval does not lie in the region, the image has no such region, or its
            line period is unknown.
        MetadataError: The metadata of the image are malformed.
    """
    start, stop = _lines(record, region.place, start_s, stop_s)
    if not kind.strip():
        raise DecisionError(record.image_id, "the kind of the interval is empty; give one")
    wanted = (region.place, start, stop, kind)
    for mark in read_decisions(record).marks:
        if (mark.place, mark.start_line, mark.stop_line, mark.kind) == wanted:
            return mark
    details: dict[str, JsonValue] = {
        "channel": region.channel,
        "roi_id": region.roi_id,
        "start_line": start,
        "stop_line": stop,
        "kind": kind,
    }
    act = add_act(record, "mark", details, author=author, step=step)
    return _find(record, act.id)


@exclusive
def move_mark(
    record: ZarrImageRecord,
    mark_id: str,
    start_s: float,
    stop_s: float,
    *,
    author: str | None = None,
    step: str | None = None,
) -> Mark:
    """Move a mark. Nothing happens if it is there already; arguments as for `mark_interval`.

    Raises:
        UnknownKeyError: There is no mark with this id.
        DecisionError: The interval does not lie in the region.
    """
    mark = _find(record, mark_id)
    start, stop = _lines(record, mark.place, start_s, stop_s)
    if (start, stop) == (mark.start_line, mark.stop_line):
        return mark
    details: dict[str, JsonValue] = {"mark": mark_id, "start_line": start, "stop_line": stop}
    add_act(record, "move_mark", details, author=author, step=step)
    return _find(record, mark_id)


@exclusive
def remove_mark(
    record: ZarrImageRecord,
    mark_id: str,
    *,
    author: str | None = None,
    step: str | None = None,
) -> None:
    """Remove a mark.

    Raises:
        UnknownKeyError: There is no mark with this id.
    """
    _find(record, mark_id)
    add_act(record, "remove_mark", {"mark": mark_id}, author=author, step=step)


def _find(record: ZarrImageRecord, mark_id: str) -> Mark:
    marks = {mark.id: mark for mark in read_decisions(record).marks}
    if mark_id not in marks:
        raise UnknownKeyError("mark", mark_id, marks, where=f" of image {record.image_id!r}")
    return marks[mark_id]


def _lines(
    record: ZarrImageRecord, place: Place, start_s: float, stop_s: float
) -> tuple[float, float]:
    """An interval in lines of the recording."""
    metadata = load_metadata(record)
    region = next((r for r in regions_of(record, metadata) if r.place == place), None)
    if region is None:
        raise DecisionError(
            record.image_id,
            f"it has no region with channel {place[0]} and ROI {place[1]}; "
            "regions_of() lists those that exist",
        )
    period = calibration_of(record, metadata).seconds_per_line
    if period is None:
        raise DecisionError(record.image_id, "its line period is unknown; calibrate it first")
    first, last = (line * period for line in region.lines)
    # The end of the region, computed from lines by others, may lie a rounding error behind it.
    ends_inside = stop_s <= last or math.isclose(stop_s, last)
    if not (first <= start_s < stop_s and ends_inside):
        raise DecisionError(
            record.image_id,
            f"from {start_s!r} s to {stop_s!r} s is not an interval in {region}, which "
            f"reaches from {first:g} s to {last:g} s",
        )
    return start_s / period, min(stop_s / period, float(region.lines[1]))
