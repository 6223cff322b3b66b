"""Colours of figures, for a light page and a dark one.

Data colours are those of Okabe and Ito, which people with any kind of colour vision can tell apart
(https://jfly.uni-koeln.de/color), lightened where a dark ground asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """The colours of one theme, as ``#rrggbb``.

    Attributes:
        name: ``light`` or ``dark``.
        ground: The page under the figure.
        ink: Text and axes.
        faint: Grid lines.
        blue: For the first curve of a figure.
        green: For the second.
        orange: For marks that ask for care.
        vermilion: For events.
        purple: For a second kind of event.
        grey: For what is not known.
    """

    name: str
    ground: str
    ink: str
    faint: str
    blue: str
    green: str
    orange: str
    vermilion: str
    purple: str
    grey: str = "#8a929b"


LIGHT = Theme(
    name="light",
    ground="#ffffff",
    ink="#24292f",
    faint="#dfe3e8",
    blue="#0072b2",
    green="#00795a",
    orange="#e69f00",
    vermilion="#d55e00",
    purple="#cc79a7",
)

DARK = Theme(
    name="dark",
    ground="#16191d",
    ink="#d9dde2",
    faint="#31363d",
    blue="#56b4e9",
    green="#35c79e",
    orange="#f0b429",
    vermilion="#ee7733",
    purple="#dd93bb",
)

THEMES = (LIGHT, DARK)
