"""What the READMEs tell people to type works."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

ROOT = Path(__file__).resolve().parents[1]
READMES = [ROOT / "README.md", *sorted((ROOT / "packages").glob("*/README.md"))]

SCRIPT = re.compile(r"(?:pip install hatch && |pipx run |uvx )hatch run (\w+)")
INSTALL = re.compile(r'pip install "?(kymflow-\w+)(?:\[(\w+)\])?"?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block of a README."""

    file: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT).as_posix()}:{self.line}"


def blocks_of(file: Path) -> list[Block]:
    text = file.read_text(encoding="utf-8")
    return [
        Block(
            file=file,
            line=text.count("\n", 0, found.start()) + 1,
            language=found["language"],
            text=found["text"],
        )
        for found in re.finditer(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", text, re.M | re.S)
    ]


BLOCKS = [block for file in READMES for block in blocks_of(file)]
PYTHON = [block for block in BLOCKS if block.language == "python"]
CONSOLE = [block for block in BLOCKS if block.language == "console"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder to type commands in, with a folder ``recordings`` of two TIFFs."""
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for seed, name in enumerate(("first.tif", "second.tif")):
        pixels = np.random.default_rng(seed).integers(0, 4096, (200, 32)).astype(np.uint16)
        tifffile.imwrite(recordings / name, pixels)
    return tmp_path


def run(command: Sequence[str], place: Path) -> str:
    """Runs a command, and returns what it prints."""
    done = subprocess.run(
        command, cwd=place, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def kymflow(command: str, place: Path) -> str:
    """Runs a ``kymflow`` command line in this environment."""
    name, *arguments = shlex.split(command)
    assert name == "kymflow"
    return run([sys.executable, "-W", "error", "-m", "kymflow.cli", *arguments], place)


def test_every_block_is_of_a_kind_that_is_run() -> None:
    assert {block.language for block in BLOCKS} == {"python", "console"}


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_runs(block: Block, place: Path) -> None:
    assert run([sys.executable, "-W", "error", "-c", block.text], place)


@pytest.mark.parametrize("block", CONSOLE, ids=str)
def test_commands_work(block: Block, place: Path, hatch_config: dict[str, Any]) -> None:
    scripts = hatch_config["envs"]["default"]["scripts"]
    for command in block.text.splitlines():
        if script := re.fullmatch(
            r"(?:pip install hatch && |pipx run |uvx )hatch run (\w+)", command
        ):
            check_script(script[1], scripts, place)
        elif wanted := re.fullmatch(r'pip install "?(kymflow-\w+)(?:\[(\w+)\])?"?', command):
            check_distribution(wanted[1], wanted[2])
        else:
            kymflow(command, place)


def check_script(name: str, scripts: Mapping[str, str], place: Path) -> None:
    """The demo is run, through its script; the tests are what runs just now."""
    if name == "test":
        assert scripts["test"] == "pytest {args}"
        return
    assert name == "demo"
    shown = kymflow(scripts["demo"].format(args="shown"), place)
    assert str(Path("shown", "demo.zarr")) in shown
    assert "image_id" in shown


def check_distribution(name: str, extra: str | None) -> None:
    """What is to be installed is a package of this workspace, and has this extra."""
    text = (ROOT / "packages" / name / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    assert project["name"] == name
    assert extra is None or extra in project["optional-dependencies"]


def test_the_two_commands_of_a_newcomer_are_there() -> None:
    commands = {line for block in blocks_of(READMES[0]) for line in block.text.splitlines()}
    for way in ("pip install hatch && ", "pipx run ", "uvx "):
        assert {f"{way}hatch run demo", f"{way}hatch run test"} <= commands


@pytest.mark.parametrize("file", READMES, ids=lambda file: file.parent.name)
def test_links_to_files_lead_somewhere(file: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", file.read_text(encoding="utf-8"))
    assert links
    local = [link for link in links if not link.startswith("https://")]
    assert [link for link in local if not (file.parent / link).exists()] == []
