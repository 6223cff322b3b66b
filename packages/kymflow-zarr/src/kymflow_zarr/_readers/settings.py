"""Single settings as vendors write them: steps, numbers, bits; None where there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kymflow_zarr._readers.decimals import decimal_of
from kymflow_zarr._readers.units import Quantity, quantity
from kymflow_zarr._storage.json_text import JsonValue

__all__ = ["bit_depth", "known", "number_of", "step_of"]

_MAX_BITS: Final = 64


def step_of(text: str | None, unit: str, *, name: str, warnings: list[str]) -> Quantity | None:
    """A step whose unit is known; zero and nothing stand for unknown, anything else is a warning.

    Args:
        text: The number as written.
        unit: Its unit.
        name: What the vendor calls it, for the warning.
        warnings: Where that goes.
    """
    if text is None or not text.strip():
        return None
    step = quantity(text, unit)
    number = decimal_of(text)
    if step is None and (number is None or number != 0):
        warnings.append(f"{name} is {text[:60]!r}, which is not a positive number; it is not used")
    return step


def number_of(text: str | None) -> float | None:
    """A finite number."""
    number = decimal_of(text or "")
    return None if number is None else float(number)


def bit_depth(text: str | None) -> int | None:
    """A number of bits, 1 to 64."""
    number = number_of(text)
    return int(number) if number is not None and number in range(1, _MAX_BITS + 1) else None


def known(settings: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The settings that are there."""
    return {name: value for name, value in settings.items() if value is not None and value != ""}
