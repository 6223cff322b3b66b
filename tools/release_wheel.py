"""Build a package as a release does, and look at what is in the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from release_git import tracked
from verdicts import Rule

if TYPE_CHECKING:
    from workspace import Package

__all__ = ["BuildError", "Built", "build", "wheel_rules"]


class BuildError(Exception):
    """A package cannot be built; the message is what the builder said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a release consists of."""

    sdist: Path
    wheel: Path


def build(package: Package, into: Path) -> Built:
    """Build the sdist, and the wheel from what is in it.

    Raises:
        BuildError: It cannot be built.
    """
    into.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--python", sys.executable]
    done = subprocess.run(
        [*command, "--out-dir", str(into), str(package.folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise BuildError(done.stdout.strip())
    name = f"{package.name.replace('-', '_')}-{package.project()['version']}"
    built = Built(sdist=into / f"{name}.tar.gz", wheel=into / f"{name}-py3-none-any.whl")
    if missing := [file.name for file in (built.sdist, built.wheel) if not file.is_file()]:
        raise BuildError(f"the builder made no {' and no '.join(missing)}")
    return built


def wheel_rules(package: Package, wheel: Path) -> list[Rule]:
    """The rules about what is in the wheel."""
    return [
        Rule(
            says="the wheel holds the sources and its metadata, and nothing else",
            check=partial(wrong_files, package, wheel),
        )
    ]


def wrong_files(package: Package, wheel: Path) -> list[str]:
    """Files that are in the wheel and should not be, and the other way round."""
    expected = expected_files(package)
    with zipfile.ZipFile(wheel) as archive:
        found = {name for name in archive.namelist() if not name.endswith("/")}
    return [
        *(
            f"{name} is in the wheel, and no file of the project in src: "
            "delete it, or add it to git"
            for name in sorted(found - expected)
        ),
        *(f"{name} is missing in the wheel" for name in sorted(expected - found)),
    ]


def expected_files(package: Package) -> set[str]:
    """What a wheel should hold: what git has in ``src``, and metadata."""
    project = package.project()
    folder = f"{package.name.replace('-', '_')}-{project['version']}.dist-info"
    metadata = {"METADATA", "RECORD", "WHEEL", "licenses/LICENSE"}
    if project.keys() & {"entry-points", "gui-scripts", "scripts"}:
        metadata.add("entry_points.txt")
    return tracked(package.sources) | {f"{folder}/{name}" for name in metadata}
