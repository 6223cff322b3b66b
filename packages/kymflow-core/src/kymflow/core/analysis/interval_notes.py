"""Notes of people about stretches of a recording.

Notes are an artifact of their own, in lines of the recording: recomputing intervals leaves them
as they are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from kymflow.core.errors import MetadataError
from kymflow_zarr import ArtifactNotFoundError

if TYPE_CHECKING:
    from kymflow_zarr import ZarrImageRecord

_NOTES: Final = "velocity/interval_notes"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalNote:
    """A note about a stretch of one region.

    Attributes:
        channel: From 1.
        roi_id: The ROI; None for the whole picture.
        start_line: Where the stretch begins, in lines of the recording.
        stop_line: Where it ends.
        text: The note.
    """

    channel: int
    roi_id: int | None
    start_line: float
    stop_line: float
    text: str

    def overlaps(self, start_line: float, stop_line: float) -> bool:
        """Whether the note is about some of these lines."""
        return self.start_line < stop_line and start_line < self.stop_line


def load_interval_notes(rec: ZarrImageRecord) -> tuple[IntervalNote, ...]:
    """The notes of an image, in order of their start; empty if it has none.

    Raises:
        MetadataError: The artifact is there, but it is malformed.
    """
    try:
        said: Any = rec.load_json(_NOTES)
    except ArtifactNotFoundError:
        return ()
    try:
        return tuple(IntervalNote(**note) for note in said["notes"])
    except (KeyError, TypeError) as error:
        raise MetadataError(_NOTES, f"is not a list of notes ({error!r})") from error


def save_interval_notes(rec: ZarrImageRecord, notes: tuple[IntervalNote, ...]) -> None:
    """Replace the notes of an image.

    Args:
        rec: The image, writable.
        notes: All its notes.

    Raises:
        MetadataError: A note is about no line at all.
    """
    for note in notes:
        if not 0 <= note.start_line < note.stop_line:
            raise MetadataError(
                "interval_notes", f"has a note from line {note.start_line} to {note.stop_line}"
            )
    ordered = sorted(notes, key=lambda note: (note.start_line, note.stop_line))
    rec.save_json(_NOTES, {"notes": [asdict(note) for note in ordered]})
