"""What code imports, read from its syntax: by statement, by string, and as an attribute."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workspace import PACKAGES, ROOT, Package

__all__ = ["Use", "module_name", "uses_in", "uses_in_workspace"]

_BY_STRING = {"__import__", "find_spec", "import_module", "importorskip", "run_module"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One place where code names a module, or a name in one."""

    module: str
    """Who names it: a module, or a path where it is none (a test, a script)."""
    line: int
    target: str
    """What is named: dotted, with the imported name as its last part."""
    by_string: bool
    package: Package | None
    """Which package the code belongs to; None: the workspace."""
    in_sources: bool

    def __str__(self) -> str:
        return f"{self.module} imports {self.target} (line {self.line})"


def module_name(package: Package | None, file: Path) -> str:
    """How a message names a file: as a module if it can be imported, else by its path."""
    file = ROOT / file
    if package is not None and file.is_relative_to(package.sources):
        parts = file.relative_to(package.sources).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return file.relative_to(ROOT).as_posix()


def uses_in_workspace() -> Iterator[Use]:
    """What all code names: sources, tests and scripts of the packages, tests and tools beside."""
    for package in PACKAGES:
        yield from uses_in(package, package.folder)
    for folder in ("tests", "tools"):
        yield from uses_in(None, ROOT / folder)


def uses_in(package: Package | None, folder: Path) -> Iterator[Use]:
    """What the code in a folder names."""
    for file in sorted(folder.rglob("*.py")):
        module = module_name(package, file)
        in_sources = package is not None and file.is_relative_to(package.sources)
        tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
        for line, target, by_string in _named(tree):
            yield Use(
                module=module,
                line=line,
                target=target,
                by_string=by_string,
                package=package,
                in_sources=in_sources,
            )


def _named(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Line, dotted name, and whether a string named it."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                bound[alias.asname or top] = alias.name if alias.asname else top
                yield node.lineno, alias.name, False
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                target = f"{node.module}.{alias.name}"
                bound[alias.asname or alias.name] = target
                yield node.lineno, target, False
        elif isinstance(node, ast.Call) and (named := _imported_by_string(node)):
            yield node.lineno, named, True
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (chain := _dotted(node)):
            first, _, rest = chain.partition(".")
            if first in bound:
                yield node.lineno, f"{bound[first]}.{rest}", False


def _imported_by_string(call: ast.Call) -> str | None:
    """The module that a call like ``importlib.import_module("x")`` imports."""
    name = (_dotted(call.func) or "").rpartition(".")[2]
    if name in _BY_STRING and call.args and isinstance(call.args[0], ast.Constant):
        value = call.args[0].value
        return value if isinstance(value, str) else None
    return None


def _dotted(node: ast.expr) -> str | None:
    """``a.b.c`` as text, where an expression is just that."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return None
