"""Numbers, times and names as a report writes them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime

from kymflow.cli.safe_text import show

__all__ = [
    "ABSENT",
    "bytes_size",
    "compact_json",
    "lines_of_text",
    "local_time",
    "percent",
    "quantity",
]

ABSENT = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_NS_PER_S = 10**9


def quantity(value: float | None, unit: str = "", *, digits: int = 3) -> str:
    """A number with as many significant digits, and its unit; a dash if there is none."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if value == 0:
        text = "0"
    else:
        places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:.{min(places, 12)}f}" if abs(value) < 1e6 else f"{value:.{digits}g}"
    return f"{text.replace('-', _MINUS)} {unit}".strip()


def percent(share: float | None) -> str:
    """A share of 1 in percent; what is more than nothing never reads as nothing."""
    if share is None or not math.isfinite(share):
        return ABSENT
    if 0.0 < share < 0.001:
        return "< 0.1 %"
    if 0.999 < share < 1.0:
        return "> 99.9 %"
    return f"{100.0 * share:.1f} %"


def local_time(epoch_ns: int | None) -> str:
    """The clock on the wall where the image was recorded, to the second."""
    if epoch_ns is None:
        return ABSENT
    seconds = epoch_ns // _NS_PER_S
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def bytes_size(count: int) -> str:
    """A number of bytes for people."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000.0:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000.0
    return f"{size:.1f} GB"


def lines_of_text(text: str) -> str:
    """Text of several lines, each of them safe to show."""
    return "\n".join(show(line) for line in text.splitlines())


def compact_json(value: Mapping[str, object]) -> str:
    """The fields of a JSON object on one line, safe to show."""
    return ", ".join(
        f"{show(name)}: {show(json.dumps(item, ensure_ascii=False))}"
        for name, item in value.items()
    )
