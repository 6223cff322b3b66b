"""What the README tells a newcomer to type is there: scripts of hatch that make all they need."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WAYS = ("pip install hatch && ", "pipx run ", "uvx ")

Kymflow = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def commands(root: Path) -> list[str]:
    """The commands of README.md that are about hatch."""
    text = (root / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(
        r"^<!-- tested by: tests/test_readme.py -->\n```console\n(.+?)^```$", text, re.M | re.S
    )
    return [line for block in blocks for line in block.splitlines()]


def test_each_way_leads_to_the_demo_and_to_the_tests(commands: list[str]) -> None:
    wanted = [f"{way}hatch run {script}" for way in WAYS for script in ("demo", "test")]
    assert sorted(commands) == sorted(wanted)


def test_the_script_of_the_demo_works(
    hatch_config: dict[str, Any], kymflow: Kymflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program, *arguments = hatch_config["envs"]["default"]["scripts"]["demo"].split()
    assert (program, arguments.pop()) == ("kymflow", "{args}")
    code, shown, _ = kymflow(*arguments, "shown")
    assert code == 0
    assert str(Path("shown", "demo.zarr")) in shown
    assert "image_id" in shown


def test_the_script_of_the_tests_is_what_runs_now(hatch_config: dict[str, Any]) -> None:
    scripts = hatch_config["envs"]["default"]["scripts"]
    assert scripts["test"] == 'test-all -m "not slow" {args}'
    program, options = "python -P tools/run_tests.py", "-n auto --dist worksteal"
    assert scripts["test-all"] == f"{program} {options} {{args}}", "one worker per core"
