"""Compare what a package offers with its last release: what is gone needs a higher version.

What semantic versioning covers is in each package's ``docs/compatibility.md``. Of the command line
that is words and JSON fields: the parameters of its verbs, the fields of its results.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import griffe
from release_git import released, tag_of, unpack_tag
from release_source import version_of
from verdicts import Rule
from workspace import is_within

if TYPE_CHECKING:
    from packaging.version import Version
    from workspace import Package

__all__ = ["api_rule"]

# Left out: types and values, of which most changes break nobody.
_BREAKS: Final = {
    griffe.BreakageKind.CLASS_REMOVED_BASE: "has lost a base class",
    griffe.BreakageKind.OBJECT_CHANGED_KIND: "has become something else",
    griffe.BreakageKind.OBJECT_REMOVED: "is gone",
    griffe.BreakageKind.PARAMETER_ADDED_REQUIRED: "has a new parameter without a default",
    griffe.BreakageKind.PARAMETER_CHANGED_KIND: "takes a parameter in another way",
    griffe.BreakageKind.PARAMETER_CHANGED_REQUIRED: "has a parameter that lost its default",
    griffe.BreakageKind.PARAMETER_MOVED: "has its parameters in another order",
    griffe.BreakageKind.PARAMETER_REMOVED: "has lost a parameter",
}

_ONLY: Final = {"kymflow-cli": ("kymflow.cli.results", "kymflow.cli.verbs")}
"""Modules that are promised, where not all public ones are."""


def api_rule(package: Package) -> Rule:
    """The rule that nothing public is gone, unless the version says so."""
    new = version_of(package)
    old = max((version for version in released(package) if version < new), default=None)
    if old is None:
        return Rule(says="nothing public is gone: this is its first release", check=list)
    if may_break(old, new):
        return Rule(says=f"{new} may break what {old} offered", check=list)
    says = f"nothing public of {old} is gone"
    return Rule(says=says, check=partial(breakages, package, old, new))


def may_break(old: Version, new: Version) -> bool:
    """Whether a step of the version announces a break: a major one, a minor one before 1.0."""
    if old.major == 0:
        return (new.major, new.minor) > (old.major, old.minor)
    return new.major > old.major


def breakages(package: Package, old: Version, new: Version) -> list[str]:
    """What a caller of the old version would miss in the sources."""
    with tempfile.TemporaryDirectory() as scratch:
        sources = unpack_tag(tag_of(package, old), package.sources, Path(scratch))
        before, after = load(package, sources), load(package, package.sources)
        found = [*unlisted(before, after), *changed(before, after)]
    gone = [f"{path} {how}" for path, how in dict.fromkeys(found) if promised(package, path)]
    higher = f"{old.major}.{old.minor + 1}.0" if old.major == 0 else f"{old.major + 1}.0.0"
    return [f"{what}: bring it back, or release {higher} instead of {new}" for what in gone]


def promised(package: Package, path: str) -> bool:
    """Whether semantic versioning covers what lies at a dotted path."""
    modules = _ONLY.get(package.name, (package.module,))
    experimental = any(part.startswith("experimental") for part in path.split("."))
    return not experimental and any(is_within(path, module) for module in modules)


def load(package: Package, sources: Path) -> griffe.Module:
    """Read a package's sources without importing them."""
    loader = griffe.GriffeLoader(search_paths=[sources], allow_inspection=False)
    loader.load(package.module, try_relative_path=False)
    loader.resolve_aliases(external=False)
    found = loader.modules_collection[package.module]
    if not isinstance(found, griffe.Module):
        raise TypeError(f"{package.module!r} is no module in {str(sources)!r}; see that it is one")
    return found


def unlisted(before: griffe.Module, after: griffe.Module) -> Iterator[tuple[str, str]]:
    """Names that left an ``__all__``; to griffe they may still be there, as imports."""
    now = {module.path: module for module in public_modules(after)}
    for module in public_modules(before):
        if (other := now.get(module.path)) is not None:
            for name in sorted(_listed(module) - _listed(other)):
                yield f"{module.path}.{name}", _BREAKS[griffe.BreakageKind.OBJECT_REMOVED]


def public_modules(module: griffe.Module) -> Iterator[griffe.Module]:
    """A module and all below it, without private ones."""
    yield module
    for name, member in module.modules.items():
        if not name.startswith("_") and isinstance(member, griffe.Module):
            yield from public_modules(member)


def _listed(module: griffe.Module) -> set[str]:
    return {str(name) for name in module.exports or ()}


def changed(before: griffe.Module, after: griffe.Module) -> Iterator[tuple[str, str]]:
    """What griffe finds that breaks callers."""
    for breakage in griffe.find_breaking_changes(before, after):
        if (how := _BREAKS.get(breakage.kind)) is not None:
            parameter = _parameter(breakage) if "PARAMETER" in breakage.kind.name else ""
            yield f"{breakage.obj.path}{parameter}", how


def _parameter(breakage: griffe.Breakage) -> str:
    found = breakage.old_value or breakage.new_value
    return f"({found.name})" if isinstance(found, griffe.Parameter) else ""
