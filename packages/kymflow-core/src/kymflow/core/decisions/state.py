"""What holds now: the acts of an image, folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from kymflow.core.analysis.regions import Place, calibration_of
from kymflow.core.decisions.ledger import load_acts
from kymflow.core.metadata import load_metadata
from kymflow.core.metadata.acts import Act
from kymflow.core.metadata.fields import Fields

if TYPE_CHECKING:
    from kymflow_zarr import JsonValue, ZarrImageRecord

UNDO: Final = "undo"
"""The kind of an act that takes another one back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Something that a person decided.

    Attributes:
        author: Who decided it last.
        at: When, ISO 8601 in UTC.
    """

    author: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion(Decided):
    """Why an image stays out of tables.

    Attributes:
        reason: Why.
    """

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Decided):
    """What a person thinks of the results of an image.

    Attributes:
        verdict: ``accepted`` or ``rejected``.
        reason: Why; may be empty.
    """

    verdict: Literal["accepted", "rejected"]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Decided):
    """A note about an image.

    Attributes:
        text: The note.
    """

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(Decided):
    """An interval that a person marked in one region.

    It is kept in lines, so that it stays where it is when the line period is corrected.

    Attributes:
        id: Its id.
        channel: From 1.
        roi_id: The ROI; None for the whole picture.
        start_line: Its beginning in lines of the recording.
        stop_line: Its end.
        kind: What happens in it, such as ``stall``.
        seconds_per_line: Line period; None if unknown.
    """

    id: str
    channel: int
    roi_id: int | None
    start_line: float
    stop_line: float
    kind: str
    seconds_per_line: float | None = None

    @property
    def place(self) -> Place:
        """Channel and ROI."""
        return self.channel, self.roi_id

    def to_json(self) -> dict[str, JsonValue]:
        """The mark as JSON: all that decides its row in a table."""
        return asdict(self)

    @property
    def start_s(self) -> float | None:
        """Its beginning in seconds; None without a line period."""
        return None if self.seconds_per_line is None else self.start_line * self.seconds_per_line

    @property
    def stop_s(self) -> float | None:
        """Its end in seconds; None without a line period."""
        return None if self.seconds_per_line is None else self.stop_line * self.seconds_per_line


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationDecision(Decided):
    """A calibration that a person gave; None where they left it as it was.

    Attributes:
        seconds_per_line: Line period.
        um_per_pixel: Pixel size along the line.
    """

    seconds_per_line: float | None
    um_per_pixel: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What people decided on an image, as it holds now.

    Attributes:
        exclusion: Why it stays out of tables; None if it does not.
        verdict: What they think of its results; None if there is no verdict.
        notes: Their notes, oldest first.
        marks: Intervals marked by hand, in order of their beginning.
        calibration: The calibration they gave; None if that of the file holds.
    """

    exclusion: Exclusion | None = None
    verdict: Verdict | None = None
    notes: tuple[Note, ...] = ()
    marks: tuple[Mark, ...] = ()
    calibration: CalibrationDecision | None = None


def read_decisions(record: ZarrImageRecord) -> Decisions:
    """What people decided on an image.

    Other metadata may be malformed, unless intervals are marked: their seconds need a calibration.

    Raises:
        MetadataError: An act, or what is needed besides, is malformed.
    """
    state = fold_acts(load_acts(record))
    if not state.marks:
        return state
    period = calibration_of(record, load_metadata(record)).seconds_per_line
    marks = tuple(replace(mark, seconds_per_line=period) for mark in state.marks)
    return replace(state, marks=marks)


def acts_in_force(acts: Sequence[Act]) -> tuple[Act, ...]:
    """The acts that were not undone; acts of undoing are not among them."""
    undone = {act.details.get("act") for act in acts if act.kind == UNDO}
    return tuple(act for act in acts if act.kind != UNDO and act.id not in undone)


def fold_acts(acts: Sequence[Act]) -> Decisions:
    """What holds after some acts.

    Raises:
        MetadataError: The details of one are malformed.
    """
    state = Decisions()
    for act in acts_in_force(acts):
        state = _after(state, act)
    return state


def _after(state: Decisions, act: Act) -> Decisions:
    details = Fields(dict(act.details), f"decisions: act {act.id!r}, details")
    match act.kind:
        case "exclude":
            reason = details.text("reason") or ""
            exclusion = Exclusion(reason=reason, author=act.author, at=act.at)
            return replace(state, exclusion=exclusion)
        case "include":
            return replace(state, exclusion=None)
        case "accept" | "reject":
            verdict = Verdict(
                verdict="accepted" if act.kind == "accept" else "rejected",
                reason=details.text("reason") or "",
                author=act.author,
                at=act.at,
            )
            return replace(state, verdict=verdict)
        case "note":
            note = Note(text=details.text("text") or "", author=act.author, at=act.at)
            return replace(state, notes=(*state.notes, note))
        case "calibrate":
            return replace(state, calibration=_calibration(state.calibration, act, details))
        case "mark" | "move_mark" | "remove_mark":
            return replace(state, marks=_marks(state.marks, act, details))
        case _:
            return state


def _calibration(old: CalibrationDecision | None, act: Act, details: Fields) -> CalibrationDecision:
    period, size = details.number("seconds_per_line"), details.number("um_per_pixel")
    if old is not None:
        period = old.seconds_per_line if period is None else period
        size = old.um_per_pixel if size is None else size
    return CalibrationDecision(
        seconds_per_line=period, um_per_pixel=size, author=act.author, at=act.at
    )


def _marks(marks: tuple[Mark, ...], act: Act, details: Fields) -> tuple[Mark, ...]:
    number = act.id if act.kind == "mark" else details.text("mark")
    others = tuple(mark for mark in marks if mark.id != number)
    if act.kind == "remove_mark":
        return others
    start, stop = details.number("start_line"), details.number("stop_line")
    if start is None or stop is None:
        raise details.malformed("start_line, stop_line", "is missing")
    old = next((mark for mark in marks if mark.id == number), None)
    if act.kind == "mark":
        channel, kind = details.integer("channel", least=1), details.text("kind")
        if channel is None or kind is None:
            raise details.malformed("channel, kind", "is missing")
        old = Mark(
            id=act.id,
            channel=channel,
            roi_id=details.integer("roi_id"),
            start_line=start,
            stop_line=stop,
            kind=kind,
            author=act.author,
            at=act.at,
        )
    if old is None:
        return marks
    new = replace(old, start_line=start, stop_line=stop, author=act.author, at=act.at)
    return tuple(sorted((*others, new), key=lambda mark: (mark.start_line, mark.stop_line)))
