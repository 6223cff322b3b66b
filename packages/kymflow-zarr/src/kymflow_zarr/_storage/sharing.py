"""Waiting for a file that another program holds.

On Windows a file that is open elsewhere, to a virus scanner or to a reader, can be neither replaced
nor removed, and one that is about to disappear cannot be opened. Such a program is soon done.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final, TypeVar

_T = TypeVar("_T")
_PATIENCE_S: Final = 2.0
_LONGEST_PAUSE_S: Final = 0.1


def when_released(call: Callable[[], _T]) -> _T:
    """Make a call, on Windows again for 2 s while the system refuses it.

    Raises:
        PermissionError: It was refused to the end.
    """
    if sys.platform == "win32":
        end, pause = time.monotonic() + _PATIENCE_S, 0.001
        while time.monotonic() < end:
            try:
                return call()
            except PermissionError:
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
    return call()
