"""Rules with a verdict each, as `bounds` and `release` print them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Rule", "Tally", "judge", "report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule, and how to find what breaks it: one line each, naming what is wrong."""

    says: str
    check: Callable[[], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many rules were kept, and how many broken."""

    kept: int = 0
    broken: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(kept=self.kept + other.kept, broken=self.broken + other.broken)

    def __str__(self) -> str:
        return f"{self.kept} rules kept, {self.broken} broken"


def judge(rules: Iterable[Rule]) -> Tally:
    """Print a verdict per rule, and below it what breaks it."""
    tally = Tally()
    for rule in rules:
        violations = rule.check()
        tally += Tally(broken=1) if violations else Tally(kept=1)
        print(f"{'BROKEN' if violations else 'kept':<7} {rule.says}", flush=True)
        for violation in violations:
            print(f"        {violation}", flush=True)
    return tally


def report(rules: Iterable[Rule]) -> int:
    """Print the verdicts and their number.

    Returns:
        The exit code: 1 when a rule is broken.
    """
    tally = judge(rules)
    print(tally)
    return 1 if tally.broken else 0
