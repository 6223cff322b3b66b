"""Random numbers that a seed and a name decide."""

from __future__ import annotations

import random


def seeded(*parts: object) -> random.Random:
    """A generator that gives the same numbers for the same parts."""
    return random.Random(" ".join(map(str, parts)))  # noqa: S311 - nothing secret
