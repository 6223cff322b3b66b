"""What a person can do from the page: decisions of `kymflow.core.decisions`, and new results."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from kymflow.cli.opening import source_of
from kymflow.cli.source_names import folder_of
from kymflow.cli.viewer.messages import BadRequestError
from kymflow.cli.viewer.recompute import recompute
from kymflow.core import KymflowCoreError
from kymflow.core.analysis import Region, regions_of
from kymflow.core.decisions import (
    accept,
    add_note,
    add_region,
    change_region,
    exclude,
    include,
    mark_interval,
    move_mark,
    new_act_id,
    reject,
    remove_mark,
    set_fields,
    undo,
)
from kymflow.core.errors import RegionError
from kymflow.core.metadata import RoiChange, image_extent, load_metadata
from kymflow_zarr import KymflowZarrError

if TYPE_CHECKING:
    from kymflow.core.analysis.regions import Place
    from kymflow_zarr import ZarrDataset, ZarrImageRecord

logger = logging.getLogger(__name__)

CHANGES: Final[Mapping[str, str]] = {
    "borders": "channel, roi, pixels and folder",
    "verdict": "verdict, which is accepted or rejected, and reason",
    "exclude": "reason",
    "include": "nothing",
    "note": "text",
    "mark": "channel, roi, start_s, stop_s and kind",
    "move-mark": "mark, start_s and stop_s",
    "remove-mark": "mark",
    "field": "name and value",
    "compute": "nothing",
    "undo": "nothing",
}
"""What can be changed of a recording, by the last part of the path, and what is said of it."""


def make_change(
    dataset: ZarrDataset, record: ZarrImageRecord, change: str, body: Mapping[str, Any]
) -> None:
    """Do one of `CHANGES`.

    Args:
        dataset: The dataset, writable.
        record: One of its recordings.
        change: Which change.
        body: What is said of it.

    Raises:
        BadRequestError: The body lacks something, or is about a region that no longer exists.
        KymflowCoreError: The change makes no sense for this recording.
    """
    match change, body:
        case "borders", {
            "channel": int(channel),
            "roi": int() | None as roi,
            "pixels": [int(start), int(stop)],
            "folder": bool(whole_folder),
        }:
            _move_borders(dataset, record, (channel, roi), (start, stop), whole_folder=whole_folder)
        case "verdict", {"verdict": "accepted", "reason": str(reason)}:
            accept(record, reason)
        case "verdict", {"verdict": "rejected", "reason": str(reason)}:
            reject(record, reason)
        case "exclude", {"reason": str(reason)}:
            exclude(record, reason)
        case "include", _:
            include(record)
        case "note", {"text": str(text)}:
            add_note(record, text)
        case "mark", {
            "channel": int(channel),
            "roi": int() | None as roi,
            "start_s": int() | float() as start_s,
            "stop_s": int() | float() as stop_s,
            "kind": str(kind),
        }:
            places = {region.place: region for region in _regions(record)}
            if (channel, roi) not in places:
                raise BadRequestError("this region no longer exists")
            mark_interval(record, places[channel, roi], start_s, stop_s, kind)
        case "move-mark", {
            "mark": str(mark),
            "start_s": int() | float() as start_s,
            "stop_s": int() | float() as stop_s,
        }:
            move_mark(record, mark, start_s, stop_s)
        case "remove-mark", {"mark": str(mark)}:
            remove_mark(record, mark)
        case "field", {"name": str(name), "value": str() | int() | float() | None as value}:
            set_fields(record, {name: value})
        case "compute", _:
            recompute(dataset, record)
        case "undo", _:
            undone = [each for act in undo(record) for each in act.changes]
            if any(each.place[0] == "rois" for each in undone):
                recompute(dataset, record)
        case _:
            raise BadRequestError(f"{change} needs {CHANGES[change]}")


def _move_borders(
    dataset: ZarrDataset,
    record: ZarrImageRecord,
    place: Place,
    pixels: tuple[int, int],
    *,
    whole_folder: bool,
) -> None:
    step = new_act_id()
    _set_borders(dataset, record, place, pixels, step)
    for other in _neighbours(dataset, record) if whole_folder else ():
        try:
            regions = [region for region in _regions(other) if region.channel == place[0]]
            if len(regions) == 1:  # with several vessels, it is unknown which one is meant
                _set_borders(dataset, other, regions[0].place, pixels, step)
        except (KymflowCoreError, KymflowZarrError) as error:
            logger.warning("the borders of image %r stay: %s", other.image_id, error)


def _set_borders(
    dataset: ZarrDataset,
    record: ZarrImageRecord,
    place: Place,
    pixels: tuple[int, int],
    step: str,
) -> None:
    """Give a region new borders, and compute its velocity; a whole picture becomes a ROI."""
    channel, roi = place
    if roi is None:
        roi = add_region(record, pixels=pixels, channel=channel, step=step).id
    else:
        change = RoiChange(dim1_start=pixels[0], dim1_stop=pixels[1])
        change_region(record, roi, change, step=step)
    recompute(dataset, record, roi_ids=(roi,))


def _neighbours(dataset: ZarrDataset, record: ZarrImageRecord) -> Iterator[ZarrImageRecord]:
    """The other recordings of the same folder with as many pixels."""
    entries = dataset.load_manifest().entries
    folder = folder_of(source_of(entries[record.image_id]))
    for image_id, entry in entries.items():
        if image_id != record.image_id and folder and folder_of(source_of(entry)) == folder:
            other = dataset.record(image_id)
            if image_extent(other).dim1 == image_extent(record).dim1:
                yield other


def _regions(record: ZarrImageRecord) -> tuple[Region, ...]:
    try:
        return regions_of(record, load_metadata(record))
    except RegionError:  # not a kymograph, so it has no borders
        return ()
