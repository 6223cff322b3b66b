"""Say what an experiment was: genotype, condition, or any other field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from kymflow.core.decisions.ledger import add_act, exclusive
from kymflow.core.errors import MetadataError
from kymflow.core.metadata import ExperimentMetadata, load_metadata

if TYPE_CHECKING:
    from kymflow_zarr import JsonValue, ZarrImageRecord


@exclusive
def set_fields(
    record: ZarrImageRecord,
    values: Mapping[str, JsonValue],
    *,
    author: str | None = None,
    step: str | None = None,
    rule: Mapping[str, JsonValue] | None = None,
) -> bool:
    """Set fields of the experiment metadata. Nothing happens if they have these values already.

    Args:
        record: The image, writable.
        values: Values by field. Fields of `ExperimentMetadata` have types, others are free; None
            clears a field.
        author: Who decides; the login name if None.
        step: What this is undone together with; nothing else if None.
        rule: Where the values come from, if those of images to come do as well; see `load_rules`.

    Returns:
        Whether any of them was another one before.

    Raises:
        MetadataError: A value does not have its field's type, or the metadata of the image are
            malformed.
    """
    given: dict[str, JsonValue] = {n: value for n, value in values.items() if value is not None}
    try:
        ExperimentMetadata.from_json(given)
    except MetadataError as error:
        raise MetadataError(error.field, error.reason, remedy="give another value") from error
    metadata = load_metadata(record)
    old = metadata.experiment.to_json()
    kept = {name: value for name, value in old.items() if name not in values}
    experiment = ExperimentMetadata.from_json({**kept, **given})
    if experiment.to_json() == old:
        return False
    new = replace(metadata, experiment=experiment)
    details = dict(values)
    add_act(record, "set_fields", details, author=author, step=step, metadata=new, rule=rule)
    return True
