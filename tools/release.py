"""Say whether a package can be released: exit code 1 and the reason when it cannot.

    hatch run release:check kymflow-zarr     is it ready to be released now?
    hatch run release:try kymflow-zarr       would it work? Installs and tests it, too

What other tools know is left to them: `uv build` makes the sdist, and the wheel from it; `twine
check` reads the metadata as PyPI does; `check-wheel-contents` compares the wheel with the sources;
where the version promises that nothing breaks, `griffe check` compares the API with that of the
last release, which is that of the highest tag ``kymflow-zarr-v*`` below this version.

What no tool does is here: tag, version and changelog agree, and so do the requirements of the
packages on each other; the wheel passes the package's quick tests, or those that are named, in a
fresh environment outside the tree. `check` wants the changelog's entry dated, `try` does not.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from workspace import PACKAGES, ROOT, Package

PYTHON = (sys.executable, "-m")
UV = (*PYTHON, "uv")


class NotReadyError(Exception):
    """The package cannot be released; the message says why."""


def main() -> int:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = {package.name: package for package in PACKAGES}
    parser.add_argument("what", choices=["check", "try"])
    parser.add_argument("package", choices=list(names))
    parser.add_argument("--tag", help="the tag that is released, with all that it then needs")
    parser.add_argument("--dist", type=Path, help="put sdist and wheel here if all is well")
    parser.add_argument("tests", nargs="*", help="try: which of its tests to run (default: tests)")
    arguments = parser.parse_intermixed_args()
    package = names[arguments.package]
    with tempfile.TemporaryDirectory(prefix="kymflow-release-") as scratch:
        try:
            dated = arguments.what == "check" or arguments.tag is not None
            if problems := [
                *wrong_entry(package, dated=dated),
                *wrong_version(package, arguments.tag),
            ]:
                raise NotReadyError("\n".join(problems))
            compare_api(package)
            sdist, wheel = build(package, Path(scratch) / "dist")
            inspect(package, sdist, wheel)
            if arguments.what == "try":
                try_out(package, sdist, wheel, Path(scratch), arguments.tests or ["tests"])
        except NotReadyError as error:
            print(f"{package.name} {version_of(package)} cannot be released:\n{error}")
            return 1
        if arguments.dist:
            arguments.dist.mkdir(parents=True, exist_ok=True)
            for file in (sdist, wheel):
                shutil.copy(file, arguments.dist)
    print(f"{package.name} {version_of(package)} can be released")
    return 0


def run(*command: str | Path, folder: Path = ROOT) -> str:
    """Run a command; returns what it prints.

    Raises:
        NotReadyError: It failed.
    """
    # What the caller set up for themselves must not help the wheel.
    ours = {"PYTHONPATH", "PYTHONHOME", "PYTEST_ADDOPTS", "VIRTUAL_ENV"}
    done = subprocess.run(
        command,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name not in ours},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        line = " ".join(map(str, command))
        raise NotReadyError(f"{done.stdout.strip()}\n(exit code {done.returncode} of {line})")
    return done.stdout


# --- tag, version and changelog


def version_of(package: Package) -> Version:
    """The version that pyproject.toml says."""
    return Version(package.project()["version"])


def released(package: Package) -> list[Version]:
    """The versions of a package that have a tag."""
    start = f"{package.name}-v"
    tags = run("git", "tag", "--list", f"{start}*").split()
    return [Version(tag.removeprefix(start)) for tag in tags]


def wrong_entry(package: Package, *, dated: bool) -> Iterator[str]:
    """What is wrong with the newest entry of the changelog."""
    text = (package.folder / "CHANGELOG.md").read_text(encoding="utf-8")
    _, *parts = re.split(r"^## (\S+) \((.*)\)$", text, maxsplit=2, flags=re.MULTILINE)
    newest, day, body = parts[:3] if parts else ("missing", "", "")
    version = version_of(package)
    if newest != str(version):
        yield f"pyproject.toml says {version}, the newest entry of CHANGELOG.md is {newest}"
    elif not body.strip():
        yield f"the entry of {newest} is empty: write what changed"
    elif not (is_date(day) or (day == "unreleased" and not dated)):
        yield f"the entry of {newest} says {day!r}: write its date, like '## 0.2.0 (2027-03-31)'"


def is_date(text: str) -> bool:
    """Whether a text is a date like 2027-03-31."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def wrong_version(package: Package, tag: str | None) -> Iterator[str]:
    """What does not fit the version: the tag, earlier releases, the versions of other packages.

    With a tag what it requires of the others must be released, and not only be in the tree.
    """
    version = version_of(package)
    expected = f"{package.name}-v{version}"
    if tag not in {None, expected}:
        yield f"the tag is {tag}, and must be {expected}"
    if version in released(package) and tag != expected:
        yield f"there is a tag {expected}: raise the version"
    for text in package.requirements():
        wanted = Requirement(text)
        name = canonicalize_name(wanted.name)
        if name.startswith("kymflow") and name not in {package.name, *package.lower}:
            yield f"{package.name} requires {text!r}, which is above it: drop the requirement"
        for other in PACKAGES:
            if other.name == name and other.name in package.lower:
                there = {*released(other), *(() if tag else (version_of(other),))}
                if not any(wanted.specifier.contains(one) for one in there):
                    are = ", ".join(map(str, sorted(there))) or "none yet"
                    yield f"{package.name} requires {text!r}, of {other.name} there is {are}"


# --- what is built


def compare_api(package: Package) -> None:
    """Have griffe look for what callers of the last release would miss, unless it may break."""
    new = version_of(package)
    old = max((version for version in released(package) if version < new), default=None)
    if old is None or new.major > old.major or (new.major == 0 and new.minor > old.minor):
        return
    # Relative, as it is looked for in a worktree of that tag, too.
    sources = package.sources.relative_to(ROOT)
    options = ("--search", sources, "--no-color", "--format", "oneline")
    run(*PYTHON, "griffe", "check", package.module, "--against", f"{package.name}-v{old}", *options)


def build(package: Package, into: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from what is in it; returns both."""
    run(*UV, "build", "--quiet", "--python", sys.executable, "--out-dir", into, package.folder)
    name = f"{package.name.replace('-', '_')}-{version_of(package)}"
    return into / f"{name}.tar.gz", into / f"{name}-py3-none-any.whl"


def inspect(package: Package, sdist: Path, wheel: Path) -> None:
    """Have the metadata checked, and the wheel's files compared with the sources in git."""
    if strangers := run("git", "ls-files", "--others", "--exclude-standard", package.sources):
        raise NotReadyError(f"add these files to git, or delete them:\n{strangers.strip()}")
    run(*PYTHON, "twine", "check", "--strict", sdist, wheel)
    options = ("--src-dir", package.sources, "--package-omit", "__pycache__")
    run(*PYTHON, "check_wheel_contents", *options, wheel)


# --- what is installed


def try_out(package: Package, sdist: Path, wheel: Path, folder: Path, tests: Sequence[str]) -> None:
    """Install a wheel where nothing else is, and run the tests that its sdist carries there."""
    environment = folder / "environment"
    inside = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
    python = environment / inside
    below = [other for other in PACKAGES if other.name in package.lower]
    siblings = [build(other, folder / "siblings")[1] for other in below]
    with tarfile.open(sdist) as files:
        if sys.version_info >= (3, 11, 4):
            files.extraction_filter = tarfile.data_filter
        files.extractall(folder)  # noqa: S202 - it was built a moment ago
    place = folder / sdist.name.removesuffix(".tar.gz")
    shutil.rmtree(place / "src")
    shutil.copy(ROOT / ".pytest.toml", place)
    hatch = tomllib.loads((ROOT / "hatch.toml").read_text(encoding="utf-8"))
    run(*UV, "venv", "--python", sys.executable, environment)
    run(*UV, "pip", "install", "--python", python, wheel, *siblings)
    run(*UV, "pip", "check", "--python", python)
    run(*UV, "pip", "install", "--python", python, *hatch["envs"]["alone"]["dependencies"])
    options = ("-c", ".pytest.toml", "-p", "no:cacheprovider", "-m", "not slow")
    run(python, "-I", "-m", "pytest", *options, *tests, folder=place)


if __name__ == "__main__":
    sys.exit(main())
