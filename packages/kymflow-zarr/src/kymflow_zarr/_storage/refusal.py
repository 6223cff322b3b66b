"""One file that the system refuses to read: permission, a bad block, a link to itself.

That does not end work on all the others, unlike a disk or a network that is gone.
"""

from __future__ import annotations

import errno
from typing import Final

_PER_FILE: Final = frozenset({errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP})


def is_per_file_error(error: OSError) -> bool:
    """Whether the system refuses this file, while others may well be readable."""
    return error.errno in _PER_FILE
