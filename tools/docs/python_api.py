"""Pages about the Python API, made of what the modules declare public.

An object is documented once: under its shortest public name, on the page of the module that
defines it.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

__all__ = ["Entry", "public_entries", "public_modules", "write_python_api"]

PACKAGES = {"kymflow-zarr": "kymflow_zarr", "kymflow-core": "kymflow.core"}
_HEAD = """Python API
==========

What is public is what ``__all__`` of a module names, where neither the module nor one around it
starts with an underscore. Import from the shortest path: ``from kymflow_zarr import ZarrDataset``.

``kymflow.cli`` has no Python API: it offers :doc:`the command </reference/options>`, and calls
these two.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A public object."""

    name: str
    """The shortest dotted name that it goes by."""
    module: str
    """The public module in whose section it is described."""
    kind: str
    """The directive that describes it."""


def public_modules(package: str) -> Iterator[ModuleType]:
    """A package and its modules, without those that have a leading underscore in their path."""
    top = import_module(package)
    yield top
    for found in pkgutil.walk_packages(top.__path__, f"{package}."):
        if not any(part.startswith("_") for part in found.name.split(".")):
            yield import_module(found.name)


def public_entries(package: str) -> list[Entry]:
    """All that is public in a package, sorted by module and name."""
    modules = {module.__name__: module for module in public_modules(package)}
    names: dict[object, list[tuple[int, str, str]]] = defaultdict(list)
    objects: dict[object, object] = {}
    for module in modules.values():
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if inspect.ismodule(value):
                continue
            # A class is the same whatever it is called; a constant, if it is called the same.
            key: object = id(value) if _has_home(value) else (id(value), name)
            objects[key] = value
            path = module.__name__
            names[key].append((path.count("."), f"{path}.{name}", path))
    entries = []
    for key, found in names.items():
        _, name, exported_by = min(found)
        home = getattr(objects[key], "__module__", "") if _has_home(objects[key]) else ""
        module_name = home if home in modules else exported_by
        entries.append(Entry(name=name, module=module_name, kind=_kind(objects[key])))
    return sorted(entries, key=lambda entry: (entry.module, entry.kind, entry.name))


def _has_home(value: object) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


def _kind(value: object) -> str:
    if inspect.isclass(value):
        return "autoexception" if issubclass(value, BaseException) else "autoclass"
    return "autofunction" if inspect.isfunction(value) else "autodata"


def write_python_api(into: Path) -> None:
    """Write ``reference/python`` and a page for each module right below a package."""
    folder = into / "reference" / "python"
    folder.mkdir(parents=True, exist_ok=True)
    head = _HEAD
    for distribution, package in PACKAGES.items():
        entries = public_entries(package)
        depth = package.count(".") + 1
        modules = sorted(module.__name__ for module in public_modules(package))
        pages: dict[str, list[str]] = defaultdict(list)
        for module in modules:
            pages[".".join(module.split(".")[: depth + 1])].append(module)
        for page, inside in pages.items():
            (folder / f"{page}.rst").write_text(_page(inside, entries), encoding="utf-8")
        listed = "\n   ".join(f"python/{page}" for page in pages)
        head += f"{distribution}\n{'-' * len(distribution)}\n\n"
        head += f".. toctree::\n   :maxdepth: 1\n\n   {listed}\n\n"
    (folder.parent / "python.rst").write_text(head, encoding="utf-8")


def _page(modules: list[str], entries: list[Entry]) -> str:
    """A page about a module and those below it."""
    parts = []
    for number, module in enumerate(modules):
        mine = [entry for entry in entries if entry.module == module]
        exported = getattr(import_module(module), "__all__", ())
        if not mine and not exported and number:
            continue
        rule = "-" if number else "="
        parts.append(
            f"{module}\n{rule * len(module)}\n\n.. automodule:: {module}\n   :no-members:\n"
        )
        elsewhere = sorted(
            entry.name for entry in entries if entry.module != module and _exports(module, entry)
        )
        if elsewhere:
            links = ", ".join(f":py:obj:`~{name}`" for name in elsewhere)
            parts.append(f"From its modules: {links}.\n")
        parts += [f".. {entry.kind}:: {entry.name}\n{_options(entry)}" for entry in mine]
    return "\n".join(parts)


def _exports(module: str, entry: Entry) -> bool:
    return entry.name.rpartition(".")[0] == module


def _options(entry: Entry) -> str:
    """The lines below a directive."""
    if entry.kind in {"autofunction", "autodata"}:
        return ""
    module, _, name = entry.name.rpartition(".")
    if fields := getattr(getattr(import_module(module), name), "_fields", ()):
        # Of the fields of a named tuple the docstring tells.
        return f"   :members:\n   :exclude-members: {', '.join(fields)}\n"
    members = "   :members:\n"
    return f"{members}   :show-inheritance:\n" if entry.kind == "autoexception" else members
