"""The metadata payload of an image with a header that came later: what is known stays."""

from __future__ import annotations

from typing import Any

from kymflow_zarr._storage.json_text import JsonObject, JsonValue, json_object


def merged_metadata(old: JsonObject, new: JsonObject) -> tuple[dict[str, JsonValue], list[str]]:
    """An image's metadata payload, which a person may have edited, with what is new in it.

    Returns:
        The payload, and a sentence for each value in which the two disagree.
    """
    old_header, new_header = json_object(old.get("header")), json_object(new.get("header"))
    header, disagreeing = _merged_header(old_header, new_header)
    known = {name: value for name, value in old.items() if value not in ({}, [], None)}
    return {**old, **new, **known, "header": header}, disagreeing


def _merged_header(old: JsonObject, new: JsonObject) -> tuple[dict[str, JsonValue], list[str]]:
    """A header whose unknown values are filled in; values that are known stay."""
    merged: dict[str, Any] = {**new, **{k: v for k, v in old.items() if v not in (None, {}, [])}}
    sources = {**json_object(new.get("sources")), **json_object(old.get("sources"))}
    axes = old_axes = axis_names(old.get("axes")) or axis_names(new.get("axes"))
    named_now = json_object(new.get("sources")).get("axes")
    if json_object(old.get("sources")).get("axes") in (None, "default") and named_now != "default":
        axes, sources["axes"] = axis_names(new.get("axes")), named_now
    merged["axes"] = list(axes)
    before = dict(zip(axes, old_axes, strict=False))
    steps = {name: json_object(old.get(name)) for name in ("scale", "unit")}
    found = {name: json_object(new.get(name)) for name in ("scale", "unit")}
    disagreeing: list[str] = []
    merged["scale"], merged["unit"] = {}, {}
    for axis in axes:
        was = before.get(axis, axis)
        step, unit = steps["scale"].get(was), steps["unit"].get(was)
        new_step, new_unit = found["scale"].get(axis), found["unit"].get(axis)
        # Lines that were taken for rows of a picture have no step in micrometres.
        is_known = step is not None and (was == axis or unit == new_unit)
        merged["scale"][axis], merged["unit"][axis] = (
            (step, unit) if is_known else (new_step, new_unit)
        )
        if is_known and new_step is not None and (step, unit) != (new_step, new_unit):
            disagreeing.append(
                f"the step along {axis!r} is {step} {unit} in the dataset and {new_step} "
                f"{new_unit} in the files; that of the dataset is kept"
            )
    merged["vendor"] = {**json_object(new.get("vendor")), **json_object(old.get("vendor"))}
    merged["sources"] = sources
    merged["warnings"] = new.get("warnings", [])
    return merged, disagreeing


def axis_names(value: JsonValue) -> tuple[str, ...]:
    """The axes of a stored header."""
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()
