"""A reader of another distribution is part of the command as soon as it is installed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Process = Callable[..., subprocess.CompletedProcess[str]]

FRAMES = '''
import numpy as np
from kymflow_zarr.readers import ArrayImage


class Frames:
    """Reads frames that NumPy saved."""

    name = "frames"
    suffixes = (".npy",)

    def claims(self, listing):
        return listing.with_suffix(self.suffixes)

    def open(self, path, *, limits):
        return ArrayImage(np.load(path, allow_pickle=False))
'''


@pytest.fixture
def search_path(tmp_path: Path, environment: dict[str, str]) -> str:
    """Where a process finds a distribution with one reader that works, and one that does not."""
    site = tmp_path / "site"
    info = site / "lab_frames-1.2.dist-info"
    info.mkdir(parents=True)
    metadata = "Metadata-Version: 2.1\nName: lab-frames\nVersion: 1.2\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    points = "[kymflow_zarr.readers]\nframes = lab_frames:Frames\nlost = lab_frames:Lost\n"
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    (site / "lab_frames.py").write_text(FRAMES, encoding="utf-8")
    return os.pathsep.join([str(site), environment["PYTHONPATH"]])


def test_frames_are_listed_ingested_and_refreshed(
    folder: Path, tmp_path: Path, process: Process, search_path: str
) -> None:
    def kymflow(*arguments: object, code: int = 0) -> list[dict[str, Any]]:
        done = process(*arguments, "--json", PYTHONPATH=search_path, PYTHONWARNINGS="default")
        assert done.returncode == code, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    np.save(folder / "frame.npy", np.arange(20, dtype=np.uint16).reshape(5, 4))
    (folder / "broken.npy").write_bytes(b"not an array")
    place = tmp_path / "k.zarr"

    *listed, summary = kymflow("plugins", code=1)
    (frames,) = [item for item in listed if item["name"] == "frames"]
    assert (frames["kind"], frames["origin"], frames["version"]) == ("reader", "lab-frames", "1.2")
    assert (frames["suffixes"], frames["summary"]) == ([".npy"], "Reads frames that NumPy saved.")
    assert summary["broken"] == 1
    (lost,) = [item for item in listed if item["status"] == "broken"]
    assert (lost["name"], lost["origin"]) == ("lost", "lab-frames")

    *files, summary = kymflow("ingest", folder, place, code=1)
    assert summary["taken_in"] == 4
    (broken,) = [item for item in files if item["status"] == "failed"]
    assert Path(broken["path"]).name == "broken.npy"
    (folder / "broken.npy").unlink()
    *_, summary = kymflow("refresh", place)
    assert (summary["taken_in"], summary["unchanged"]) == (0, 4)


def test_help_imports_no_reader(process: Process) -> None:
    done = process("ingest", "--help", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert "kymflow.cli" in done.stderr
    assert "tifffile" not in done.stderr
