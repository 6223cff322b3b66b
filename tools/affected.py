"""The packages whose tests a change concerns: `python tools/affected.py SINCE` prints JSON.

A change in a package concerns it and those above it, a change anywhere else all of them.
``SINCE`` is a commit; if git does not know it, everything is concerned.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable

from workspace import PACKAGES, ROOT


def affected(files: Iterable[str]) -> list[str]:
    """The names of the packages that a change of some files concerns, lowest first."""
    changed = {_package(file) for file in files}
    return [
        package.name
        for package in PACKAGES
        if None in changed or changed & {package.name, *package.lower}
    ]


def _package(file: str) -> str | None:
    parts = file.split("/")
    names = {package.name for package in PACKAGES}
    inside = parts[0] == "packages" and len(parts) > 2 and parts[1] in names
    return parts[1] if inside else None


def changed_files(since: str) -> list[str]:
    """The files that differ from a commit, relative to the repository."""
    done = subprocess.run(
        ["git", "diff", "--name-only", "--no-renames", "-z", since, "HEAD", "--"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )
    # A branch that is new, or was rewritten, has nothing to compare with.
    return ["."] if done.returncode else [name for name in done.stdout.split("\0") if name]


if __name__ == "__main__":
    print(json.dumps(affected(changed_files(sys.argv[1]))))
