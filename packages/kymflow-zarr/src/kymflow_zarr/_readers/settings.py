"""Single settings as vendors write them: numbers and bits; None where there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, TypeVar

import numpy as np

from kymflow_zarr._readers.decimals import decimal_of

T = TypeVar("T")

BIT_DEPTHS: Final = range(1, 65)
_MAX_DIGITS: Final = 9


def number_of(text: str | None) -> float | None:
    """A finite number."""
    number = decimal_of(text or "")
    return None if number is None else float(number)


def finite(value: object) -> float:
    """A finite number, or 0 for anything else."""
    if isinstance(value, (int, float, np.integer, np.floating)) and math.isfinite(value):
        return float(value)
    return 0.0


def count_of(text: str | None) -> int:
    """A whole number of sane size; 0 for anything else."""
    text = text or ""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS else 0


def bit_depth(text: str | None) -> int | None:
    """A number of bits, 1 to 64."""
    number = number_of(text)
    return int(number) if number is not None and number in BIT_DEPTHS else None


def known(settings: Mapping[str, T | None]) -> dict[str, T]:
    """The settings, or steps, that are there."""
    return {name: value for name, value in settings.items() if value is not None and value != ""}
