"""Say what a line and a pixel are, where the file is silent or wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from kymflow.core.decisions.ledger import add_act, exclusive
from kymflow.core.errors import DecisionError
from kymflow.core.metadata import load_metadata, picture_axes

if TYPE_CHECKING:
    from kymflow_zarr import JsonValue, ZarrImageRecord


@exclusive
def calibrate(
    record: ZarrImageRecord,
    *,
    seconds_per_line: float | None = None,
    um_per_pixel: float | None = None,
    author: str | None = None,
    step: str | None = None,
    where: str = "",
) -> None:
    """Set line period, pixel size, or both; results computed with others are outdated then.

    Nothing happens if the image has this calibration already.

    Args:
        record: The image, writable.
        seconds_per_line: Line period.
        um_per_pixel: Pixel size along the line.
        author: Who decides; the login name if None.
        step: What this is undone together with; nothing else if None.
        where: A condition in SQL that chose the image: images that come later and meet it get what
            their files are silent about, see `load_rules`; empty if it holds for this image alone.

    Raises:
        DecisionError: A value is not above 0, none is given, or the image is not a kymograph.
        MetadataError: The metadata of the image are malformed.
    """
    given = {"seconds_per_line": seconds_per_line, "um_per_pixel": um_per_pixel}
    values = {name: value for name, value in given.items() if value is not None}
    if not values:
        raise DecisionError(record.image_id, "no calibration is given; give one value at least")
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise DecisionError(record.image_id, f"{name} is {value!r}; give a number above 0")
    axes = picture_axes(record)
    if len(axes) != 2:
        reason = f"its axes are {record.get_axes()!r}; only kymographs have lines and pixels"
        raise DecisionError(record.image_id, reason)
    metadata = load_metadata(record)
    names = dict(zip(given, zip(axes, ("s", "um"), strict=True), strict=True))
    scale = {names[name][0]: float(value) for name, value in values.items()}
    unit = dict(names[name] for name in values)
    header = replace(
        metadata.header,
        scale={**metadata.header.scale, **scale},
        unit={**metadata.header.unit, **unit},
    )
    if header != metadata.header:
        new = replace(metadata, header=header)
        rule: dict[str, JsonValue] = {"where": where, **values} if where else {}
        details = dict(values)
        add_act(record, "calibrate", details, author=author, step=step, metadata=new, rule=rule)
