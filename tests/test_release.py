"""Each fault that must stop a release is planted in a copy of the project, and named."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ZARR = "packages/kymflow-zarr"
CORE = "packages/kymflow-core"
CLI = "packages/kymflow-cli"
DAY = "(2027-01-01)"

Change = Callable[["Tree"], None]


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

    def version(self, package: str = ZARR) -> str:
        text = (self.root / package / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(text)["project"]["version"])

    def raise_version(self, package: str, *, minor: int = 0, patch: int = 0) -> None:
        """Tags a package as it is, and writes a higher version of it, with its entry."""
        old = self.version(package)
        self.git("tag", f"{Path(package).name}-v{old}")
        numbers = map(int, old.split("."))
        new = ".".join(str(a + b) for a, b in zip(numbers, (0, minor, patch), strict=True))
        self.change(f"{package}/pyproject.toml", f'version = "{old}"', f'version = "{new}"')
        self.change(f"{package}/CHANGELOG.md", "## ", f"## {new} {DAY}\n\nBetter.\n\n## ")

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=Someone", "-c", "user.email=someone@example.org")
        options = ("-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false", "-c", "gc.auto=0")
        subprocess.run(
            ["git", *who, *options, *arguments], cwd=self.root, check=True, capture_output=True
        )

    def judge(self, what: str, package: str, *options: str, code: int = 1) -> str:
        """Runs `hatch run release:…`, as a person would; returns what it prints."""
        name = Path(package).name
        done = subprocess.run(
            [sys.executable, str(self.root / "tools" / "release.py"), what, name, *options],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert not done.stderr
        assert done.returncode == code, done.stdout
        assert f"{name} {self.version(package)} can{'not' if code else ''} be released" in (
            done.stdout
        )
        return done.stdout


@pytest.fixture(scope="module")
def original(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy without tests, in which everything could be released today."""
    tree = Tree(root=tmp_path_factory.mktemp("original"))
    for package in (ZARR, CORE, CLI):
        unwanted = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / package / "src", tree.root / package / "src", ignore=unwanted)
        for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
            shutil.copy(root / package / name, tree.root / package)
        changelog = tree.root / package / "CHANGELOG.md"
        text = changelog.read_text(encoding="utf-8")
        changelog.write_text(re.sub(r"\(.+\)$", DAY, text, count=1, flags=re.M), encoding="utf-8")
    (tree.root / "tools").mkdir()
    for name in ("tools/release.py", "tools/workspace.py", "hatch.toml", ".pytest.toml"):
        shutil.copy(root / name, tree.root / name)
    shutil.copy(root / ".gitignore", tree.root)
    tree.git("init", "--quiet")
    tree.git("add", "--all")
    tree.git("commit", "--quiet", "--message", "as it is now")
    return tree.root


@pytest.fixture
def tree(original: Path, tmp_path: Path) -> Tree:
    """A copy of the copy, to break."""
    shutil.copytree(original, tmp_path / "tree")
    return Tree(root=tmp_path / "tree")


# --- tag, version and changelog


def wrong_version(tree: Tree) -> None:
    tree.change(f"{ZARR}/pyproject.toml", f'version = "{tree.version()}"', 'version = "7.0.0"')


def no_entry(tree: Tree) -> None:
    (tree.root / ZARR / "CHANGELOG.md").write_text("# Changelog\n", encoding="utf-8")


def empty_entry(tree: Tree) -> None:
    version = tree.version()
    entry = f"## {version} {DAY}\n"
    tree.change(f"{ZARR}/CHANGELOG.md", entry, f"{entry}\n## 0.0.1 (2026-01-01)\n")


def no_date(tree: Tree) -> None:
    tree.change(f"{ZARR}/CHANGELOG.md", DAY, "(unreleased)")


def no_such_date(tree: Tree) -> None:
    tree.change(f"{ZARR}/CHANGELOG.md", DAY, "(2027-02-30)")


def released_already(tree: Tree) -> None:
    tree.git("tag", f"kymflow-zarr-v{tree.version()}")


def upward(tree: Tree) -> None:
    more = 'dependencies = [\n  "kymflow-core",'
    tree.change(f"{ZARR}/pyproject.toml", "dependencies = [", more)


def upward_in_an_extra(tree: Tree) -> None:
    tree.change(f"{ZARR}/pyproject.toml", 'cloud = ["obstore>=0.8"', 'cloud = ["Kymflow_CLI"')


FAULTS: dict[str, tuple[Change, str]] = {
    "a wrong version": (wrong_version, "says 7.0.0, the newest entry of CHANGELOG.md is {version}"),
    "no entry": (no_entry, "says {version}, the newest entry of CHANGELOG.md is missing"),
    "an empty entry": (empty_entry, "the entry of {version} is empty"),
    "an entry without a date": (no_date, "the entry of {version} says 'unreleased'"),
    "an entry of no day": (no_such_date, "the entry of {version} says '2027-02-30'"),
    "a version twice": (released_already, "there is a tag kymflow-zarr-v{version}: raise the vers"),
    "an upward requirement": (upward, "requires 'kymflow-core', which is above it"),
    "one in an extra": (upward_in_an_extra, "requires 'Kymflow_CLI', which is above it"),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_named(tree: Tree, kind: str) -> None:
    plant, says = FAULTS[kind]
    wanted = says.format(version=tree.version())
    plant(tree)
    assert wanted in tree.judge("check", ZARR)


def test_a_requirement_that_nothing_meets_is_named(tree: Tree) -> None:
    tree.change(f"{CORE}/pyproject.toml", '"kymflow-zarr>=', '"kymflow-zarr>=9000, !=')
    said = tree.judge("check", CORE)
    assert "kymflow-core requires 'kymflow-zarr>=9000" in said
    assert f"of kymflow-zarr there is {tree.version()}" in said


def test_with_a_tag_what_it_requires_must_be_released(tree: Tree) -> None:
    said = tree.judge("check", CORE, "--tag", f"kymflow-core-v{tree.version(CORE)}")
    assert "of kymflow-zarr there is none yet" in said


def test_a_tag_of_something_else_is_named(tree: Tree) -> None:
    said = tree.judge("check", ZARR, "--tag", "kymflow-core-v1.0.0")
    assert f"the tag is kymflow-core-v1.0.0, and must be kymflow-zarr-v{tree.version()}" in said


# --- what other tools find


def remove_a_method(tree: Tree) -> None:
    file = f"{ZARR}/src/kymflow_zarr/dataset.py"
    tree.change(file, "def list_image_ids(", "def all_image_ids(")


def test_what_is_gone_from_the_api_is_named(tree: Tree) -> None:
    tree.raise_version(ZARR, patch=1)
    remove_a_method(tree)
    assert "ZarrDataset.list_image_ids: Public object was removed" in tree.judge("check", ZARR)


def test_of_the_command_words_are_held(tree: Tree) -> None:
    tree.raise_version(CLI, patch=1)
    tree.change(f"{CLI}/src/kymflow/cli/verbs/demo.py", "folder: Path = ", "place: Path = ")
    assert "demo(folder): Parameter was removed" in tree.judge("check", CLI)


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
def test_a_minor_version_may_break_before_1_0(tree: Tree) -> None:
    tree.raise_version(ZARR, minor=1)
    remove_a_method(tree)
    tree.judge("check", ZARR, code=0)


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
def test_what_is_ready_can_be_released(tree: Tree, tmp_path: Path) -> None:
    for package in (ZARR, CORE, CLI):
        tag = f"{Path(package).name}-v{tree.version(package)}"
        tree.git("tag", tag)
        tree.judge("check", package, "--tag", tag, "--dist", str(tmp_path / "dist"), code=0)
    assert len(list((tmp_path / "dist").iterdir())) == 6


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
def test_files_too_many_and_too_few_are_named(tree: Tree) -> None:
    target = "[tool.hatch.build.targets.wheel]\n"
    exclude = f'{target}exclude = ["py.typed"]\nforce-include = {{ "README.md" = "README.md" }}\n'
    tree.change(f"{ZARR}/pyproject.toml", target, exclude)
    said = tree.judge("check", ZARR)
    assert re.search(r"W101: .+:\n +kymflow_zarr/py\.typed", said)
    assert re.search(r"W102: .+:\n +README\.md", said)
    notes = tree.root / ZARR / "src" / "kymflow_zarr" / "notes.txt"
    notes.write_text("mine", encoding="utf-8")
    assert f"{ZARR}/src/kymflow_zarr/notes.txt" in tree.judge("check", ZARR)


# --- what is installed


PLANTED = """
from pathlib import Path

import kymflow_zarr


def test_the_wheel_is_used() -> None:
    assert Path(kymflow_zarr.__file__).parts[-3] == "site-packages"


def test_the_tree_is_there() -> None:
    assert (Path(__file__).parents[1] / "src").is_dir()
"""


@pytest.mark.slow
@pytest.mark.usefixtures("package_index")
def test_the_wheel_is_tested_outside_the_tree(tree: Tree) -> None:
    no_date(tree)
    (tree.root / ZARR / "tests").mkdir()
    (tree.root / ZARR / "tests" / "test_planted.py").write_text(PLANTED, encoding="utf-8")
    tree.judge("try", ZARR, "tests/test_planted.py::test_the_wheel_is_used", code=0)
    said = tree.judge("try", ZARR)
    assert "FAILED tests/test_planted.py::test_the_tree_is_there" in said
    assert "1 failed, 1 passed" in said
