"""What is installed with this distribution: its types, and the command."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points, version
from importlib.resources import files

from kymflow.cli.__main__ import main


def test_it_is_typed() -> None:
    assert (files("kymflow.cli") / "py.typed").is_file()


def test_the_command_is_declared() -> None:
    (script,) = entry_points(group="console_scripts", name="kymflow")
    assert script.load() is main


def test_the_command_shows_its_version() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "kymflow.cli", "--version"],
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert version("kymflow-cli") in shown.stdout
