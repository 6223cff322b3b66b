"""Take the latest decision back, which is one more act."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING

from kymflow.core.decisions.changes import payload_values, with_values
from kymflow.core.decisions.ledger import (
    load_acts,
    load_payload,
    new_act,
    readable_records,
    save_acts,
)
from kymflow.core.decisions.state import UNDO, acts_in_force
from kymflow.core.errors import DecisionError, NothingToUndoError
from kymflow.core.metadata.acts import Act, new_act_id, read_acts
from kymflow_zarr import ZarrDataset, ZarrImageRecord

if TYPE_CHECKING:
    from kymflow_zarr import JsonValue


def undo(target: ZarrDataset | ZarrImageRecord, author: str | None = None) -> tuple[Act, ...]:
    """Undo the latest act that was not undone yet, with all others of the same step.

    Args:
        target: One image, or a dataset: then it is the latest act over all of its images.
        author: Who does it; the login name if None.

    Returns:
        The acts that were undone: one, but for steps on many images.

    Raises:
        NothingToUndoError: There is none.
        DecisionError: What an act changed has been changed since by other means.
        MetadataError: An act of an image is malformed.
    """
    if isinstance(target, ZarrImageRecord):
        records, where = [target], f"image {target.image_id!r}"
    else:
        records, where = list(readable_records(target)), "this dataset"
    if not records:
        raise NothingToUndoError(where)
    with records[0].exclusive():
        return _undo_latest(records, where, author)


def _undo_latest(
    records: Sequence[ZarrImageRecord], where: str, author: str | None
) -> tuple[Act, ...]:
    latest = [
        (record, acts[-1]) for record in records if (acts := acts_in_force(load_acts(record)))
    ]
    if not latest:
        raise NothingToUndoError(where)
    step = max((act for _, act in latest), key=lambda act: act.id).step
    # All is worked out before anything is written.
    own = new_act_id()
    plans = [_plan(record, step, author, own) for record, act in latest if act.step == step]
    for plan in plans:
        save_acts(plan.record, plan.payload, plan.acts)
    return tuple(act for plan in plans for act in plan.undone)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What to write to one image.

    Attributes:
        record: The image.
        payload: Its payload, as it was before the acts that are undone.
        acts: All acts, with those of undoing.
        undone: The acts that are undone.
    """

    record: ZarrImageRecord
    payload: Mapping[str, JsonValue]
    acts: tuple[Act, ...]
    undone: tuple[Act, ...]


def _plan(record: ZarrImageRecord, step: str, author: str | None, own: str) -> _Plan:
    """Undo the latest acts of an image, as far back as they belong to a step, in one of our own."""
    payload = load_payload(record)
    acts = read_acts(payload)
    undone = tuple(takewhile(lambda act: act.step == step, reversed(acts_in_force(acts))))
    new: list[Act] = []
    for act in undone:
        back = tuple(
            replace(change, before=change.after, after=change.before) for change in act.changes
        )
        values = payload_values(payload)
        for change in back:
            if values.get(change.place) != change.before:
                raise DecisionError(
                    record.image_id,
                    f"{'.'.join(change.place)!r} is no longer what {act.kind!r} of {act.at} made "
                    "it; change it by hand",
                )
        payload = with_values(payload, {change.place: change.after for change in back})
        new.append(new_act(UNDO, {"act": act.id, "kind": act.kind}, back, author=author, step=own))
    return _Plan(record=record, payload=payload, acts=(*acts, *new), undone=undone)
