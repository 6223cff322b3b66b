"""What a person can do from the page: decisions of `kymflow.core.decisions`, and new results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

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
    from kymflow_zarr import ZarrDataset, ZarrImageRecord

logger = logging.getLogger(__name__)

Body: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is changed.

    Attributes:
        dataset: The dataset, writable.
        record: One of its recordings.
    """

    dataset: ZarrDataset
    record: ZarrImageRecord


def _move_borders(target: Target, body: Body) -> None:
    match body:
        case {
            "channel": int(channel),
            "roi": int() | None as roi,
            "pixels": [int(start), int(stop)],
            "folder": bool(whole_folder),
        }:
            step = new_act_id()
            pixels = (start, stop)
            _set_borders(target, channel, roi, pixels, step)
            for other in _neighbours(target) if whole_folder else ():
                try:
                    regions = [r for r in _regions(other.record) if r.channel == channel]
                    if len(regions) == 1:  # with several vessels, it is unknown which one is meant
                        _set_borders(other, channel, regions[0].roi_id, pixels, step)
                except (KymflowCoreError, KymflowZarrError) as error:
                    logger.warning("the borders of image %r stay: %s", other.record.image_id, error)
        case _:
            raise BadRequestError("borders have channel, roi, pixels and folder")


def _set_borders(
    target: Target, channel: int, roi: int | None, pixels: tuple[int, int], step: str
) -> None:
    """Give a region new borders, and compute its velocity; a whole picture becomes a ROI."""
    record = target.record
    if roi is None:
        roi = add_region(record, pixels=pixels, channel=channel, step=step).id
    else:
        change = RoiChange(dim1_start=pixels[0], dim1_stop=pixels[1])
        change_region(record, roi, change, step=step)
    recompute(target.dataset, record, roi_ids=(roi,))


def _neighbours(target: Target) -> Iterator[Target]:
    """The other recordings of the same folder with as many pixels."""
    dataset, record = target.dataset, target.record
    entries = dataset.load_manifest().entries
    folder = folder_of(source_of(entries[record.image_id]))
    for image_id, entry in entries.items():
        if image_id != record.image_id and folder and folder_of(source_of(entry)) == folder:
            other = dataset.record(image_id)
            if image_extent(other).dim1 == image_extent(record).dim1:
                yield Target(dataset=dataset, record=other)


def _regions(record: ZarrImageRecord) -> tuple[Region, ...]:
    try:
        return regions_of(record, load_metadata(record))
    except RegionError:  # not a kymograph, so it has no borders
        return ()


def _judge(target: Target, body: Body) -> None:
    match body:
        case {"verdict": "accepted", "reason": str(reason)}:
            accept(target.record, reason)
        case {"verdict": "rejected", "reason": str(reason)}:
            reject(target.record, reason)
        case _:
            raise BadRequestError("a verdict is accepted or rejected, and has a reason")


def _exclude(target: Target, body: Body) -> None:
    match body:
        case {"reason": str(reason)}:
            exclude(target.record, reason)
        case _:
            raise BadRequestError("an exclusion has a reason")


def _include(target: Target, body: Body) -> None:  # noqa: ARG001 - there is nothing to say
    include(target.record)


def _note(target: Target, body: Body) -> None:
    match body:
        case {"text": str(text)}:
            add_note(target.record, text)
        case _:
            raise BadRequestError("a note has a text")


def _mark(target: Target, body: Body) -> None:
    match body:
        case {
            "channel": int(channel),
            "roi": int() | None as roi,
            "start_s": int() | float() as start,
            "stop_s": int() | float() as stop,
            "kind": str(kind),
        }:
            places = {region.place: region for region in _regions(target.record)}
            if (channel, roi) not in places:
                raise BadRequestError("this region no longer exists")
            mark_interval(target.record, places[channel, roi], start, stop, kind)
        case _:
            raise BadRequestError("a mark has channel, roi, start_s, stop_s and kind")


def _move_mark(target: Target, body: Body) -> None:
    match body:
        case {
            "mark": str(mark),
            "start_s": int() | float() as start,
            "stop_s": int() | float() as stop,
        }:
            move_mark(target.record, mark, start, stop)
        case _:
            raise BadRequestError("a mark that is moved has mark, start_s and stop_s")


def _remove_mark(target: Target, body: Body) -> None:
    match body:
        case {"mark": str(mark)}:
            remove_mark(target.record, mark)
        case _:
            raise BadRequestError("a mark that is removed has mark")


def _set_field(target: Target, body: Body) -> None:
    match body:
        case {"name": str(name), "value": str() | int() | float() | None as value}:
            set_fields(target.record, {name: value})
        case _:
            raise BadRequestError("a field has name and value")


def _compute(target: Target, body: Body) -> None:  # noqa: ARG001 - there is nothing to say
    recompute(target.dataset, target.record)


def _undo(target: Target, body: Body) -> None:  # noqa: ARG001 - there is nothing to say
    if any(change.place[0] == "rois" for act in undo(target.record) for change in act.changes):
        recompute(target.dataset, target.record)


CHANGES: Final[Mapping[str, Callable[[Target, Body], None]]] = {
    "borders": _move_borders,
    "verdict": _judge,
    "exclude": _exclude,
    "include": _include,
    "note": _note,
    "mark": _mark,
    "move-mark": _move_mark,
    "remove-mark": _remove_mark,
    "field": _set_field,
    "compute": _compute,
    "undo": _undo,
}
"""What can be changed of a recording, by the last part of the path."""
