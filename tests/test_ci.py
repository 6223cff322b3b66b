"""What CI runs is what a person runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def test_check_names_scripts_that_exist_and_ci_runs_them(
    hatch_config: dict[str, Any], hatch_scripts: dict[str, set[str]], root: Path
) -> None:
    commands = hatch_config["envs"]["default"]["scripts"]["check"]
    assert "hatch run test-all" in commands
    ci = (root / ".ci" / "run").read_text(encoding="utf-8")
    for command in commands:
        script = command.removeprefix("hatch run ")
        assert re.search(rf'^ *with "\$\w+" {script}$', ci, re.MULTILINE), script
        environment, _, name = script.rpartition(":")
        assert name in hatch_scripts[environment or "default"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_ci_says_when_there_is_no_python_for_it(root: Path, tmp_path: Path) -> None:
    missing = tmp_path / "python3.99"
    done = subprocess.run(
        ["bash", str(root / ".ci" / "run")],
        env={**os.environ, "KYMFLOW_CI_PYTHONS": str(missing), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert "no CPython >= 3.11 found" in done.stderr
    assert list(tmp_path.iterdir()) == []
