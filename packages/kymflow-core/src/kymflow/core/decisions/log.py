"""The log of all decisions on a dataset."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from kymflow.core.decisions.ledger import load_acts, readable_records
from kymflow.core.decisions.state import UNDO
from kymflow.core.errors import MetadataError
from kymflow_zarr import CorruptDataError

if TYPE_CHECKING:
    from kymflow.core.metadata.acts import Act
    from kymflow_zarr import ZarrDataset

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedStep:
    """Acts that were done together.

    Attributes:
        act: The first of them.
        image_ids: The images that they are on, sorted.
        undone: Whether they were undone.
        details: What was decided; ``(varies)`` where images got different values.
    """

    act: Act
    image_ids: tuple[str, ...]
    undone: bool
    details: Mapping[str, object]


def load_decision_log(dataset: ZarrDataset) -> tuple[LoggedStep, ...]:
    """Every step, oldest first. An image whose decisions cannot be read is a line in the log."""
    found = sorted(_acts(dataset), key=lambda each: (each[0].step, each[0].id))
    steps: list[LoggedStep] = []
    for _, group in groupby(found, key=lambda each: each[0].step):
        acts = list(group)
        steps.append(
            LoggedStep(
                act=acts[0][0],
                image_ids=tuple(sorted({image_id for _, image_id, _ in acts})),
                undone=all(undone for _, _, undone in acts),
                details=_shared_details([act.details for act, _, _ in acts]),
            )
        )
    return tuple(steps)


def _shared_details(each: Sequence[Mapping[str, object]]) -> dict[str, object]:
    names = dict.fromkeys(name for details in each for name in details)
    first = each[0]
    return {
        name: first[name]
        if all(name in details and details[name] == first.get(name) for details in each)
        else "(varies)"
        for name in names
    }


def _acts(dataset: ZarrDataset) -> Iterator[tuple[Act, str, bool]]:
    """Each act with its image, and whether it was undone."""
    for record in readable_records(dataset):
        image_id = record.image_id
        try:
            acts = load_acts(record)
        except (MetadataError, CorruptDataError) as error:
            logger.warning("the decisions on image %r are not shown: %s", image_id, error)
            continue
        undone = {act.details.get("act") for act in acts if act.kind == UNDO}
        for act in acts:
            yield act, image_id, act.id in undone
