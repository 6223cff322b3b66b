"""Carry decisions over to an image that was made of a later state of the same file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kymflow.core.decisions.changes import payload_values, with_values
from kymflow.core.decisions.ledger import load_payload, new_act, readable_records, save_acts
from kymflow.core.decisions.state import acts_in_force
from kymflow.core.errors import MetadataError, RoiError
from kymflow.core.metadata import (
    ImageExtent,
    Roi,
    check_roi,
    image_extent,
    load_metadata,
    load_source,
)
from kymflow.core.metadata.acts import Act, Change, read_acts
from kymflow_zarr import CorruptDataError

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset, ZarrImageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedOver:
    """What became of one image.

    Attributes:
        image_id: The image.
        superseded_id: The image that its decisions come from.
        left_out: The ids of regions that do not fit the new image.
        error: Why nothing was carried over; None if it was.
    """

    image_id: str
    superseded_id: str
    left_out: tuple[int, ...] = ()
    error: MetadataError | CorruptDataError | None = None


def carry_over(
    dataset: ZarrDataset, image_ids: Iterable[str] | None = None
) -> tuple[CarriedOver, ...]:
    """Carry decisions and regions over to images without any decision of their own.

    Call it after files were ingested again because they had changed. A second call does nothing.

    Args:
        dataset: The dataset, writable.
        image_ids: The images; all if None.

    Returns:
        The images that supersede one with decisions or regions, and what became of each.
    """
    chosen = readable_records(dataset) if image_ids is None else map(dataset.record, image_ids)
    # One after the other: a file may have been changed several times.
    in_order = sorted(chosen, key=lambda record: record.created_utc)
    return tuple(found for record in in_order if (found := _carry_to(dataset, record)))


def _carry_to(dataset: ZarrDataset, record: ZarrImageRecord) -> CarriedOver | None:
    superseded = load_source(record).supersedes
    if superseded is None or superseded not in dataset:
        return None
    done = CarriedOver(image_id=record.image_id, superseded_id=superseded)
    try:
        with record.exclusive():
            left_out = _carry(dataset.record(superseded), record)
    except (MetadataError, CorruptDataError) as error:
        return replace(done, error=error)
    return None if left_out is None else replace(done, left_out=left_out)


def _carry(old: ZarrImageRecord, new: ZarrImageRecord) -> tuple[int, ...] | None:
    """Carry over what there is, and say which regions were left out; None if nothing is to do."""
    payload = load_payload(new)
    metadata = load_metadata(old)
    acts = acts_in_force(metadata.acts)
    if read_acts(payload) or not (acts or metadata.rois):
        return None
    # Regions that were made without an act are carried over by a separate act.
    rois = tuple(
        Change(place=("rois", str(roi.id)), before=None, after=roi.to_json())
        for roi in metadata.rois
    )
    marker = new_act("carry_over", {"from": old.image_id}, rois, author=None, step=None)
    payload = {**payload, "last_roi_id": metadata.last_roi_id}
    extent, carried, left_out = image_extent(new), list[Act](), set[int]()
    for act in (*acts, marker):
        fitting = [change for change in act.changes if _fits(change, extent)]
        left_out.update(int(change.place[1]) for change in act.changes if change not in fitting)
        values = payload_values(payload)
        payload = with_values(payload, {change.place: change.after for change in fitting})
        changes = [replace(change, before=values.get(change.place)) for change in fitting]
        made = tuple(change for change in changes if change.before != change.after)
        carried.append(replace(act, changes=made))
    save_acts(new, payload, carried)
    return tuple(sorted(left_out))


def _fits(change: Change, extent: ImageExtent) -> bool:
    """Whether a change makes sense in an image of this size."""
    if change.place[0] != "rois" or change.after is None:
        return True
    try:
        check_roi(Roi.from_json(change.after), extent)
    except RoiError:
        return False
    return True
