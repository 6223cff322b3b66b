"""A file or folder opened by its whole path while the system refuses links: a call of Linux."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

_AT_FDCWD = -100
_OPENAT2 = 437  # the same number on every architecture that this package has wheels for
# RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_XDEV of <linux/openat2.h>
_NO_WAY_OUT = 0x08 | 0x04 | 0x01


@cache
def has_openat2() -> bool:
    """Whether the system has the call; older kernels and some sandboxes do not."""
    if sys.platform != "linux":
        return False
    try:
        os.close(open_without_links(_AT_FDCWD, ".", os.O_PATH))
    except OSError:
        return False
    return True


def open_without_links(folder: int, path: str, flags: int) -> int:
    """The descriptor of a file or folder below an open folder; nothing is created.

    A step for each part of the path would take several times as long.

    Raises:
        OSError: ``ELOOP`` if a part is a link, ``EXDEV`` if one is a mount or leads
            out; or it is not there.
    """
    call, how = _syscall(flags)
    found: int = call(_OPENAT2, folder, os.fsencode(path), how, len(how))
    if found < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return found


@cache
def _syscall(flags: int) -> tuple[Callable[..., Any], bytes]:
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.syscall, struct.pack("QQQ", flags, 0, _NO_WAY_OUT)
