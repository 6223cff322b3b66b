"""Numbers with their 95 % intervals, as the columns and values of a summary.

The three columns are called alike in all analyses: ``rate_hz``, ``rate_low_hz``, ``rate_high_hz``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kymflow.core.analysis.definition import Column

_NORMAL_95: Final = 1.96

STATUS_COLUMNS: Final = (
    Column("status", str, "ok or unknown"),
    Column("reason", str, "why it is unknown"),
)
"""What the summary of an analysis begins with that may refuse, see `unknown_result`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def about(cls, value: float, error: float) -> Estimate:
        """A value with a normal standard error."""
        half = _NORMAL_95 * error
        return cls(value=value, low=value - half, high=value + half)

    def times(self, factor: float) -> Estimate:
        """The same in another unit."""
        return Estimate(value=factor * self.value, low=factor * self.low, high=factor * self.high)

    def named(self, name: str, ending: str = "") -> dict[str, float]:
        """Its three values by their columns, see `interval_columns`."""
        return dict(zip(_names(name, ending), (self.value, self.low, self.high), strict=True))


def interval_columns(
    name: str, doc: str, *, unit: str = "", ending: str = "", about: str = ""
) -> tuple[Column, Column, Column]:
    """The columns of an estimate.

    Args:
        name: What it is of, such as ``rate``.
        doc: The same in words.
        unit: Its unit, such as ``Hz``.
        ending: The unit as names of columns have it, such as ``hz``; the same in `Estimate.named`.
        about: What the interval is for, if not all that is uncertain.
    """
    value, low, high = _names(name, ending)
    interval = f"lower end of its 95 % interval{about and f', {about}'}"
    return (
        Column(value, float, doc, unit),
        Column(low, float, interval, unit),
        Column(high, float, "upper end", unit),
    )


def _names(name: str, ending: str) -> tuple[str, str, str]:
    tail = ending and f"_{ending}"
    return f"{name}{tail}", f"{name}_low{tail}", f"{name}_high{tail}"
