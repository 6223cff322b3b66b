"""Whether an image takes part, what a person thinks of it, and notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kymflow.core.decisions.ledger import add_act, exclusive
from kymflow.core.decisions.state import read_decisions
from kymflow.core.errors import DecisionError

if TYPE_CHECKING:
    from kymflow_zarr import ZarrImageRecord


@exclusive
def exclude(
    record: ZarrImageRecord, reason: str, author: str | None = None, *, step: str | None = None
) -> None:
    """Keep an image out of tables. Nothing happens if it is excluded for this reason already.

    Args:
        record: The image, writable.
        reason: Why.
        author: Who decides; the login name if None.
        step: What this is undone together with; nothing else if None.

    Raises:
        DecisionError: There is no reason.
    """
    _require_text(record, "reason", reason)
    now = read_decisions(record).exclusion
    if now is None or now.reason != reason:
        add_act(record, "exclude", {"reason": reason}, author=author, step=step)


@exclusive
def include(record: ZarrImageRecord, author: str | None = None, *, step: str | None = None) -> None:
    """Take an excluded image back in; arguments as for `exclude`."""
    if read_decisions(record).exclusion is not None:
        add_act(record, "include", {}, author=author, step=step)


@exclusive
def accept(
    record: ZarrImageRecord,
    reason: str = "",
    author: str | None = None,
    *,
    step: str | None = None,
) -> None:
    """Say that the results of an image are good; arguments as for `exclude`."""
    now = read_decisions(record).verdict
    if now is None or (now.verdict, now.reason) != ("accepted", reason):
        add_act(record, "accept", {"reason": reason}, author=author, step=step)


@exclusive
def reject(
    record: ZarrImageRecord, reason: str, author: str | None = None, *, step: str | None = None
) -> None:
    """Say that the results of an image are not good; arguments as for `exclude`.

    They stay in tables, where the table `kym_images` tells them apart.

    Raises:
        DecisionError: There is no reason.
    """
    _require_text(record, "reason", reason)
    now = read_decisions(record).verdict
    if now is None or (now.verdict, now.reason) != ("rejected", reason):
        add_act(record, "reject", {"reason": reason}, author=author, step=step)


@exclusive
def add_note(
    record: ZarrImageRecord, text: str, author: str | None = None, *, step: str | None = None
) -> None:
    """Add a note. Nothing happens if the image has one with this text already.

    Args:
        record: The image, writable.
        text: The note.
        author: Who writes it; the login name if None.
        step: What this is undone together with; nothing else if None.

    Raises:
        DecisionError: There is no text.
    """
    _require_text(record, "text", text)
    if all(note.text != text for note in read_decisions(record).notes):
        add_act(record, "note", {"text": text}, author=author, step=step)


def _require_text(record: ZarrImageRecord, name: str, text: str) -> None:
    if not text.strip():
        raise DecisionError(record.image_id, f"the {name} is empty; give one")
