"""Runs pytest, with the files of tests in memory if there is room: `hatch run test`.

kymflow flushes what it writes, and on a disk tests would wait for that for half of their time. A
``TMPDIR`` of your own is respected: ``TMPDIR=/tmp hatch run test`` shows that all of it works on a
disk, as `hatch run lowest:test` does.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder in there that is the user's alone
_ROOM = 4_000_000_000


def main() -> int:
    """Choose where this process and those that it starts put temporary files, and test."""
    is_free_to_choose = "TMPDIR" not in os.environ and os.access(_MEMORY, os.W_OK)
    if is_free_to_choose and shutil.disk_usage(_MEMORY).free > _ROOM:
        os.environ["TMPDIR"] = str(_MEMORY)
    return pytest.main()


if __name__ == "__main__":
    sys.exit(main())
