"""Lengths in micrometres, times in seconds; anything else is no calibration.

Numbers are converted as decimals, so that ``0.331`` stays ``0.331`` and 34020 ms in 30000 lines
make 0.001134 s to the last digit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

__all__ = ["LENGTH", "TIME", "Quantity", "decimal_of", "quantity"]

_MAX_EXPONENT: Final = 60  # beyond any length or time, and far from the limits of float
LENGTH: Final = "um"
TIME: Final = "s"

_FACTORS: Final[dict[str, tuple[Decimal, str]]] = {
    "m": (Decimal("1e6"), LENGTH),
    "mm": (Decimal("1e3"), LENGTH),
    "cm": (Decimal("1e4"), LENGTH),
    "um": (Decimal(1), LENGTH),
    "micron": (Decimal(1), LENGTH),
    "microns": (Decimal(1), LENGTH),
    "micrometer": (Decimal(1), LENGTH),
    "micrometers": (Decimal(1), LENGTH),
    "micrometre": (Decimal(1), LENGTH),
    "micrometres": (Decimal(1), LENGTH),
    "nm": (Decimal("1e-3"), LENGTH),
    "pm": (Decimal("1e-6"), LENGTH),
    "\u00c5": (Decimal("1e-4"), LENGTH),
    "h": (Decimal(3600), TIME),
    "min": (Decimal(60), TIME),
    "s": (Decimal(1), TIME),
    "sec": (Decimal(1), TIME),
    "second": (Decimal(1), TIME),
    "seconds": (Decimal(1), TIME),
    "ms": (Decimal("1e-3"), TIME),
    "msec": (Decimal("1e-3"), TIME),
    "us": (Decimal("1e-6"), TIME),
    "usec": (Decimal("1e-6"), TIME),
    "ns": (Decimal("1e-9"), TIME),
}
# The micro sign, the Greek letter mu, and how ImageJ escapes the former.
_MICRO: Final = re.compile(r"\u00b5|\u03bc|\\u00b5|\\u03bc", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A positive length in micrometres or time in seconds.

    Attributes:
        value: The number.
        unit: ``"um"`` or ``"s"``.
    """

    value: float
    unit: str

    def __post_init__(self) -> None:
        if not (0 < self.value < math.inf and self.unit in {LENGTH, TIME}):
            raise ValueError(
                f"{self.value!r} {self.unit!r} is not a positive length in um or time in s; "
                "quantity() converts what vendors write"
            )


def decimal_of(value: str | float) -> Decimal | None:
    """Read a finite number of sane size; None for anything else.

    Args:
        value: Text of a number, or a number (taken as it prints).

    Returns:
        The number.
    """
    try:
        number = Decimal(value.strip() if isinstance(value, str) else repr(value))
    except InvalidOperation:
        return None
    if not number.is_finite() or (number and abs(number.adjusted()) > _MAX_EXPONENT):
        return None
    return number


def quantity(value: str | float | Decimal, unit: str) -> Quantity | None:
    """Convert a length or time.

    Args:
        value: The number, or its text.
        unit: Its unit as some software writes it (``µm``, ``micron``, ``ms``, ``sec`` …).

    Returns:
        The quantity; None when the number is not positive and finite, or the unit is none of
        length or time (``pixel``, empty, ``inch`` …).
    """
    number = value if isinstance(value, Decimal) else decimal_of(value)
    name = _MICRO.sub("u", unit.strip())
    found = _FACTORS.get(name) or _FACTORS.get(name.lower())
    if number is None or found is None:
        return None
    converted = float(number * found[0])
    if not math.isfinite(converted) or converted <= 0:
        return None
    return Quantity(value=converted, unit=found[1])
