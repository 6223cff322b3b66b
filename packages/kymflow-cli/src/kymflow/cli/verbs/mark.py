"""Mark an interval by hand, such as a stall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kymflow.cli.decided import DecisionResult, decide
from kymflow.cli.errors import UnknownNameError, refuse_unused

if TYPE_CHECKING:
    from kymflow_zarr import ZarrImageRecord


def mark(
    dataset: str,
    image: str,
    start: float | None = None,
    stop: float | None = None,
    /,
    *,
    kind: str | None = None,
    roi: int | None = None,
    channel: int | None = None,
    move: Annotated[str | None, Parameter(name="--move")] = None,
    remove: Annotated[str | None, Parameter(name="--remove")] = None,
) -> DecisionResult:
    """Mark an interval of a region by hand, or move or remove such a mark.

    Tables of intervals, such as kym_velocity_intervals, show it with the next kymflow index. Their
    column origin distinguishes it from what was computed.

    Args:
        dataset: Path or URL of the dataset.
        image: The image: its id, the first characters of it, or its source file.
        start: Where it begins, in seconds from the beginning of the recording.
        stop: Where it ends.
        kind: What happens in it; a stall if not given.
        roi: The region; not needed where the image has only one, or none, in the channel.
        channel: The channel, from 1; the first one if not given.
        move: Move the mark with this id to these seconds.
        remove: Remove the mark with this id.

    Raises:
        UnknownNameError: The image does not exist, or the seconds are missing.
        UnusedOptionError: A mark is moved or removed, and an option is about a new one.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow.core import decisions
    from kymflow.core.analysis import find_region
    from kymflow.core.metadata import load_metadata

    place = {"--kind": kind is not None, "--roi": roi is not None, "--channel": channel is not None}
    if remove is not None:
        seconds = {"--move": move is not None, "an interval": start is not None}
        refuse_unused("--remove", {**seconds, **place})
    if move is not None:
        refuse_unused("--move", place)

    def act(record: ZarrImageRecord, step: str) -> str | None:
        if remove is not None:
            decisions.remove_mark(record, remove, step=step)
            return None
        if start is None or stop is None:
            raise UnknownNameError("no interval given", hint="give its seconds, as in: 2.0 3.5")
        if move is not None:
            made = decisions.move_mark(record, move, start, stop, step=step)
        else:
            region = find_region(
                record, load_metadata(record), channel=1 if channel is None else channel, roi_id=roi
            )
            made = decisions.mark_interval(record, region, start, stop, kind or "stall", step=step)
        return f"mark {made.id}"

    return decide("mark", dataset, (image,), None, act)
