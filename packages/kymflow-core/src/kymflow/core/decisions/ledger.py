"""Add an act to those of an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from kymflow.core.decisions.changes import find_changes
from kymflow.core.metadata import ImageMetadata
from kymflow.core.metadata.acts import ACTS, Act, Change, new_act_id, read_acts
from kymflow.core.provenance import login_name
from kymflow_zarr import ImageNotFoundError, MetadataNotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kymflow_zarr import JsonValue, ZarrDataset, ZarrImageRecord

P = ParamSpec("P")
T = TypeVar("T")


def exclusive(
    act: Callable[Concatenate[ZarrImageRecord, P], T],
) -> Callable[Concatenate[ZarrImageRecord, P], T]:
    """An act that reads, changes and writes an image while no other one does."""

    @wraps(act)
    def alone(record: ZarrImageRecord, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with record.exclusive():
            return act(record, *args, **kwargs)

    return alone


def add_act(
    record: ZarrImageRecord,
    kind: str,
    details: Mapping[str, JsonValue],
    *,
    author: str | None,
    step: str | None,
    metadata: ImageMetadata | None = None,
    rule: Mapping[str, JsonValue] | None = None,
) -> Act:
    """Write one more act.

    Args:
        record: The image, writable.
        kind: What was done.
        details: What exactly.
        author: Who did it; the login name if None.
        step: The step that it belongs to; a new one if None.
        metadata: The metadata as the act leaves them; None if it changes nothing there.
        rule: What chose the image, if it holds for images to come; see `load_rules`.
    """
    payload = load_payload(record)
    after = payload if metadata is None else metadata.to_json()
    changes = find_changes(payload, after)
    act = new_act(kind, details, changes, author=author, step=step, rule=rule)
    save_acts(record, after, (*read_acts(payload), act))
    return act


def new_act(
    kind: str,
    details: Mapping[str, JsonValue],
    changes: tuple[Change, ...] = (),
    *,
    author: str | None,
    step: str | None,
    rule: Mapping[str, JsonValue] | None = None,
) -> Act:
    """An act that is done now."""
    now = datetime.now(UTC)
    act_id = new_act_id(now)
    return Act(
        id=act_id,
        step=step or act_id,
        kind=kind,
        author=author or login_name(),
        at=now.isoformat(timespec="seconds"),
        details=details,
        changes=changes,
        rule=rule or {},
    )


def load_payload(record: ZarrImageRecord) -> dict[str, JsonValue]:
    """The metadata payload; empty if there is none."""
    try:
        return record.load_metadata_payload()
    except MetadataNotFoundError:
        return {}


def readable_records(dataset: ZarrDataset) -> Iterator[ZarrImageRecord]:
    """The images that can be opened; `ZarrDataset.check` names the others."""
    for image_id in dataset.load_manifest().entries:
        with suppress(ImageNotFoundError):  # deleted meanwhile
            yield dataset.record(image_id)


def load_acts(record: ZarrImageRecord) -> tuple[Act, ...]:
    """All acts on an image, oldest first. Its other metadata may be malformed.

    Raises:
        MetadataError: An act is malformed.
    """
    return read_acts(load_payload(record))


def save_acts(
    record: ZarrImageRecord, payload: Mapping[str, JsonValue], acts: Sequence[Act]
) -> None:
    """Write a payload with these acts, in one step."""
    record.save_metadata_payload({**payload, ACTS: [act.to_json() for act in acts]})
