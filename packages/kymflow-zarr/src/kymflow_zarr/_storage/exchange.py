"""Two folders change places in one step, on the systems that have a call for it.

A folder cannot be renamed over another one that is not empty, and with two renames there is an
instant at which neither is in its place: a process that is killed then has lost the old one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

from kymflow_zarr._storage.inner_folder import InnerFolder

_RENAME_EXCHANGE = 2  # <linux/fs.h>; RENAME_SWAP of <stdio.h> on macOS is the same number
_NOT_HERE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def exchange(folder: InnerFolder, name: str, other: InnerFolder, other_name: str) -> bool:
    """Let two files or folders, each named in the folder that it is in, change places.

    They exist, and are on one filesystem. Returns whether it was done; if not, this system or
    filesystem has no such call.

    Raises:
        OSError: The system has it, and could not.
    """
    if folder.fd is None or other.fd is None:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        call = libc.renameatx_np if sys.platform == "darwin" else libc.renameat2
    except AttributeError:  # an older C library, or another system
        return False
    places = folder.fd, os.fsencode(name), other.fd, os.fsencode(other_name)
    if call(*places, _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NOT_HERE:
        return False
    old, new = f"{folder.path}/{name}", f"{other.path}/{other_name}"
    raise OSError(code, os.strerror(code), old, None, new)
