"""Which values of a payload an act changed, so that it can be undone and made again elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from kymflow.core.metadata.acts import Change

if TYPE_CHECKING:
    from kymflow_zarr import JsonValue

Values: TypeAlias = dict[tuple[str, ...], "JsonValue"]

_OBJECTS: Final = (("header", "scale"), ("header", "unit"), ("experiment_metadata",))
_ROIS: Final = "rois"


def payload_values(payload: Mapping[str, JsonValue]) -> Values:
    """The values that acts can change, by place."""
    found: Values = {}
    for path in _OBJECTS:
        found |= {(*path, name): value for name, value in _object(payload, path).items()}
    return found | {(_ROIS, str(key)): roi for key, roi in _rois(payload).items()}


def find_changes(
    before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]
) -> tuple[Change, ...]:
    """What differs between two payloads."""
    old, new = payload_values(before), payload_values(after)
    return tuple(
        Change(place=place, before=old.get(place), after=new.get(place))
        for place in sorted(old.keys() | new.keys())
        if old.get(place) != new.get(place)
    )


def with_values(
    payload: Mapping[str, JsonValue], values: Mapping[tuple[str, ...], JsonValue]
) -> dict[str, JsonValue]:
    """A payload with other values at some places; None removes a value."""
    changed = dict(payload)
    rois = _rois(payload)
    last_id = payload.get("last_roi_id")
    used = [*rois, last_id if isinstance(last_id, int) else 0]
    for place, value in values.items():
        if place[0] == _ROIS:
            rois[int(place[1])] = value
        else:
            _put(changed, place, value)
    if any(place[0] == _ROIS for place in values):
        changed[_ROIS] = [roi for roi in rois.values() if roi is not None]
        changed["last_roi_id"] = max([*used, *rois])
    return changed


def _put(payload: dict[str, JsonValue], place: tuple[str, ...], value: JsonValue) -> None:
    name, *rest = place
    if not rest:
        payload.pop(name, None)
        if value is not None:
            payload[name] = value
        return
    inner = payload.get(name)
    payload[name] = copy = dict(inner) if isinstance(inner, dict) else {}
    _put(copy, tuple(rest), value)


def _object(payload: Mapping[str, JsonValue], path: tuple[str, ...]) -> Mapping[str, JsonValue]:
    found: JsonValue = dict(payload)
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _rois(payload: Mapping[str, JsonValue]) -> dict[int, JsonValue]:
    rois = payload.get(_ROIS)
    found: dict[int, JsonValue] = {}
    for roi in rois if isinstance(rois, list) else ():
        if isinstance(roi, dict) and isinstance(number := roi.get("id"), int):
            found[number] = roi
    return found
