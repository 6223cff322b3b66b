"""Acquisition times: the clock on the laboratory's wall, without a time zone.

`acquired_local_epoch_ns` is the date and time that the microscope printed, counted in ns from
1970-01-01T00:00:00 as if that clock had shown UTC. So 22 July 2025, 12:13:14.620 in the laboratory
is 1753186394620000000, wherever the laboratory is. It orders acquisitions of one microscope and
prints back as what the microscope said; it is not an instant that clocks elsewhere can be compared
with, because no vendor header names the zone.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

__all__ = ["local_epoch_ns", "parse_iso", "parse_us_clock"]

_US: Final = re.compile(
    r"(?P<month>\d{1,2})[/-](?P<day>\d{1,2})[/-](?P<year>\d{4})\s+"
    r"(?P<hour>\d{1,2}):(?P<minute>\d{2}):(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?"
    r"(?:\s*(?P<half>AM|PM))?",
    re.IGNORECASE,
)
_ISO: Final = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})[T ]"
    r"(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9})\d*)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_YEARS: Final = range(1970, 2200)


def parse_us_clock(text: str) -> int | None:
    """Read ``07/22/2025 12:13:14.620 PM``: the month comes first.

    With AM or PM the hour is 1 to 12, and 12 AM is midnight, 12 PM noon; without, it is 0 to 23.

    Args:
        text: Date and time; ``-`` may stand for ``/``.

    Returns:
        Wall time in ns (see the module), or None when the text is no valid date and time.
    """
    match = _US.fullmatch(text.strip())
    if match is None:
        return None
    hour = int(match["hour"])
    if match["half"] is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if match["half"].upper() == "PM" else 0)
    return _checked(match, hour)


def parse_iso(text: str) -> tuple[int, bool] | None:
    """Read ``2022-11-02T12:33:11.874``, with or without a zone.

    Args:
        text: Date and time.

    Returns:
        The wall time as printed in ns (see the module), and whether it was given in UTC (a zone
        ``Z``), in which case it is not the laboratory's clock; None when the text is no valid date.
    """
    match = _ISO.fullmatch(text.strip())
    if match is None:
        return None
    time_ns = _checked(match, int(match["hour"]))
    if time_ns is None:
        return None
    return time_ns, (match["zone"] or "").upper() == "Z"


def local_epoch_ns(wall: datetime, *, nanosecond: int = 0) -> int:
    """Count the ns from 1970-01-01 to a wall time.

    Args:
        wall: The wall time, to the second, without a zone.
        nanosecond: What is added to it.

    Returns:
        The count.
    """
    seconds = int(wall.replace(tzinfo=UTC, microsecond=0).timestamp())
    return seconds * 1_000_000_000 + nanosecond


def _checked(match: re.Match[str], hour: int) -> int | None:
    year = int(match["year"])
    if year not in _YEARS:
        return None
    try:
        wall = datetime(
            year,
            int(match["month"]),
            int(match["day"]),
            hour,
            int(match["minute"]),
            int(match["second"]),
        )
    except ValueError:
        return None
    return local_epoch_ns(wall, nanosecond=int((match["fraction"] or "").ljust(9, "0")))
