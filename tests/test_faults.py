"""The short form of the fault harness: every part of it that needs no root, on a few cases."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="faults are injected through LD_PRELOAD"),
]


def run(root: Path, *arguments: str, path: Path | None = None) -> dict[str, Any]:
    """The report of a run; with the packages in `path` instead of those that are installed."""
    paths = [str(path) if path else "", os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(root / "tools" / "faults"), "--json", *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    if report["skipped"]:
        pytest.skip(str(report["skipped"]))
    return report


JOBS = "ingest,artifacts,replace_rows"  # test_format1.py cuts an upgrade off at each of its steps


PARTS = {
    "killed at a call": 3,
    "a call fails": 18,
    "power cut, modelled": 27,
    "damaged files": 20,
    "crowd": 20,
    "hostile input": 200,
    "guard": 3,
}


def test_no_promise_is_broken(root: Path) -> None:
    # What each guard looks at is how bugs that were planted by hand are noticed.
    parts = "--only=kill,errors,cuts,corrupt,crowd,hostile,guard-flush,guard-lock,guard-planted"
    report = run(root, parts, "--count=0.01", f"--jobs={JOBS}", "--seed=0")
    assert report["violations"] == []
    for part, least in PARTS.items():
        tried = [line["tried"] for line in report["lines"] if line["part"].startswith(part)]
        assert sum(tried) >= least, part


def test_a_lost_safeguard_is_noticed(root: Path, tmp_path: Path) -> None:
    """One of those that the long form takes away: the flush before a file takes its place."""
    source = root / "packages" / "kymflow-zarr" / "src"
    copy = tmp_path / "src"
    for path in source.rglob("*.py"):
        target = copy / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        if path.name == "local.py":
            assert "sync_file(stream.fileno())" in text
            text = text.replace("sync_file(stream.fileno())", "pass")
        target.write_text(text, encoding="utf-8")
    report = run(root, "--only=guard-flush", "--jobs=artifacts", path=copy)
    assert len(report["violations"]) == 1
