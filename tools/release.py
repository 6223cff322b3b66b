"""Say whether a package can be released: one verdict per rule, exit code 1 when any is broken.

    hatch run release:check kymflow-zarr     is it ready to be released now?
    hatch run release:try kymflow-zarr       would it work? Installs and tests it, too

Both look at the version, the changelog, what the package requires of the others, what is gone since
its last release, and at the files in the wheel, which is built from the sdist. `check` wants the
changelog's entry dated. `try` takes one that is still unreleased, and then installs the wheel in a
fresh environment and runs the package's quick tests there, or those that are named.

The last release is that of the highest tag ``kymflow-zarr-v*`` below this version.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from release_api import api_rule
from release_fresh import fresh_rules
from release_source import source_rules
from release_wheel import BuildError, build, wheel_rules
from verdicts import Tally, judge
from workspace import PACKAGES, ROOT, Package


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line asks for."""

    package: Package
    installed: bool
    """Whether to install and test it: `try`, and not `check`."""
    tag: str | None
    dist: Path | None
    tests: Sequence[str]


def release(wanted: Wanted) -> Tally:
    """Judge a release, from what is written to what is installed; stops where it cannot go on."""
    package = wanted.package
    dated = not wanted.installed or wanted.tag is not None
    written = source_rules(package, dated=dated, tag=wanted.tag)
    tally = judge([*written, api_rule(package)])
    if tally.broken:
        print("the rest was not looked at: correct this first")
        return tally
    with tempfile.TemporaryDirectory(prefix="kymflow-release-") as scratch:
        folder = Path(scratch)
        try:
            built = build(package, folder / "dist")
        except BuildError as error:
            print(f"BROKEN  it can be built\n        {error}")
            return tally + Tally(broken=1)
        tally += judge(wheel_rules(package, built.wheel))
        if wanted.installed and not tally.broken:
            tally += judge(fresh_rules(package, built, folder, wanted.tests))
        if wanted.dist and not tally.broken:
            wanted.dist.mkdir(parents=True, exist_ok=True)
            for file in (built.sdist, built.wheel):
                shutil.copy(file, wanted.dist)
    return tally


def read_arguments(arguments: Sequence[str]) -> Wanted:
    """What a command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = {package.name: package for package in PACKAGES}
    parser.add_argument("what", choices=["check", "try"])
    parser.add_argument("package", choices=list(names))
    parser.add_argument("--tag", help="the tag that is released, with all that it then needs")
    parser.add_argument("--dist", type=Path, help="put sdist and wheel here if all rules are kept")
    parser.add_argument("tests", nargs="*", help="try: which of its tests to run (default: tests)")
    said = parser.parse_intermixed_args(arguments)
    return Wanted(
        package=names[said.package],
        installed=said.what == "try",
        tag=said.tag,
        dist=said.dist,
        tests=said.tests,
    )


def main() -> int:
    """Run what the arguments ask for."""
    wanted = read_arguments(sys.argv[1:])
    inside = subprocess.run(
        ["git", "rev-parse", "--git-dir"], cwd=ROOT, capture_output=True, check=False
    )
    if inside.returncode:
        print(f"{ROOT} is no clone of the repository: tags and files are read from git; clone it")
        return 2
    tally = release(wanted)
    print(f"{wanted.package.name} {wanted.package.project()['version']}: {tally}")
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
