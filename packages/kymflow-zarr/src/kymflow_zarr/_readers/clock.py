"""Acquisition times: the clock on the laboratory's wall, without a time zone.

`acquired_local_epoch_ns` is the date and time that the microscope printed, counted in ns from
1970-01-01T00:00:00 as if that clock had shown UTC. So 22 July 2025, 12:13:14.620 in the laboratory
is 1753186394620000000, wherever the laboratory is. It orders acquisitions of one microscope and
prints back as what the microscope said; it is not an instant that clocks elsewhere can be compared
with, because no vendor header names the zone.

Countries order day, month and year in different ways. A date is read where only one order makes a
date of it, or where its form settles the order: a year of four digits in front, points (day first),
``AM`` or ``PM`` (month first).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

# How languages name the halves of a day: Latin ones, Japanese, Chinese, Korean.
_BEFORE_NOON: Final = r"a\.?\s?m\.?|\u5348\u524d|\u4e0a\u5348|\uc624\uc804"
_AFTER_NOON: Final = r"p\.?\s?m\.?|\u5348\u5f8c|\u5348\u540e|\u4e0b\u5348|\uc624\ud6c4"
_CLOCK: Final = re.compile(
    r"(?P<first>\d{4}|\d{1,2})(?P<mark>[-/.: ])(?P<second>\d{1,2}|[a-z]{3})(?P=mark)"
    r"(?P<third>\d{4}|\d{1,2})(?:,?\s+|T)"
    rf"(?:(?P<before>{_BEFORE_NOON}|{_AFTER_NOON})\s*)?"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2}):(?P<seconds>\d{2})(?:[.,](?P<fraction>\d{1,9}))?"
    rf"(?:\s*(?P<after>{_BEFORE_NOON}|{_AFTER_NOON}))?",
    re.IGNORECASE | re.ASCII,
)
_ISO: Final = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})[T ]"
    r"(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<seconds>\d{2})(?:[.,](?P<fraction>\d{1,9})\d*)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE | re.ASCII,
)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun",
                  "jul", "aug", "sep", "oct", "nov", "dec")  # fmt: skip
_YEARS: Final = range(1970, 2200)
_FIRST_YEAR_OF_TWO_DIGITS: Final = 70


def stated_clock(
    text: str, *, what: str, warnings: list[str], month_first: bool = False
) -> int | None:
    """Read a date and time in whatever order a country writes them.

    Args:
        text: ``2025/07/22 12:13:14``, ``22.07.2025 12:13:14.620``, ``07/22/2025 12:13:14 PM`` …
        what: What it is, for the warning, like ``"the Olympus header's date"``.
        warnings: What is doubtful is added here.
        month_first: Whether this source writes the month first, if that makes a date.

    Returns:
        Wall time in ns (see the module); None for an empty text, and with a warning where the text
        is not a date and time, or could be one of several.
    """
    text = " ".join(text.split())  # some countries' computers write other spaces than ASCII's
    iso = parse_iso(text)
    if iso is not None:
        time_ns, in_utc = iso
        if in_utc:
            warnings.append(f"{what} is given in UTC, not in local time")
        return time_ns
    match = _CLOCK.fullmatch(text)
    found = [] if match is None else _wall_times(match, _orders(match, month_first))
    if len(found) == 1:
        return found[0]
    if text:
        problem = "could be one of several dates" if found else "is not a known date and time"
        warnings.append(f"{what} {text[:60]!r} {problem} and is not used")
    return None


def parse_iso(text: str) -> tuple[int, bool] | None:
    """Read ``2022-11-02T12:33:11.874``, with or without a zone.

    Returns:
        The wall time as printed in ns (see the module), and whether it was given in UTC (a zone
        ``Z``), in which case it is not the laboratory's clock; None when the text is no valid date.
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        return None
    date = (int(match["year"]), int(match["month"]), int(match["day"]))
    time_ns = _wall_time(match, date, int(match["hour"]))
    if time_ns is None:
        return None
    return time_ns, (match["zone"] or "").upper() == "Z"


def local_epoch_ns(wall: datetime, *, nanosecond: int = 0) -> int:
    """The ns from 1970-01-01 to a wall time: to the second, without a zone, and ns beside it."""
    seconds = int(wall.replace(tzinfo=UTC, microsecond=0).timestamp())
    return seconds * 1_000_000_000 + nanosecond


def _orders(match: re.Match[str], month_first: bool) -> list[str]:
    """In which orders day, month and year may stand; where the form settles it, the usual one."""
    if len(match["first"]) == 4:
        return ["ymd"]
    if match["second"].isalpha():
        return ["dmy"]
    orders = ["mdy", "dmy"]
    if len(match["third"]) < 4:
        orders.append("ymd")
    half = (match["before"] or match["after"] or "").upper()
    is_settled = month_first or half in {"AM", "PM"}
    settled = {".": "dmy"}.get(match["mark"], "mdy" if is_settled else None)
    return [settled] if settled is not None and _wall_times(match, [settled]) else orders


def _wall_times(match: re.Match[str], orders: Sequence[str]) -> list[int]:
    """The different times that a text means by these orders."""
    hour = _hour(match)
    found: set[int | None] = set()
    for order in orders if hour is not None else ():
        parts = dict(zip(order, match.group("first", "second", "third"), strict=True))
        day = int(parts["d"]) if parts["d"].isdigit() else 0
        date = _year(parts["y"]), _month(parts["m"]), day
        found.add(_wall_time(match, date, hour or 0))
    return sorted(time_ns for time_ns in found if time_ns is not None)


def _hour(match: re.Match[str]) -> int | None:
    hour, half = int(match["hour"]), match["before"] or match["after"]
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        return None
    return hour % 12 + (12 if re.fullmatch(_AFTER_NOON, half, re.IGNORECASE) else 0)


def _year(text: str) -> int:
    year = int(text)
    return year if len(text) == 4 else year + (1900 if year >= _FIRST_YEAR_OF_TWO_DIGITS else 2000)


def _month(text: str) -> int:
    """The number of a month; 0, which is none, for an unknown name."""
    if text.isdigit():
        return int(text)
    return _MONTHS.index(text.lower()) + 1 if text.lower() in _MONTHS else 0


def _wall_time(match: re.Match[str], date: tuple[int, int, int], hour: int) -> int | None:
    if date[0] not in _YEARS:
        return None
    try:
        wall = datetime(*date, hour, int(match["minute"]), int(match["seconds"]))
    except ValueError:
        return None
    return local_epoch_ns(wall, nanosecond=int((match["fraction"] or "").ljust(9, "0")))
