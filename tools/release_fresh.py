"""Try a wheel where nothing else is: in an environment of its own, outside the tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from release_source import version_of
from release_wheel import Built, build
from verdicts import Rule
from workspace import PACKAGES, ROOT, Package

__all__ = ["fresh_rules"]

_LINES = 40
"""How much of a failed command's output is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A package that was built, and a folder to try it in.

    The rules come in the order in which things happen there: each builds on those before it.
    """

    package: Package
    built: Built
    folder: Path
    tests: Sequence[str]

    @property
    def environment(self) -> Path:
        """The virtual environment."""
        return self.folder / "environment"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        inside = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
        return self.environment.joinpath(*inside)


def fresh_rules(package: Package, built: Built, folder: Path, tests: Sequence[str]) -> list[Rule]:
    """The rules about a wheel where it is installed."""
    trial = Trial(package=package, built=built, folder=folder, tests=tests)
    return [
        Rule(says="it installs in a fresh environment", check=partial(install, trial)),
        Rule(says="what is installed fits together", check=partial(misfits, trial)),
        Rule(says="nothing above it comes along", check=partial(upward_company, trial)),
        Rule(
            says="the sdist's quick tests pass with the wheel, outside the tree",
            check=partial(failed_tests, trial),
        ),
    ]


def install(trial: Trial) -> list[str]:
    """Install the wheel, and those below it as they are in the tree where they fit."""
    siblings = [
        str(build(other, trial.folder / "siblings").wheel) for other in fitting(trial.package)
    ]
    return _run("uv", "venv", "--python", sys.executable, str(trial.environment)) or _run(
        "uv", "pip", "install", "--python", str(trial.python), str(trial.built.wheel), *siblings
    )


def fitting(package: Package) -> list[Package]:
    """The packages below one whose version in the tree it accepts."""
    wanted = [Requirement(text) for text in package.requirements()]
    return [
        other
        for other in PACKAGES
        if other.name in package.lower
        and all(
            one.specifier.contains(version_of(other))
            for one in wanted
            if canonicalize_name(one.name) == other.name
        )
    ]


def misfits(trial: Trial) -> list[str]:
    """Requirements that are not met."""
    return _run("uv", "pip", "check", "--python", str(trial.python))


def upward_company(trial: Trial) -> list[str]:
    """Packages of this workspace that were installed, and are not below this one."""
    listing = subprocess.run(
        [*_UV, "pip", "list", "--format", "json", "--python", str(trial.python)],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
    )
    allowed = {trial.package.name, *trial.package.lower}
    return [
        f"{found['name']} came along: {trial.package.name} must not need it"
        for found in json.loads(listing.stdout)
        if found["name"].startswith("kymflow") and found["name"] not in allowed
    ]


def failed_tests(trial: Trial) -> list[str]:
    """Run the tests that the sdist carries where its sources are not."""
    with tarfile.open(trial.built.sdist) as files:
        files.extractall(trial.folder, filter="data")
    place = trial.folder / trial.built.sdist.name.removesuffix(".tar.gz")
    shutil.rmtree(place / "src")
    shutil.copy(ROOT / ".pytest.toml", place)
    wanted = tomllib.loads((ROOT / "hatch.toml").read_text(encoding="utf-8"))
    tools: list[str] = wanted["envs"]["alone"]["dependencies"]
    options = ["-p", "no:cacheprovider", "-m", "not slow", *(trial.tests or ["tests"])]
    return _run("uv", "pip", "install", "--python", str(trial.python), *tools) or _run(
        str(trial.python), "-I", "-m", "pytest", "-c", ".pytest.toml", *options, folder=place
    )


_UV = (sys.executable, "-m", "uv")


def _run(*command: str, folder: Path | None = None) -> list[str]:
    """Run a command; returns the end of what it said if it failed."""
    program = _UV if command[0] == "uv" else command[:1]
    # What the caller set up for himself must not help the wheel.
    ours = {"PYTHONPATH", "PYTHONHOME", "PYTEST_ADDOPTS", "VIRTUAL_ENV"}
    done = subprocess.run(
        [*program, *command[1:]],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in ours},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    if done.returncode == 0:
        return []
    said = done.stdout.strip().splitlines()
    return [*said[-_LINES:], f"(exit code {done.returncode})"]
