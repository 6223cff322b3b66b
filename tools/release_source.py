"""Rules about a release that need no build: its version, its changelog, what it requires."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import partial

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from release_git import released, tag_of
from verdicts import Rule
from workspace import PACKAGES, Package

__all__ = ["source_rules", "version_of"]

_ENTRY = re.compile(r"^## (?P<version>\S+) \((?P<date>[^)]*)\)[ \t]*$", re.MULTILINE)
_LIKE = "'## 0.2.0 (2027-03-31)'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The newest entry of a changelog."""

    version: str
    date: str
    """As it is written: a date, or ``unreleased``."""
    text: str


def source_rules(package: Package, *, dated: bool, tag: str | None) -> list[Rule]:
    """The rules about what is written in the package.

    Args:
        package: The package to release.
        dated: Whether the entry of the changelog must have its date by now.
        tag: The tag of the release, where there is one: then what the package requires of the
            others must be released, too, and not only be in the tree.
    """
    words = "has a date and says" if dated else "says"
    where = "released" if tag else "released, or in the tree,"
    rules = [
        Rule(
            says="its version is that of the newest entry of its CHANGELOG.md",
            check=partial(wrong_version, package),
        ),
        Rule(
            says=f"the entry {words} what changed",
            check=partial(unfinished_entry, package, dated=dated),
        ),
        Rule(
            says="no release had this version before",
            check=partial(released_before, package, tag=tag),
        ),
        Rule(
            says="it requires no package that is above it",
            check=partial(upward_requirements, package),
        ),
        Rule(
            says=f"the packages that it requires are {where} in a version that fits",
            check=partial(unmet_requirements, package, in_tree=not tag),
        ),
    ]
    if tag:
        says = "the tag names this package and version"
        rules.insert(0, Rule(says=says, check=partial(wrong_tag, package, tag=tag)))
    return rules


def version_of(package: Package) -> Version:
    """The version that pyproject.toml says."""
    return Version(package.project()["version"])


# --- the version and the changelog


def newest_entry(package: Package) -> Entry | None:
    """The topmost entry of the changelog; None if there is none."""
    text = (package.folder / "CHANGELOG.md").read_text(encoding="utf-8")
    found = list(_ENTRY.finditer(text))
    if not found:
        return None
    end = found[1].start() if len(found) > 1 else len(text)
    newest = found[0]
    said = text[newest.end() : end].strip()
    return Entry(version=newest["version"], date=newest["date"], text=said)


def wrong_version(package: Package) -> list[str]:
    """Whether pyproject.toml and the changelog disagree; compared as they are written."""
    version, entry = package.project()["version"], newest_entry(package)
    if entry is None:
        return [f"CHANGELOG.md has no entry: write {version} and what changed, like {_LIKE}"]
    if entry.version == version:
        return []
    return [
        f"pyproject.toml says {version}, the newest entry of CHANGELOG.md is {entry.version}: "
        "write the entry, or correct the version"
    ]


def unfinished_entry(package: Package, *, dated: bool) -> list[str]:
    """What the newest entry lacks."""
    entry = newest_entry(package)
    if entry is None:
        return ["CHANGELOG.md has no entry"]
    lacks = []
    if not entry.text:
        lacks.append(f"the entry of {entry.version} is empty: write what changed")
    if (dated or entry.date != "unreleased") and not _is_date(entry.date):
        lacks.append(f"the entry of {entry.version} says {entry.date!r}: give its date, as {_LIKE}")
    return lacks


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def released_before(package: Package, *, tag: str | None) -> list[str]:
    """Whether there is a tag of this version, other than that of the release itself."""
    version = version_of(package)
    if version not in released(package) or tag == tag_of(package, version):
        return []
    return [f"there is a tag {tag_of(package, version)}: raise the version"]


def wrong_tag(package: Package, *, tag: str) -> list[str]:
    """Whether a tag is that of another release."""
    expected = tag_of(package, package.project()["version"])
    return [] if tag == expected else [f"the tag is {tag}, and must be {expected}"]


# --- what it requires of the others


def upward_requirements(package: Package) -> list[str]:
    """What it requires that carries our name and is not below it."""
    allowed = {package.name, *package.lower}
    below = " and ".join(package.lower) or "none of them"
    return [
        f"{package.name} requires {text!r}, and may build on {below}: drop the requirement"
        for text in package.requirements()
        if (name := canonicalize_name(Requirement(text).name)).startswith("kymflow")
        and name not in allowed
    ]


def unmet_requirements(package: Package, *, in_tree: bool) -> list[str]:
    """What it requires of the packages below it, and nobody can install."""
    unmet = []
    for text in package.requirements():
        wanted = Requirement(text)
        for other in PACKAGES:
            if other.name not in package.lower or other.name != canonicalize_name(wanted.name):
                continue
            there = [*released(other), *([version_of(other)] if in_tree else [])]
            if not any(wanted.specifier.contains(version) for version in there):
                are = ", ".join(map(str, dict.fromkeys(there))) or "none yet"
                unmet.append(
                    f"{package.name} requires {text!r}, of {other.name} there is {are}: "
                    "correct the requirement, or release that first"
                )
    return unmet
