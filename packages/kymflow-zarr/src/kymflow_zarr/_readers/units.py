"""Lengths in micrometres, times in seconds; anything else is not a calibration.

Numbers are converted as decimals, so that ``0.331`` stays ``0.331`` and 34020 ms in 30000 lines
make 0.001134 s to the last digit. Units are known by symbol and by word, in the languages that
microscopes' computers speak, also where ``µ`` was written in one encoding and read in another
(``Âµm``, ``Î¼m``).
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import product
from typing import Final
from unicodedata import normalize

from kymflow_zarr._readers.decimals import POINT, decimal_of

LENGTH: Final = "um"
TIME: Final = "s"

_PREFIXES: Final = {
    "": 0,
    "c": -2, "centi": -2, "zenti": -2,
    "m": -3, "milli": -3, "mili": -3,
    "u": -6, "micro": -6, "mikro": -6,
    "n": -9, "nano": -9,
    "p": -12, "pico": -12, "piko": -12,
}  # fmt: skip
_LONG_METRES: Final = ("meter", "meters", "metre", "metres", "metro", "metros", "metri")
_LONG_SECONDS: Final = ("sec", "secs", "second", "seconds", "seconde", "secondes", "sek", "sekunde",
                        "sekunden", "segundo", "segundos", "secondo", "secondi")  # fmt: skip
# Of other scripts, by what they are in Latin letters: Chinese, Japanese, Korean, Russian.
_OTHER_SCRIPTS: Final = {
    "um": ("\u5fae\u7c73", "\u30de\u30a4\u30af\u30ed\u30e1\u30fc\u30c8\u30eb",
           "\ub9c8\uc774\ud06c\ub85c\ubbf8\ud130", "\u043c\u043a\u043c"),
    "mm": ("\u6beb\u7c73", "\u30df\u30ea\u30e1\u30fc\u30c8\u30eb", "\u043c\u043c"),
    "nm": ("\u7eb3\u7c73", "\u5948\u7c73", "\u30ca\u30ce\u30e1\u30fc\u30c8\u30eb", "\u043d\u043c"),
    "s": ("\u79d2", "\ucd08", "\u0441", "\u0441\u0435\u043a"),
    "ms": ("\u6beb\u79d2", "\u30df\u30ea\u79d2", "\ubc00\ub9ac\ucd08", "\u043c\u0441"),
    "us": ("\u5fae\u79d2", "\u30de\u30a4\u30af\u30ed\u79d2", "\u043c\u043a\u0441"),
}  # fmt: skip
_OTHERS: Final = {
    "micron": (Decimal(1), LENGTH),
    "microns": (Decimal(1), LENGTH),
    "mikron": (Decimal(1), LENGTH),
    "u": (Decimal(1), LENGTH),
    "\u00e5": (Decimal("1e-4"), LENGTH),
    "angstrom": (Decimal("1e-4"), LENGTH),
    **dict.fromkeys(("min", "mins", "minute", "minutes", "minuten"), (Decimal(60), TIME)),
    **dict.fromkeys(
        ("h", "hr", "hrs", "hour", "hours", "stunde", "stunden", "heure", "heures"),
        (Decimal(3600), TIME),
    ),
    **dict.fromkeys(("d", "day", "days", "tag", "tage", "jour", "jours"), (Decimal(86400), TIME)),
}


def _factors() -> dict[str, tuple[Decimal, str]]:
    """Each unit's size in micrometres or seconds."""
    factors = dict(_OTHERS)
    for prefix, exponent in _PREFIXES.items():
        length, time = Decimal(10) ** (exponent + 6), Decimal(10) ** exponent
        factors |= {f"{prefix}{name}": (length, LENGTH) for name in ("m", *_LONG_METRES)}
        factors |= {f"{prefix}{name}": (time, TIME) for name in ("s", *_LONG_SECONDS)}
    for latin, names in _OTHER_SCRIPTS.items():
        factors |= dict.fromkeys(names, factors[latin])
    return factors


_FACTORS: Final = _factors()
# Mega- and peta-, which may be meant for milli- and pico-.
_LARGE: Final = frozenset({"Mm", "Ms", "Pm", "Ps"})
# The Greek letter mu; NFKC makes it of the micro sign. A letter that an encoding lost was it, too:
# the other prefixes are ASCII.
_MICRO: Final = re.compile(r"\u03bc|^[?\ufffd]+(?=[ms])")
_MICRO_UNIT: Final = re.compile("[\u00b5\u03bc].")
_ESCAPED: Final = re.compile(r"\\[uU]([0-9a-fA-F]{4})")
_PER_PIXEL: Final = re.compile(r"\s*(?:/|per)\s*(?:pixels?|px|frames?|lines?)$", re.IGNORECASE)
_ACCENT: Final = re.compile("[\u0300-\u0304]")
_READ_AS: Final = ("cp1252", "latin-1", "mac_roman", "cp437", "cp850", "cp1251", "cp1253", "cp932",
                   "gbk", "euc_kr", "big5")  # fmt: skip
_WRITTEN_AS: Final = ("utf-8", "cp1252", "cp437", "mac_roman", "cp1253", "shift_jis", "gbk",
                      "euc_kr", "big5")  # fmt: skip


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


def quantity(
    value: str | float | Decimal, unit: str, signs: frozenset[str] = POINT
) -> Quantity | None:
    """Convert a length or time.

    Args:
        value: The number, or its text.
        unit: Its unit as some software writes it (``µm``, ``micron``, ``ms``, ``sec`` …).
        signs: What `decimal_signs` finds in the text around it.

    Returns:
        The quantity; None when the number is not positive and finite or could be one of two, or
        the unit is none of length or time (``pixel``, empty, ``inch`` …).
    """
    number = value if isinstance(value, Decimal) else decimal_of(value, signs)
    found = _factor(unit)
    if number is None or found is None:
        return None
    converted = float(number * found[0])
    if not math.isfinite(converted) or converted <= 0:
        return None
    return Quantity(value=converted, unit=found[1])


def kind_of(unit: str) -> str | None:
    """Whether a unit is one of `LENGTH` or `TIME`; None for any other."""
    found = _factor(unit)
    return None if found is None else found[1]


@lru_cache(maxsize=256)
def _factor(unit: str) -> tuple[Decimal, str] | None:
    """Size and kind of a unit; None if it is not known."""
    name = _PER_PIXEL.sub("", unit.strip().strip("[]().").strip())
    if len(name) > 40 or name in _LARGE:
        return None
    for spelling in _spellings(name):
        known = _MICRO.sub("u", normalize("NFKC", spelling))
        found = _FACTORS.get(known) or _FACTORS.get(known.lower())
        if found is not None:
            return found
    return None


def _spellings(name: str) -> Iterator[str]:
    """A unit as it stands, unescaped, and as it was before programs misread its encoding."""
    yield name
    name = html.unescape(_ESCAPED.sub(lambda match: chr(int(match[1], 16)), name))
    yield name
    if len(name) > 2:  # a letter of a symbol may not lose what it bears: an angstrom has a ring
        yield normalize("NFC", _ACCENT.sub("", normalize("NFD", name)))
    for twice in (name, *_repaired(name, _WRITTEN_AS[:1])):
        yield from filter(_MICRO_UNIT.match, _repaired(twice, _WRITTEN_AS))


def _repaired(name: str, written_as: Sequence[str]) -> Iterator[str]:
    """What a text can have been that was written in one encoding and read in another."""
    for read, written in () if name.isascii() else product(_READ_AS, written_as):
        try:
            yield name.encode(read).decode(written)
        except UnicodeError:
            continue
