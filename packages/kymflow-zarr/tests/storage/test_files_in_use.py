"""On a filesystem where an open file that is removed goes on being in its folder (FUSE, NFS)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kymflow_zarr import ZarrDataset

WRITER = """
import os, signal, sys
import numpy as np
from kymflow_zarr import ZarrDataset
dataset = ZarrDataset(sys.argv[1])
dataset.add_image(np.ones((4, 3)), axes=("t", "x"))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def layered(tmp_path: Path) -> Iterator[Path]:
    """A folder that bindfs shows elsewhere."""
    below, above = tmp_path / "below", tmp_path / "above"
    below.mkdir()
    above.mkdir()
    if shutil.which("bindfs") is None:
        pytest.skip("bindfs is not installed")
    if subprocess.run(["bindfs", below, above], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield above
    subprocess.run(["fusermount", "-u", "-z", above], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts on Linux")
def test_what_a_killed_writer_left_is_swept(layered: Path) -> None:
    path = layered / "dataset.zarr"
    subprocess.run([sys.executable, "-c", WRITER, path], check=False, timeout=300)
    staging = path / "index" / "staging"
    assert list(staging.iterdir())
    ZarrDataset(path).repair()
    assert not list(staging.iterdir())
    assert ZarrDataset(path).check(deep=True) == []


@pytest.mark.skipif(sys.platform != "linux", reason="mounts on Linux")
def test_an_image_is_deleted_while_someone_reads_it(layered: Path) -> None:
    dataset = ZarrDataset(layered / "dataset.zarr")
    record = dataset.add_image(np.ones((4, 3)), axes=("t", "x"))
    with (layered / "dataset.zarr" / "images" / record.image_id / "zarr.json").open("rb"):
        dataset.delete_image(record.image_id)
        assert dataset.list_image_ids() == []
    assert dataset.check(deep=True) == []
