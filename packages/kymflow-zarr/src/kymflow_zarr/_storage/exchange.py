"""Two folders change places in one step, on the systems that have a call for it.

A folder cannot be renamed over another one that is not empty, and with two renames there is an
instant at which neither is in its place: a process that is killed then has lost the old one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

__all__ = ["exchange"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2  # <linux/fs.h>; RENAME_SWAP of <stdio.h> on macOS is the same number
_NOT_HERE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def exchange(first: Path, second: Path) -> bool:
    """Let two existing files or folders of one filesystem change places.

    Returns:
        Whether it was done; if not, this system or filesystem has no such call.

    Raises:
        OSError: The system has it, and could not.
    """
    if os.name == "nt":
        return False
    result = _call(os.fsencode(first), os.fsencode(second))
    if result is None:
        return False
    if result == 0:
        return True
    code = ctypes.get_errno()
    if code in _NOT_HERE:
        return False
    raise OSError(code, os.strerror(code), str(first), None, str(second))


def _call(first: bytes, second: bytes) -> int | None:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int | None = None
    try:
        if sys.platform == "linux":
            result = libc.renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE)
        elif sys.platform == "darwin":
            result = libc.renamex_np(first, second, _RENAME_EXCHANGE)
    except AttributeError:  # an older C library
        return None
    return result
