"""The demos run as a newcomer runs them: from anywhere, without arguments."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, where: Path) -> list[str]:
    if not EXAMPLES.is_dir():
        pytest.skip("the examples are not part of this distribution")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name)],
        cwd=where,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(Path(at).resolve()) for at in sys.path),
        },
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert list(where.iterdir()) == []
    return done.stdout.splitlines()


def test_export_and_import(tmp_path: Path) -> None:
    lines = run("demo_export_import_v01.py", tmp_path)
    assert lines[:4] == [
        "ingested 3 recordings into lab.zarr",
        "refreshed: 1 new recording",
        "refreshed again: 0 new recordings",
        "analyzed 4 recordings",
    ]
    assert "exported again: 0 files written" in lines
    assert "  images/<image_id>/image.tif" in lines
    assert "  images/<image_id>/brightness/result.json" in lines
    assert "  tables/brightness.csv" in lines
    assert lines[-1] == "ingested the export: 4 images, all equal"


def test_the_flow_of_a_program_with_a_window(tmp_path: Path) -> None:
    lines = run("demo_gui_flow_v01.py", tmp_path)
    assert lines[:4] == [
        "3 images in the folder:",
        "  vessel_1_c1.tif  2025-07-03 12:13:14",
        "  vessel_2_c1.tif  2025-07-14 12:13:14",
        "  vessel_0_c1.tif  2025-07-22 12:13:14",
    ]
    assert "opened vessel_1_c1.tif: channels (1, 2)" in lines
    assert "ingested it: axes ('c', 't', 'x'), shape (2, 300, 40)" in lines
    assert "and the rest of the folder: 3 images" in lines
    assert lines[-2:] == [
        "reopened the oldest image of the dataset, 2025-07-03 12:13:14:",
        '  {"species": "mouse", "note": "oldest one"}',
    ]


@pytest.mark.parametrize("name", ["demo_export_import_v01.py", "demo_gui_flow_v01.py"])
def test_demos_need_nothing_but_the_package(name: str) -> None:
    text = (EXAMPLES / name).read_text("utf-8")
    assert "sys.argv" not in text
    assert "from kymflow." not in text
