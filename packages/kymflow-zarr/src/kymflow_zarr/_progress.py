"""How a long call reports its progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

ProgressCallback: TypeAlias = Callable[[int, int], None]
"""Called with the images done and their total: first with 0 done, then after each image."""


def no_progress(done: int, total: int) -> None:
    """Report nothing."""
