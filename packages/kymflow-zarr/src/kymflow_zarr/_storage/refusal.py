"""One file that the system does not give: permission, a bad block, a link that leads to itself.

That is nothing that ends work on all the others, unlike a disk or a network that is gone.
"""

from __future__ import annotations

import errno
from typing import Final

__all__ = ["is_of_one_file"]

_OF_ONE_FILE: Final = frozenset({errno.EACCES, errno.EPERM, errno.EIO, errno.ELOOP})


def is_of_one_file(error: OSError) -> bool:
    """Whether the system refuses one file, while others may well be read."""
    return error.errno in _OF_ONE_FILE
