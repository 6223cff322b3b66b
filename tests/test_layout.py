"""Everything lies where the next person looks for it."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

PACKAGES = ("kymflow-zarr", "kymflow-core", "kymflow-cli")
TOP_LEVEL = {"LICENSE", "README.md", "hatch.toml", "packages", "tests", "tools"}
PACKAGE_FILES = {"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", "src", "tests"}
PACKAGE_FOLDERS = {"benchmarks", "docs", "examples", "prompts"}


@pytest.fixture(scope="session")
def files(root: Path) -> list[Path]:
    """The files that are part of the project, relative to its root; needs git, or its absence."""
    if not (root / ".git").exists():
        pytest.skip("not a clone: what belongs to the project and what does not is not known here")
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    names = [Path(name) for name in done.stdout.split("\0") if name]
    return [name for name in names if (root / name).is_file()]


def project_of(root: Path, package: str) -> dict[str, Any]:
    text = (root / "packages" / package / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, Any] = tomllib.loads(text)["project"]
    return project


def test_the_top_level_holds_nothing_else(files: list[Path]) -> None:
    assert {name.parts[0] for name in files if not name.parts[0].startswith(".")} == TOP_LEVEL


def test_there_are_three_packages(files: list[Path]) -> None:
    assert {name.parts[1] for name in files if name.parts[0] == "packages"} == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_complete(files: list[Path], package: str) -> None:
    inside = {name.parts[2] for name in files if name.parts[:2] == ("packages", package)}
    assert inside >= PACKAGE_FILES
    assert inside <= PACKAGE_FILES | PACKAGE_FOLDERS


@pytest.mark.parametrize(
    "marker",
    [
        "kymflow-zarr/src/kymflow_zarr/py.typed",
        "kymflow-core/src/kymflow/core/py.typed",
        "kymflow-cli/src/kymflow/cli/py.typed",
    ],
)
def test_each_package_is_typed(files: list[Path], marker: str) -> None:
    assert Path("packages", marker) in files


def test_kymflow_stays_a_namespace(files: list[Path]) -> None:
    assert not [name for name in files if name.parts[-2:] == ("kymflow", "__init__.py")]
    portions = {name.parts[4] for name in files if name.parts[2:4] == ("src", "kymflow")}
    assert portions == {"core", "cli"}


def test_tests_are_not_packages(files: list[Path]) -> None:
    assert not [name for name in files if name.name == "__init__.py" and "tests" in name.parts]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_version_is_the_newest_in_the_changelog(root: Path, package: str) -> None:
    text = (root / "packages" / package / "CHANGELOG.md").read_text(encoding="utf-8")
    (newest, *_) = re.findall(r"^## (\S+) \((?:unreleased|\d{4}-\d\d-\d\d)\)$", text, re.M)
    assert project_of(root, package)["version"] == newest


@pytest.mark.parametrize("package", PACKAGES)
def test_the_licence_goes_with_each_package(root: Path, package: str) -> None:
    project = project_of(root, package)
    assert project["license"] == "BSD-3-Clause"
    here, there = root / "LICENSE", root / "packages" / package / "LICENSE"
    assert here.read_text(encoding="utf-8") == there.read_text(encoding="utf-8")


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_agree_on_what_they_share(root: Path, package: str) -> None:
    """A library that two of them name has one floor: the tests of one know what the other needs."""
    shared = {
        re.split(r"[^a-z0-9-]", text)[0]: text
        for text in project_of(root, "kymflow-zarr")["dependencies"]
    }
    for text in project_of(root, package)["dependencies"]:
        name = re.split(r"[^a-z0-9-]", text)[0]
        assert text == shared.get(name, text)


def test_packages_require_a_compatible_version_of_each_other(root: Path) -> None:
    versions = {package: project_of(root, package)["version"] for package in PACKAGES}
    pins = [
        re.fullmatch(r"(kymflow-\w+)>=(\d+)\.(\d+),<(\d+)\.(\d+)", text)
        for package in PACKAGES
        for text in project_of(root, package)["dependencies"]
        if text.startswith("kymflow")
    ]
    assert len(pins) == 3
    for pin in pins:
        assert pin is not None
        major, minor, *_ = (int(part) for part in versions[pin[1]].split("."))
        assert (int(pin[2]), int(pin[3])) <= (major, minor) < (int(pin[4]), int(pin[5]))


def test_no_file_names_a_place_on_one_machine(root: Path, files: list[Path]) -> None:
    home = re.compile(rb"/(?:home|Users|root)/\w|[A-Z]:\\\\?Users\\|/work/|/tmp/\w")
    here = Path(__file__).relative_to(root)
    found = [name for name in files if name != here and home.search((root / name).read_bytes())]
    assert found == []


def test_no_name_differs_from_another_in_case_only(files: list[Path]) -> None:
    assert len({name.as_posix().lower() for name in files}) == len(files)
