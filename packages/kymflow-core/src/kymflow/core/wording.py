"""Numbers as text for people."""

from __future__ import annotations

import math
from collections.abc import Mapping

ABSENT = "\N{EN DASH}"
"""Shown in place of a missing value."""

_MINUS = "\N{MINUS SIGN}"


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


def number(values: Mapping[str, object], name: str) -> float | None:
    """A number of a summary; None if it has none."""
    value = values.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)


def interval(values: Mapping[str, object], name: str, suffix: str = "", unit: str = "") -> str:
    """A value of a summary with its interval, from columns as ``rate_hz``, ``rate_low_hz``, …."""
    end = f"_{suffix}" if suffix else ""
    value, low, high = (number(values, f"{name}{part}{end}") for part in ("", "_low", "_high"))
    if low is None or high is None:
        return quantity(value, unit)
    return f"{quantity(value)} ({quantity(low)} to {quantity(high)}) {unit}".strip()


def result_status(values: Mapping[str, object]) -> str:
    """The columns ``status`` and ``reason`` of a summary: ``ok``, or why nothing is known."""
    status, reason = values.get("status"), values.get("reason")
    return f"{status}: {reason}" if reason else str(status)
