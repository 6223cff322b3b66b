"""Which filesystems are flushed with one call."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kymflow_zarr._storage.durability import sync_filesystem


@pytest.mark.skipif(sys.platform != "linux", reason="syncfs is a call of Linux")
def test_a_filesystem_that_may_not_honour_it_is_not_flushed_as_a_whole() -> None:
    assert not sync_filesystem(Path("/proc"))


_MEMORY = Path("/dev/shm")


@pytest.mark.skipif(not _MEMORY.is_mount(), reason="there is no tmpfs here")
def test_a_filesystem_that_honours_it_is_flushed_with_one_call() -> None:
    assert sync_filesystem(_MEMORY)
