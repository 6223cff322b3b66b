"""The workflows of GitHub: what of them can be tried here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Affected = Callable[..., list[str]]
ALL = ["kymflow-zarr", "kymflow-core", "kymflow-cli"]


def test_every_workflow_is_linted(root: Path, hatch_config: dict[str, Any]) -> None:
    commands = " ".join(hatch_config["envs"]["workflows"]["scripts"]["check"])
    files = sorted((root / ".github").rglob("*.yml"))
    assert len(files) > 2
    named = [file.relative_to(root).as_posix() for file in files if file.name != "zizmor.yml"]
    assert [name for name in named if name not in commands] == []


def test_every_package_has_its_tag(root: Path) -> None:
    text = (root / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert re.findall(r'"(kymflow-\w+)-v\*"', text) == ALL


@pytest.fixture
def affected(root: Path, tmp_path: Path) -> Affected:
    """Commits files, and tells which packages that concerns."""
    (tmp_path / "tools").mkdir()
    for name in ("affected.py", "workspace.py"):
        shutil.copy(root / "tools" / name, tmp_path / "tools")
    shutil.copy(root / ".gitignore", tmp_path)  # of what Python compiles

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org")
        command = ["git", *who, "-c", "commit.gpgsign=false", *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    def ask(*files: str, since: str = "HEAD^") -> list[str]:
        for file in files:
            path = tmp_path / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        git("add", "--all")
        git("commit", "--allow-empty", "--message", "more")
        done = subprocess.run(
            [sys.executable, str(tmp_path / "tools" / "affected.py"), since],
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        found: list[str] = json.loads(done.stdout)
        return found

    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "--message", "first")
    return ask


def test_a_change_concerns_what_builds_on_it(affected: Affected) -> None:
    assert affected("packages/kymflow-zarr/src/a.py") == ALL
    assert affected("packages/kymflow-core/tests/a b.py") == ["kymflow-core", "kymflow-cli"]
    assert affected("packages/kymflow-cli/README.md") == ["kymflow-cli"]
    assert affected() == []


@pytest.mark.parametrize("file", ["hatch.toml", "tests/test_a.py", "packages/new/a.py"])
def test_a_change_elsewhere_concerns_all(affected: Affected, file: str) -> None:
    assert affected(file) == ALL


def test_without_a_commit_to_compare_with_all_are_concerned(affected: Affected) -> None:
    assert affected(since="0" * 40) == ALL
