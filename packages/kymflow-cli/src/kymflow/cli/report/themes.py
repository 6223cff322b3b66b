"""Colours of figures, for a light page and a dark one.

Data colours are those of Okabe and Ito, which people with any kind of colour vision can tell apart
(https://jfly.uni-koeln.de/color), lightened where a dark ground asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DARK", "LIGHT", "THEMES", "Theme"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """The colours of one theme, as ``#rrggbb``.

    Attributes:
        name: ``light`` or ``dark``.
        ground: The page under the figure.
        ink: Text and axes.
        faint: Grid lines.
        velocity: Velocity.
        evidence: Evidence.
        alias: Velocities that may be aliased.
        stall: Stalls.
        transient: Short stalls.
        unknown: Times without evidence.
    """

    name: str
    ground: str
    ink: str
    faint: str
    velocity: str
    evidence: str
    alias: str
    stall: str
    transient: str
    unknown: str


LIGHT = Theme(
    name="light",
    ground="#ffffff",
    ink="#24292f",
    faint="#dfe3e8",
    velocity="#0072b2",
    evidence="#00795a",
    alias="#e69f00",
    stall="#d55e00",
    transient="#cc79a7",
    unknown="#8a929b",
)

DARK = Theme(
    name="dark",
    ground="#16191d",
    ink="#d9dde2",
    faint="#31363d",
    velocity="#56b4e9",
    evidence="#35c79e",
    alias="#f0b429",
    stall="#ee7733",
    transient="#dd93bb",
    unknown="#8a929b",
)

THEMES = (LIGHT, DARK)
