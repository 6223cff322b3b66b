"""Where tests put their files: in memory, if there is room.

kymflow flushes what it writes, and on a disk tests would wait for that for half of their time. A
``TMPDIR`` of your own is respected: ``TMPDIR=/tmp hatch run test`` shows that all of it works on a
disk, as `hatch run lowest:test` does.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder in there that is the user's alone
_ROOM = 4_000_000_000


def pytest_configure() -> None:
    """Choose the folder for temporary files of this process, and of those that it starts."""
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK):
        return
    if shutil.disk_usage(_MEMORY).free > _ROOM:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)
