"""Each fault that must stop a release is planted in a copy of the project, and named."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ZARR = "packages/kymflow-zarr"
CORE = "packages/kymflow-core"
NEWEST = "its version is that of the newest entry"
CHANGED = "the entry"
NEVER_BEFORE = "no release had this version before"
UPWARD = "it requires no package that is above it"
FITS = "the packages that it requires are"
NOTHING_GONE = "nothing public of 0.2.0 is gone"
FILES = "the wheel holds the sources and its metadata"
TAG = "the tag names this package and version"
TESTS = "the sdist's quick tests pass"

Break = Callable[["Tree"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """What was said of a release."""

    code: int
    broken: dict[str, list[str]]
    kept: list[str]

    def of(self, rule: str) -> list[str]:
        """The lines below the verdict of a rule that is broken."""
        (lines,) = [lines for says, lines in self.broken.items() if says.startswith(rule)]
        return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A copy of the project, a repository of its own."""

    root: Path

    def change(self, file: str, old: str, new: str) -> None:
        """Replaces a text that is in a file."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org")
        options = ("-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false", "-c", "gc.auto=0")
        subprocess.run(
            ["git", *who, *options, *arguments], cwd=self.root, check=True, capture_output=True
        )

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "as it is now")

    def raise_version(self, version: str) -> None:
        """Writes a new version of kymflow-zarr, with its entry."""
        self.change(f"{ZARR}/pyproject.toml", 'version = "0.2.0"', f'version = "{version}"')
        entry = f"## {version} (2027-03-31)\n\nBetter.\n\n"
        self.change(f"{ZARR}/CHANGELOG.md", "## 0.2.0 (", f"{entry}## 0.2.0 (")

    def judge(self, what: str, package: str, *options: str) -> Verdicts:
        """Runs `hatch run release:…`, as a person would."""
        done = subprocess.run(
            [sys.executable, str(self.root / "tools" / "release.py"), what, package, *options],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert not done.stderr
        broken: dict[str, list[str]] = {}
        kept: list[str] = []
        lines: list[str] = []
        for line in done.stdout.splitlines()[:-1]:
            verdict, _, rule = line.partition(" ")
            if verdict == "kept":
                kept.append(rule.strip())
            elif verdict == "BROKEN":
                lines = broken.setdefault(rule.strip(), [])
            elif line.startswith(" "):
                lines.append(line.strip())
        return Verdicts(code=done.returncode, broken=broken, kept=kept)


@pytest.fixture(scope="module")
def original(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which everything could be released today."""
    place = tmp_path_factory.mktemp("original")
    unwanted = shutil.ignore_patterns("__pycache__", ".*_cache", ".hypothesis", "benchmarks")
    shutil.copytree(root / "packages", place / "packages", ignore=unwanted)
    (place / "tools").mkdir()
    for file in (root / "tools").glob("*.py"):
        shutil.copy(file, place / "tools")
    for name in ("hatch.toml", ".pytest.toml", ".gitignore"):
        shutil.copy(root / name, place)
    for file in place.glob("packages/*/CHANGELOG.md"):
        text = file.read_text(encoding="utf-8")
        file.write_text(re.sub(r"\(unreleased\)", "(2027-01-01)", text), encoding="utf-8")
    tree = Tree(root=place)
    tree.git("init", "--quiet")
    tree.commit()
    return place


@pytest.fixture
def tree(original: Path, tmp_path: Path) -> Tree:
    """A copy of the copy, to break."""
    shutil.copytree(original, tmp_path / "tree")
    return Tree(root=tmp_path / "tree")


def wrong_version(tree: Tree) -> None:
    tree.change(f"{ZARR}/pyproject.toml", 'version = "0.2.0"', 'version = "0.2.1"')


def no_entry(tree: Tree) -> None:
    file = tree.root / ZARR / "CHANGELOG.md"
    file.write_text("# Changelog of kymflow-zarr\n", encoding="utf-8")


def no_date(tree: Tree) -> None:
    tree.change(f"{ZARR}/CHANGELOG.md", "(2027-01-01)", "(unreleased)")


def no_such_date(tree: Tree) -> None:
    tree.change(f"{ZARR}/CHANGELOG.md", "(2027-01-01)", "(2027-02-30)")


def empty_entry(tree: Tree) -> None:
    file = tree.root / ZARR / "CHANGELOG.md"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.partition("(2027-01-01)\n")[0] + "(2027-01-01)\n", encoding="utf-8")


def released_already(tree: Tree) -> None:
    tree.git("tag", "kymflow-zarr-v0.2.0")


def upward(tree: Tree) -> None:
    more = 'dependencies = [\n  "kymflow-core>=0.2,<0.3",'
    tree.change(f"{ZARR}/pyproject.toml", "dependencies = [", more)


def upward_in_an_extra(tree: Tree) -> None:
    tree.change(f"{ZARR}/pyproject.toml", 'cloud = ["obstore>=0.8"', 'cloud = ["Kymflow_CLI"')


PLANTS: dict[str, tuple[Break, str, str]] = {
    "a wrong version": (
        wrong_version,
        NEWEST,
        "pyproject.toml says 0.2.1, the newest entry of CHANGELOG.md is 0.2.0",
    ),
    "no entry in the changelog": (no_entry, NEWEST, "CHANGELOG.md has no entry: write 0.2.0"),
    "an entry without a date": (no_date, CHANGED, "the entry of 0.2.0 says 'unreleased'"),
    "an entry of no day": (no_such_date, CHANGED, "the entry of 0.2.0 says '2027-02-30'"),
    "an empty entry": (empty_entry, CHANGED, "the entry of 0.2.0 is empty"),
    "a version twice": (
        released_already,
        NEVER_BEFORE,
        "there is a tag kymflow-zarr-v0.2.0: raise the version",
    ),
    "an upward requirement": (
        upward,
        UPWARD,
        "kymflow-zarr requires 'kymflow-core>=0.2,<0.3', and may build on none of them",
    ),
    "an upward requirement of an extra": (
        upward_in_an_extra,
        UPWARD,
        "kymflow-zarr requires 'Kymflow_CLI', and may build on none of them",
    ),
}


@pytest.mark.parametrize("kind", PLANTS)
def test_a_fault_is_named(tree: Tree, kind: str) -> None:
    plant, rule, says = PLANTS[kind]
    plant(tree)
    found = tree.judge("check", "kymflow-zarr")
    assert found.code == 1
    assert any(line.startswith(says) for line in found.of(rule))


def test_a_requirement_that_nothing_meets_is_named(tree: Tree) -> None:
    tree.change(f"{CORE}/pyproject.toml", '"kymflow-zarr>=0.2,<0.3"', '"kymflow-zarr>=0.3,<0.4"')
    found = tree.judge("check", "kymflow-core")
    (says, *_) = found.of(FITS)
    assert says.startswith("kymflow-core requires 'kymflow-zarr>=0.3,<0.4', of kymflow-zarr there")
    assert found.code == 1


def test_with_a_tag_what_it_requires_must_be_released(tree: Tree) -> None:
    found = tree.judge("check", "kymflow-core", "--tag", "kymflow-core-v0.2.0")
    (says, *_) = found.of(FITS)
    assert "of kymflow-zarr there is none yet" in says


def test_a_tag_of_something_else_is_named(tree: Tree) -> None:
    found = tree.judge("check", "kymflow-zarr", "--tag", "kymflow-core-v0.2.0")
    (says, *_) = found.of(TAG)
    assert says == "the tag is kymflow-core-v0.2.0, and must be kymflow-zarr-v0.2.0"


def gone_function(tree: Tree) -> None:
    file = f"{ZARR}/src/kymflow_zarr/dataset.py"
    tree.change(file, "def list_image_ids(", "def all_image_ids(")


def gone_name(tree: Tree) -> None:
    tree.change(f"{ZARR}/src/kymflow_zarr/__init__.py", '    "SourceRow",\n', "")


def gone_field(tree: Tree) -> None:
    file = f"{ZARR}/src/kymflow_zarr/_check/problems.py"
    tree.change(file, "    location: str", "    place: str")


def new_parameter(tree: Tree) -> None:
    file = f"{ZARR}/src/kymflow_zarr/dataset.py"
    tree.change(file, "def record(self, ", "def record(self, urgent: bool, ")


BREAKS: dict[str, tuple[Break, str]] = {
    "a removed function": (gone_function, "ZarrDataset.list_image_ids is gone"),
    "a name that is no longer exported": (gone_name, "kymflow_zarr.SourceRow is gone"),
    "a removed field": (gone_field, "Problem.location is gone"),
    "a new parameter": (
        new_parameter,
        "ZarrDataset.record(urgent) has a new parameter without a default",
    ),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_what_is_gone_from_the_api_is_named(tree: Tree, kind: str) -> None:
    change, says = BREAKS[kind]
    tree.git("tag", "kymflow-zarr-v0.2.0")
    tree.raise_version("0.2.1")
    change(tree)
    found = tree.judge("check", "kymflow-zarr")
    lines = found.of(NOTHING_GONE)
    assert any(says in line for line in lines)
    assert all("or release 0.2.0 instead of 0.2.1" in line for line in lines)
    assert found.code == 1


def test_of_the_command_words_and_fields_are_held(tree: Tree) -> None:
    cli = "packages/kymflow-cli"
    tree.git("tag", "kymflow-cli-v0.2.0")
    tree.change(f"{cli}/pyproject.toml", 'version = "0.2.0"', 'version = "0.2.1"')
    tree.change(f"{cli}/CHANGELOG.md", "## 0.2.0 (", "## 0.2.1 (2027-03-31)\n\nSame.\n\n## 0.2.0 (")
    source = f"{cli}/src/kymflow/cli"
    tree.change(f"{source}/verbs/demo.py", "folder: Path = ", "place: Path = ")
    tree.change(f"{source}/results/look.py", "    image_id: str", "    image: str")
    tree.change(f"{source}/text_table.py", "\ndef ", "\ndef un")
    lines = tree.judge("check", "kymflow-cli").of(NOTHING_GONE)
    assert any("kymflow.cli.verbs.demo.demo(folder) has lost a parameter" in line for line in lines)
    assert any(".image_id is gone" in line for line in lines)
    assert not [line for line in lines if "text_table" in line]


def test_a_minor_version_may_break_before_1_0(tree: Tree) -> None:
    tree.git("tag", "kymflow-zarr-v0.2.0")
    tree.raise_version("0.2.0")
    gone_function(tree)
    upward(tree)  # stops before the build
    assert "0.2.0 may break what 0.2.0 offered" in tree.judge("check", "kymflow-zarr").kept


def test_without_git_it_says_so(tree: Tree) -> None:
    shutil.rmtree(tree.root / ".git", ignore_errors=True)
    done = subprocess.run(
        [sys.executable, str(tree.root / "tools" / "release.py"), "check", "kymflow-zarr"],
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.root.parent)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 2
    assert "is no clone of the repository" in done.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
def test_what_is_ready_keeps_every_rule(tree: Tree, tmp_path: Path) -> None:
    for package in ("kymflow-zarr", "kymflow-core", "kymflow-cli"):
        tree.git("tag", f"{package}-v0.2.0")
        tag = ("--tag", f"{package}-v0.2.0")
        found = tree.judge("check", package, *tag, "--dist", str(tmp_path / "dist"))
        assert (found.broken, found.code) == ({}, 0)
    assert len(list((tmp_path / "dist").iterdir())) == 6


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
def test_files_too_many_and_too_few_are_named(tree: Tree) -> None:
    (tree.root / ZARR / "src" / "kymflow_zarr" / "notes.txt").write_text("mine", encoding="utf-8")
    target = "[tool.hatch.build.targets.wheel]\n"
    exclude = f'{target}exclude = ["py.typed"]\nforce-include = {{ "README.md" = "README.md" }}\n'
    tree.change(f"{ZARR}/pyproject.toml", target, exclude)
    found = tree.judge("check", "kymflow-zarr")
    assert found.code == 1
    assert sorted(line.split(" ")[0] for line in found.of(FILES)) == [
        "README.md",
        "kymflow_zarr/notes.txt",
        "kymflow_zarr/py.typed",
    ]
    assert "kymflow_zarr/py.typed is missing in the wheel" in found.of(FILES)


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
def test_an_unreleased_package_can_be_tried(tree: Tree) -> None:
    no_date(tree)
    found = tree.judge("try", "kymflow-zarr", "tests/test_front_door.py")
    assert (found.broken, found.code) == ({}, 0)
    assert any(rule.startswith(TESTS) for rule in found.kept)


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
def test_a_test_that_needs_the_tree_fails_with_the_wheel(tree: Tree) -> None:
    text = """from pathlib import Path


def test_planted() -> None:
    assert (Path(__file__).parents[1] / "src").is_dir()
"""
    (tree.root / CORE / "tests" / "test_planted.py").write_text(text, encoding="utf-8")
    found = tree.judge("try", "kymflow-core", "tests/test_planted.py")
    assert found.code == 1
    assert any("FAILED tests/test_planted.py::test_planted" in line for line in found.of(TESTS))
