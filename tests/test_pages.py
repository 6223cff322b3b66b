"""Every block of code on the pages here runs, from the top of a page to its end, or says why not.

A page starts in an empty folder with a folder ``recordings`` of two small kymographs in it. Its
``python`` blocks share their names; each line of a ``console`` block is a command, or, where some
lines begin with ``$``, these are, and what follows one is its answer, in which ``…`` stands for
anything. ``toml`` and ``json`` must be well formed, ``text`` is no code. A comment right above a
block says what is different with it:

    <!-- not run: why -->          it is not run
    <!-- tested by: tests/x.py --> that test reads the page and runs it
    <!-- file: name.py -->         it is written to this file in the page's folder
    <!-- output -->                it is what the block above has printed

and anywhere on a page ``<!-- slow -->`` marks it as slow. Paths are those of the package that the
page belongs to, which imports nothing of the packages above that one.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import metadata
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile

HERE = Path(__file__).resolve().parents[1]
PATTERNS = ("*.md", ".github/*.md", "packages/*/*.md", "packages/*/docs/**/*.md", "tools/docs/*.md")
PAGES = sorted(page for pattern in PATTERNS for page in HERE.glob(pattern))
ABOVE = {"kymflow-zarr": ("kymflow",), "kymflow-core": ("kymflow.cli",)}

RUN = {"python", "console"}
PARSED: dict[str, Callable[[str], object]] = {"toml": tomllib.loads, "json": json.loads}
NOT_CODE = {"text", "{toctree}"}
MARKS = {"not run", "tested by", "file", "output"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    return page.relative_to(HERE).as_posix()


def home_of(page: Path) -> Path:
    """The folder of the package that a page belongs to, or that of the workspace."""
    return next((above for above in page.parents if (above / "pyproject.toml").exists()), HERE)


def marks_in(text: str) -> dict[str, str]:
    return dict(re.findall(r"^<!-- ([a-z ]+?)(?:: (.+?))? -->$", text, re.MULTILINE))


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    above = r"(?P<above>(?:^<!-- .+ -->\n)*)"
    fenced = r"^(?P<fence>`{3,})(?P<word>\S*)\n(?P<text>(?:.*\n)*?)^(?P=fence)$"
    for found in re.finditer(above + fenced, text, re.MULTILINE):
        yield Block(
            page=page,
            line=text.count("\n", 0, found.start("text")) + 1,
            language=found["word"],
            text=found["text"],
            marks={key: value for key, value in marks_in(found["above"]).items() if key in MARKS},
        )


def complaint(block: Block) -> str:
    """Why a block that has become wrong would go unnoticed; empty if it would not."""
    if test := block.marks.get("tested by"):
        file = home_of(block.page) / test
        if not file.is_file() or block.page.name not in file.read_text(encoding="utf-8"):
            return f"{test} does not read {block.page.name}"
        return ""
    if "not run" in block.marks:
        return "" if len(block.marks["not run"]) > 10 else "say why it is not run"
    if block.language in RUN | set(PARSED) | NOT_CODE or {"file", "output"} & set(block.marks):
        return ""
    kind = block.language or "a block of no language"
    return f"no test runs {kind}: put <!-- not run: why --> above it"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_runs_or_says_why_not(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = list(blocks_of(page))
    complaints = [f"{block}: {said}" for block in blocks if (said := complaint(block))]
    assert complaints == []
    fences = re.findall(r"^[ \t]*(?:`{3,}|~{3,})", text, re.MULTILINE)
    assert len(fences) == 2 * len(blocks), "a fence is indented, of tildes, or has several words"
    prose = re.sub(r"^(`{3,})(?:.*\n)*?\1$", "", text, flags=re.MULTILINE)
    assert re.findall(r"^(?![ *+-]|\d+\.).+\n\n {4}.+", prose, re.MULTILINE) == [], (
        "code by indentation"
    )


# --- running a page -------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a page runs."""
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    for seed, name in enumerate(("first.tif", "second.tif")):
        pixels = np.random.default_rng(seed).integers(0, 4096, (200, 32)).astype(np.uint16)
        tifffile.imwrite(recordings / name, pixels)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    return tmp_path


def is_slow(page: Path) -> bool:
    return "slow" in marks_in(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] if is_slow(page) else [], id=name_of(page))
        for page in PAGES
    ],
)
def test_the_page_runs(
    page: Path,
    place: Path,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What a page defines is found by its name, for example by pickle.
    names = ModuleType("page_that_runs")
    monkeypatch.setitem(sys.modules, names.__name__, names)
    printed = ""
    for block in blocks_of(page):
        if {"not run", "tested by"} & set(block.marks):
            continue
        if "output" in block.marks:
            assert_says(block, block.text, printed)
        elif file := block.marks.get("file"):
            (place / file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            # Lines count as on the page, so that a traceback leads there.
            source = "\n" * (block.line - 1) + block.text
            exec(compile(source, str(page), "exec"), names.__dict__)
            printed = capsys.readouterr().out
        elif block.language == "console":
            for command, said in commands_of(block):
                printed = answer_to(command, place, request)
                if said:
                    assert_says(block, said, printed)
        elif parse := PARSED.get(block.language):
            parse(block.text)
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.mark.parametrize(
    "page", [page for page in PAGES if home_of(page).name in ABOVE], ids=name_of
)
def test_a_page_imports_nothing_of_the_packages_above(page: Path) -> None:
    above = ABOVE[home_of(page).name]
    for block in blocks_of(page):
        if block.language == "python":
            imports = set(imports_in(block.text))
            assert [
                name for name in imports if f"{name}.".startswith(tuple(f"{a}." for a in above))
            ] == []


def imports_in(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def commands_of(block: Block) -> list[tuple[str, str]]:
    """Each command, and what the page says that it answers."""
    if not block.text.startswith("$ "):
        return [(line, "") for line in block.text.splitlines()]
    steps = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [(command, said) for command, _, said in (step.partition("\n") for step in steps)]


def assert_says(block: Block, said: str, printed: str) -> None:
    """What was printed is what the page says, whatever the widths of columns."""
    wanted, found = lines_of(said), lines_of(printed)
    pattern = "\n".join(re.escape(line).replace("…", ".*") for line in wanted)
    if not re.fullmatch(pattern, "\n".join(found)):
        pytest.fail(f"{block} says\n\n{said}\nand the answer was\n\n{printed}")


def lines_of(text: str) -> list[str]:
    return [
        re.sub(r"\s+", " ", line).strip().replace("\\", "/") for line in text.rstrip().split("\n")
    ]


def answer_to(command: str, place: Path, request: pytest.FixtureRequest) -> str:
    """Runs a command; returns what it prints."""
    command, _, remark = command.partition("    # exit code ")
    program, *arguments = shlex.split(command)
    if program == "pip":
        check_installed(arguments)
        return ""
    if program == "kymflow":
        code, out, err = request.getfixturevalue("kymflow")(*arguments)
    else:
        assert program == "python", f"{command}: no test runs {program}"
        done = subprocess.run(
            [sys.executable, "-W", "error", *arguments],
            cwd=place,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "PYTHONIOENCODING": "utf-8",
            },
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        code, out, err = done.returncode, done.stdout, done.stderr
    assert code == int(remark or 0), f"{command}\n{err}"
    assert out, f"{command} prints nothing"
    assert "Traceback" not in err
    return str(out)


def check_installed(arguments: list[str]) -> None:
    """What is to be installed is what the tests run with: distributions with these extras."""
    assert arguments[0] == "install"
    for requirement in arguments[1:]:
        name, _, extras = requirement.rstrip("]").partition("[")
        offered = metadata(name).get_all("Provides-Extra") or []
        assert set(extras.split(",")) - {""} <= set(offered), requirement
