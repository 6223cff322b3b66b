"""Experiment metadata: what people wrote down about a recording."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

from kymflow.core.metadata.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kymflow_zarr import JsonValue

_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")

TEXT_FIELDS: Final = (
    "species",
    "region",
    "cell_type",
    "direction",
    "sex",
    "genotype",
    "condition",
    "treatment",
    "date",
    "note",
)
"""The fields that hold text."""
NUMBER_FIELDS: Final = ("depth", "branch_order")
"""The fields that hold a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentMetadata:
    """What people wrote down; empty text and None where they did not.

    Attributes:
        species: Animal.
        region: Part of the brain, or of another organ.
        cell_type: Kind of cell or vessel.
        depth: Below the surface, in µm.
        branch_order: Of the vessel, counted from the penetrating arteriole.
        direction: Of the flow or of the line.
        sex: Of the animal.
        genotype: Of the animal.
        condition: Of the experiment.
        treatment: What was given.
        date: As they wrote it.
        note: Anything else.
        extra: All other fields, as they are.
    """

    species: str = ""
    region: str = ""
    cell_type: str = ""
    depth: float | None = None
    branch_order: int | None = None
    direction: str = ""
    sex: str = ""
    genotype: str = ""
    condition: str = ""
    treatment: str = ""
    date: str = ""
    note: str = ""
    extra: Mapping[str, JsonValue] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: JsonValue) -> ExperimentMetadata:
        """Read experiment metadata; absent fields are fine.

        Raises:
            MetadataError: A field is malformed.
        """
        fields = Fields(value, "experiment_metadata")
        texts = {name: fields.text(name) or "" for name in TEXT_FIELDS}
        return cls(
            **texts,
            depth=fields.number("depth"),
            branch_order=fields.integer("branch_order"),
            extra=fields.rest(),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """The metadata as JSON, every field in it."""
        said = asdict(self)
        extra = said.pop("extra")
        return {**said, **extra}


def parse_value(name: str, text: str) -> JsonValue:
    """The value of a field that a person typed.

    Args:
        name: The field.
        text: What they typed. It is a number if it looks like one, without leading zeros, and the
            field does not hold text; an empty text is not a value.
    """
    if not text:
        return None
    if name in TEXT_FIELDS or not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)
