"""Numbers as vendors print them, in any country's convention: read with certainty, or not.

``0,450`` can only be 0.45, and ``34,020.000`` only 34020. But ``453,600`` is 453.6 where the
decimal sign is a comma and 453600 where it is a point: it is read only where other numbers of the
same text prove the comma. A single point is the decimal sign unless they do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

POINT: Final = frozenset({"."})
"""The decimal signs of a text that proves no other."""

_MAX_EXPONENT: Final = 60  # beyond any length or time, and far from the limits of float
_MINUS: Final = "\u2212"
_SPACES: Final = r"\s'\u2019"  # which part thousands and nothing else; \s is every space of Unicode

NUMBER: Final = (
    rf"[-+{_MINUS}]?(?:[0-9]{{1,3}}(?:[{_SPACES}][0-9]{{3}})+(?:[.,][0-9]+)?(?![0-9])"
    r"|[0-9](?:[0-9.,]*[0-9])?|[.,][0-9]+)(?:[eE][-+]?[0-9]+)?"
)
"""Pattern of a number in a longer text, without a comma or point that ends a clause."""


def _by(sign: str) -> re.Pattern[str]:
    """The numbers that can be meant where the decimal sign is this one."""
    groups = _SPACES + ".,".replace(sign, "")
    plain = rf"(?:[0-9]+[{sign}]?[0-9]*|[{sign}][0-9]+)(?:[eE][-+]?[0-9]{{1,6}})?"
    grouped = rf"[1-9][0-9]{{0,2}}([{groups}])[0-9]{{3}}(?:\1[0-9]{{3}})*(?:[{sign}][0-9]*)?"
    return re.compile(rf"[-+]?(?:{plain}|{grouped})")


_FORMS: Final = {sign: _by(sign) for sign in ".,"}


def decimal_of(value: str | float, signs: frozenset[str] = POINT) -> Decimal | None:
    """Read a finite number of sane size.

    Args:
        value: Text of a number, or a number (taken as it prints).
        signs: What `decimal_signs` finds in the text around it.

    Returns:
        The number; None for anything else, and where it could be one of two.
    """
    text = str(value)
    readings = _readings(text)
    if len(set(readings.values())) > 1:
        mark = "," if "," in text else "."
        readings = {mark: readings[mark]} if signs == {mark} else {}
    number = next(iter(readings.values()), None)
    if number and abs(number.adjusted()) > _MAX_EXPONENT:
        return None
    return number


def decimal_signs(numbers: Iterable[str]) -> frozenset[str]:
    """The decimal signs that the numbers of one text prove: the point where they prove nothing."""
    readings = (_readings(number) for number in numbers)
    return frozenset(sign for found in readings if len(found) == 1 for sign in found) or POINT


def _readings(text: str) -> dict[str, Decimal]:
    """What a text means by each decimal sign."""
    text = text.strip().replace(_MINUS, "-")
    return {
        sign: Decimal(re.sub(rf"[^-+0-9eE{sign}]", "", text).replace(sign, "."))
        for sign, form in _FORMS.items()
        if form.fullmatch(text)
    }
