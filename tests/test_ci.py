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
    hatch_config: dict[str, Any], root: Path
) -> None:
    environments = hatch_config["envs"]
    scripts = environments["default"]["scripts"]
    assert "hatch run test-all" in scripts["check"]
    ci = (root / ".ci" / "run").read_text(encoding="utf-8")
    for command in scripts["check"]:
        script = command.removeprefix("hatch run ")
        assert re.search(rf'^ *with "\$\w+" {script}$', ci, re.MULTILINE), script
    for command in (*scripts["check"], *scripts["test-requirements"]):
        found = re.match(r"hatch run (?:(?P<environment>\w+):)?(?P<script>[\w-]+)", command)
        assert found is not None
        environment = environments[found["environment"] or "default"]
        assert found["script"] in environment["scripts"]


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
