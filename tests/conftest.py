"""What the tests of the workspace share."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kymflow.cli.app import run


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder that `hatch` is run from."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def hatch_config(root: Path) -> dict[str, Any]:
    """What hatch.toml says."""
    return tomllib.loads((root / "hatch.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def hatch_scripts(hatch_config: dict[str, Any]) -> dict[str, set[str]]:
    """The names of the scripts of each environment, with those of its template."""
    environments = hatch_config["envs"]
    own = {name: set(one.get("scripts", ())) for name, one in environments.items()}
    return {name: own[name] | own[one.get("template", name)] for name, one in environments.items()}


@pytest.fixture(scope="session")
def package_index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips a test where packages cannot be fetched, as it installs some."""
    environment = tmp_path_factory.mktemp("index") / "environment"
    start = [sys.executable, "-m", "uv"]
    subprocess.run(
        [*start, "venv", "--quiet", "--python", sys.executable, str(environment)], check=True
    )
    asked = subprocess.run(
        [*start, "pip", "install", "--dry-run", "--no-deps", "--refresh", "hatchling"],
        env={**os.environ, "VIRTUAL_ENV": str(environment)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if asked.returncode:
        pytest.skip(f"NOT TESTED, no package index: {asked.stderr.strip()[-300:]}")


@pytest.fixture
def kymflow(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line of `kymflow` in this process; returns exit code, stdout and stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = int(run(list(arguments)))
        out, err = capsys.readouterr()
        return code, out, err

    return call
