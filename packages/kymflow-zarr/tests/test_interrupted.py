"""What the fault harness found: replaced arrays, processes without file handles, leftovers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kymflow_zarr import ZarrDataset

REPLACE = """
import sys
import numpy as np
from kymflow_zarr import ZarrDataset
record = ZarrDataset(sys.argv[1], durability="none").record(sys.argv[2])
number = 0
print("replacing", flush=True)
while True:
    number += 1
    record.save_array_artifact("scores", np.full(4000, number), chunks=(1000,))
"""


@pytest.mark.skipif(
    sys.platform not in {"linux", "darwin"}, reason="no call lets two folders change places"
)
def test_a_reader_of_an_array_that_is_replaced_sees_the_old_or_the_new(
    disk: ZarrDataset,
) -> None:
    record = disk.add_image(np.ones((4, 3)), axes=("t", "x"))
    record.save_array_artifact("scores", np.full(4000, 0), chunks=(1000,))
    with subprocess.Popen(
        [sys.executable, "-c", REPLACE, disk.location, record.image_id],
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "replacing\n"
        seen: set[float] = set()
        reads = 0
        while reads < 300 or len(seen) < 2:  # until the other process has had its turn
            reads += 1
            assert writer.poll() is None
            assert record.list_array_artifacts() == ["scores"]
            (number,) = set(record.load_array_artifact("scores").tolist())
            seen.add(number)
        writer.kill()
    disk.repair()
    assert disk.check(deep=True) == []
    assert len(set(record.load_array_artifact("scores").tolist())) == 1


NO_HANDLES = """
import os, resource, sys
import numpy as np
from kymflow_zarr import ZarrDataset
dataset = ZarrDataset(sys.argv[1])
dataset.add_image(np.ones((4, 3)), axes=("t", "x"))
again = ZarrDataset(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
try:
    again.add_image(np.ones((4, 3)), axes=("t", "x"))
except OSError as error:
    for handle in held:
        os.close(handle)
    print(error.strerror)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit to set")
def test_a_process_that_may_open_no_more_files_gets_a_clear_error(tmp_path: Path) -> None:
    # It used to try again for ever.
    done = subprocess.run(
        [sys.executable, "-c", NO_HANDLES, str(tmp_path / "dataset.zarr")],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert done.stdout == "Too many open files\n"
    assert len(ZarrDataset(tmp_path / "dataset.zarr", "r").list_image_ids()) == 1


def test_looking_for_leftovers_writes_nothing(disk: ZarrDataset, snapshot: object) -> None:
    scratch = Path(disk.location) / "index" / "staging" / ("0123" * 8)
    scratch.mkdir(parents=True)  # of a writer that was killed before it could lock it
    assert callable(snapshot)
    before = snapshot(Path(disk.location))
    (problem,) = ZarrDataset(disk.location, "r").check()
    assert problem.kind == "leftover"
    assert snapshot(Path(disk.location)) == before
    assert [repair.location for repair in disk.repair()] == [f"index/staging/{scratch.name}"]
    assert not scratch.exists()


def test_what_a_writer_has_in_use_is_left_over_in_a_copy_only(
    disk: ZarrDataset, tmp_path: Path
) -> None:
    """A copy is what a writer leaves that is killed: its lock is free."""
    disk.add_image(np.ones((4, 3)), axes=("t", "x"))
    assert disk.check() == ZarrDataset(disk.location).check() == []
    copy = ZarrDataset(shutil.copytree(disk.location, tmp_path / "copy.zarr"))
    assert [problem.kind for problem in copy.check()] == ["leftover"]
    assert len(copy.repair()) == 1
    assert copy.check() == disk.check() == []


def test_the_index_may_be_deleted_while_a_writer_is_at_work(disk: ZarrDataset) -> None:
    record = disk.add_image(np.ones((4, 3)), axes=("t", "x"))
    shutil.rmtree(Path(disk.location, "index"))
    record.save_json("a", 1)
    shutil.rmtree(Path(disk.location, "index"))
    disk.add_image(np.ones((4, 3)), axes=("t", "x"))
    assert len(disk) == 2
    assert record.load_json("a") == 1
    disk.repair()
    assert disk.check(deep=True) == []


def test_an_image_can_be_deleted_although_something_is_damaged(
    disk: ZarrDataset, folder: Path
) -> None:
    # After a power cut with durability="none" that is how one goes on.
    first, second, third = disk.refresh_from_folder(folder)
    place = Path(disk.location)
    (place / "tables" / "sources.parquet").write_bytes(b"")
    disk.delete_image(first)
    assert sorted(disk.load_sources_index()["image_id"]) == sorted([second, third])
    (place / "images" / second / "zarr.json").write_bytes(b"")
    disk.delete_image(second)
    assert disk.list_image_ids() == [third]
    assert [done.location for done in disk.repair()] == ["tables/sources.parquet"]
    assert disk.check(deep=True) == []
