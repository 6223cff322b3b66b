"""What the harness found, as JSON and as a table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the table.

    Attributes:
        part: The part of the harness.
        what: What was tried.
        tried: How often.
        violations: How often a promise was broken.
        seconds: How long it took.
        note: More to say.
    """

    part: str
    what: str
    tried: int
    violations: int
    seconds: float
    note: str = ""


@dataclass(slots=True)
class Tally:
    """What came of some trials."""

    tried: int = 0
    wrong: list[str] = field(default_factory=list)
    note: str = ""


@dataclass(slots=True)
class Report:
    """All lines, and what was broken."""

    lines: list[Line] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    def add(
        self, part: str, what: str, tried: int, wrong: list[str], seconds: float, note: str = ""
    ) -> None:
        """Add a line."""
        self.lines.append(
            Line(
                part=part,
                what=what,
                tried=tried,
                violations=len(wrong),
                seconds=round(seconds, 1),
                note=note,
            )
        )
        self.violations += wrong

    @contextmanager
    def timed(self, part: str, what: str) -> Iterator[Tally]:
        """Add a line for what is done in the block."""
        begun, tally = time.monotonic(), Tally()
        yield tally
        seconds = time.monotonic() - begun
        self.add(part, what, tally.tried, tally.wrong, seconds, tally.note)

    def extend(self, other: Report) -> None:
        """Add all of another report."""
        self.lines += other.lines
        self.violations += other.violations
        self.skipped |= other.skipped

    def summary(self) -> str:
        """All of it in one line."""
        tried = sum(line.tried for line in self.lines)
        seconds = sum(line.seconds for line in self.lines)
        skipped = "".join(f", skipped: {why}" for why in self.skipped.values())
        return f"{tried:,} tried, {len(self.violations)} violations, {seconds:.0f} s{skipped}"

    def table(self) -> str:
        """The table, in Markdown; sums per part at the end of each."""
        rows: list[tuple[str, ...]] = [("part", "what", "tried", "violations", "seconds", "note")]
        for part in dict.fromkeys(line.part for line in self.lines):
            lines = [line for line in self.lines if line.part == part]
            rows += [
                (
                    part,
                    line.what,
                    f"{line.tried:,}",
                    str(line.violations),
                    f"{line.seconds:g}",
                    line.note,
                )
                for line in lines
            ]
            if len(lines) > 1:
                rows.append(_sum(part, lines))
        rows.append(_sum("all", self.lines))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        rows.insert(1, tuple("-" * width for width in widths))
        text = [
            f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
            for row in rows
        ]
        text += [f"skipped: {part}: {why}" for part, why in self.skipped.items()]
        text += [f"VIOLATION: {violation}" for violation in self.violations]
        return "\n".join(text)


def _sum(part: str, lines: list[Line]) -> tuple[str, ...]:
    """The row of the table with the sums of others."""
    tried = sum(line.tried for line in lines)
    broken = sum(line.violations for line in lines)
    seconds = sum(line.seconds for line in lines)
    return part, "all", f"{tried:,}", str(broken), f"{seconds:.0f}", ""
