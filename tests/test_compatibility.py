"""The pages on compatibility say what the packages declare."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

PACKAGES = ("kymflow-zarr", "kymflow-core", "kymflow-cli")


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest, root: Path) -> Path:
    return root / "packages" / str(request.param)


@pytest.fixture
def project(package: Path) -> dict[str, Any]:
    text = (package / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, Any] = tomllib.loads(text)["project"]
    return project


@pytest.fixture
def supported(package: Path) -> dict[str, str]:
    """The table of supported versions."""
    text = (package / "docs" / "compatibility.md").read_text(encoding="utf-8")
    table = text.partition("## Supported versions\n")[2]
    return dict(re.findall(r"^\| (\w[\w-]*) \| (.+) \|$", table, re.MULTILINE))


def test_python_is_as_declared(project: dict[str, Any], supported: dict[str, str]) -> None:
    start = "Programming Language :: Python :: "
    declared = [text.removeprefix(start) for text in project["classifiers"] if start in text]
    versions = supported["Python"].split(", ")
    assert versions == [version for version in declared if "." in version]
    assert project["requires-python"] == f">={versions[0]}"


def test_requirements_are_as_declared(project: dict[str, Any], supported: dict[str, str]) -> None:
    named = {name: wanted for name, wanted in supported.items() if name != "Python"}
    assert named
    assert {f"{name}{wanted}" for name, wanted in named.items()} <= set(project["dependencies"])


def test_the_pythons_are_those_that_are_tested(root: Path, supported: dict[str, str]) -> None:
    text = (root / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    tested = re.findall(r"python: \[(.+)\]", text)
    assert len(tested) == 2
    assert {line.replace('"', "") for line in tested} == {supported["Python"]}
