"""What one source states: read, or left out with a warning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from kymflow_zarr._readers.clock import stated_clock
from kymflow_zarr._readers.decimals import POINT, decimal_of
from kymflow_zarr._readers.units import LENGTH, Quantity, quantity

_PIXELS: Final = frozenset({"pixel", "pixels", "px"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """Reads what one source states about an image.

    Attributes:
        source: Whose statements they are, as a warning begins: ``"ImageJ's"``.
        signs: What `decimal_signs` finds in the text around them.
        warnings: What is doubtful, or cannot be read; each method adds to it.
    """

    source: str
    signs: frozenset[str] = POINT
    warnings: list[str] = field(default_factory=list)

    def quantity(self, value: str | float, unit: str, *, of: str, what: str) -> Quantity | None:
        """A length or time; None where the source gives none, or with a warning, another thing.

        Args:
            value: The number, or its text; empty or zero for unknown.
            unit: Its unit as some software writes it; empty, or pixels for 1, for no calibration.
            of: What it has to be: `LENGTH` or `TIME`.
            what: What it is, for the warning, like ``"frame interval"``.
        """
        found = quantity(value, unit, self.signs)
        if found is not None and found.unit == of:
            return found
        text = value.strip() if isinstance(value, str) else repr(value)
        name, number = unit.strip().lower(), decimal_of(value, self.signs)
        if text and name and number != 0 and not (number == 1 and name in _PIXELS):
            kind = "length" if of == LENGTH else "time"
            self.warnings.append(
                f"{self.source} {what}, {text[:40]!r} {unit.strip()[:40]!r}, cannot be interpreted "
                f"as a {kind} and is not used"
            )
        return None

    def clock(self, text: str, *, what: str = "date", month_first: bool = False) -> int | None:
        """A wall time in ns; see `stated_clock`."""
        return stated_clock(
            text, what=f"{self.source} {what}", warnings=self.warnings, month_first=month_first
        )
