"""What people decided on an image: a list of acts that only ever grows.

It is the member ``decisions`` of the metadata payload. So an act and the change of the payload that
it makes, such as a new ROI, are written in one step.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from kymflow.core.metadata.fields import Fields

if TYPE_CHECKING:
    from kymflow_zarr import JsonValue

ACTS: Final = "decisions"
"""The member of the payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value of the payload that an act changed.

    Attributes:
        place: Where it is: ``("header", "scale", "t")``, ``("experiment_metadata", "genotype")``;
            ``("rois", "3")`` is the ROI with id 3.
        before: What was there; None for nothing.
        after: The value now; None if it was removed.
    """

    place: tuple[str, ...]
    before: JsonValue
    after: JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One decision.

    Attributes:
        id: Unique; it begins with the time, so that ids sort by it.
        step: The id of the first of the acts that were done, and are undone, together.
        kind: What was done, such as ``exclude``. Kinds of later versions are kept, and ignored.
        author: Who did it.
        at: When, ISO 8601 in UTC.
        details: What exactly.
        changes: What it changed in the payload.
        rule: What chose the image, if images that come later are chosen by it as well; else empty.
    """

    id: str
    step: str
    kind: str
    author: str
    at: str
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    rule: Mapping[str, JsonValue] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: JsonValue, *, where: str = "act") -> Act:
        """Read an act.

        Raises:
            MetadataError: A field is malformed, or a needed one is absent.
        """
        fields = Fields(value, where)

        def needed(name: str) -> str:
            text = fields.text(name)
            if not text:
                raise fields.malformed(name, "is missing")
            return text

        details, rule = fields.object("details"), fields.object("rule")
        return cls(
            id=needed("id"),
            step=needed("step"),
            kind=needed("kind"),
            author=needed("author"),
            at=needed("at"),
            details={} if details is None else details.rest(),
            changes=tuple(_change(each) for each in fields.objects("changes")),
            rule={} if rule is None else rule.rest(),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """The act as JSON."""
        changes: list[JsonValue] = [
            {"place": list(change.place), "before": change.before, "after": change.after}
            for change in self.changes
        ]
        return {
            "id": self.id,
            "step": self.step,
            "kind": self.kind,
            "author": self.author,
            "at": self.at,
            "details": dict(self.details),
            **({"changes": changes} if changes else {}),
            **({"rule": dict(self.rule)} if self.rule else {}),
        }


def read_acts(payload: Mapping[str, JsonValue]) -> tuple[Act, ...]:
    """The acts in a payload, oldest first; empty if there are none.

    Raises:
        MetadataError: An act is malformed.
    """
    objects: Sequence[JsonValue] = Fields(dict(payload), "payload").raw_list(ACTS)
    return tuple(
        Act.from_json(value, where=f"{ACTS}[{number}]") for number, value in enumerate(objects)
    )


def new_act_id(now: datetime | None = None) -> str:
    """An id for an act that is done now."""
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"


def _change(fields: Fields) -> Change:
    place = fields.texts("place")
    if not place:
        raise fields.malformed("place", "is missing")
    return Change(place=place, before=fields.raw("before"), after=fields.raw("after"))
