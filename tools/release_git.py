"""What git knows of releases: their tags, and the files that belong to the project."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from packaging.version import InvalidVersion, Version
from workspace import ROOT, Package

__all__ = ["released", "tag_of", "tracked", "unpack_tag"]


def tag_of(package: Package, version: Version | str) -> str:
    """The tag of a release: ``kymflow-zarr-v0.1.0``."""
    return f"{package.name}-v{version}"


def released(package: Package) -> list[Version]:
    """The versions of a package that have a tag, ascending."""
    start = tag_of(package, "")
    tags = _git("tag", "--list", f"{start}*").decode().split()
    return sorted(found for tag in tags if (found := _version(tag.removeprefix(start))))


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def tracked(folder: Path) -> set[str]:
    """The files below a folder that are part of the project, relative to it, with ``/``."""
    names = _git("ls-files", "--cached", "-z", "--", str(folder)).decode().split("\0")
    return {(ROOT / name).relative_to(folder).as_posix() for name in names if name}


def unpack_tag(tag: str, folder: Path, into: Path) -> Path:
    """Write a folder of the project as it was at a tag below another one; returns where it is."""
    inside = folder.relative_to(ROOT)
    archive = _git("archive", "--format=tar", tag, inside.as_posix())
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(into, filter="data")
    return into / inside


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return done.stdout
