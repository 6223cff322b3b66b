"""A Sphinx extension: names in docstrings, annotations and sources find their objects.

A docstring says `Class.method` without a path, and an annotation has the path of the module that
defines a name, which may be a private one. The site knows each object by one name only, its
shortest public one.
"""

from __future__ import annotations

from collections import defaultdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

from docutils.nodes import field_name
from sphinx.addnodes import desc_signature

from docs.python_api import PACKAGES, public_entries

if TYPE_CHECKING:
    from docutils.nodes import Element, document
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

__all__ = ["setup"]


class PublicNames:
    """Of each class and function: where it is defined, and its name on the site."""

    def __init__(self) -> None:
        self._public: dict[str, str] = {}
        self._defined: dict[str, tuple[str, str]] = {}
        self._paths: dict[str, set[str]] = defaultdict(set)
        for package in PACKAGES.values():
            for entry in public_entries(package):
                path, _, name = entry.name.rpartition(".")
                value = getattr(import_module(path), name)
                if hasattr(value, "__qualname__"):
                    module = value.__module__
                    self._public[f"{module}.{value.__qualname__}"] = entry.name
                    self._defined[entry.name] = (module, value.__qualname__)
                    self._paths[module] |= {module, path}

    def resolve(
        self, app: Sphinx, environment: BuildEnvironment, node: pending_xref, content: Element
    ) -> Element | None:
        """Resolve what Sphinx could not, if just one object is meant."""
        if node.get("refdomain") != "py":
            return None
        domain = environment.domains.python_domain
        wanted = node["reftarget"]
        head, dot, member = wanted.rpartition(".")
        if wanted in self._public:
            wanted = self._public[wanted]
        elif head in self._public:
            wanted = f"{self._public[head]}{dot}{member}"
        found = {
            entry.node_id: name
            for name, entry in domain.objects.items()
            if not entry.aliased and (name == wanted or name.endswith(f".{wanted}"))
        }
        if len(found) != 1:
            return None
        (name,) = found.values()
        return domain.resolve_xref(
            environment, node["refdoc"], app.builder, "obj", name, node, content
        )

    def add_anchors(self, _app: Sphinx, tree: document) -> None:
        """Let links find an object by other names, too.

        A page with sources links each object by the path of one of them, whichever came first.
        """
        for signature in tree.findall(desc_signature):
            for anchor in tuple(signature["ids"]):
                owner, member = anchor, ""
                if owner not in self._defined:  # perhaps a method or a field of a class
                    owner, _, member = anchor.rpartition(".")
                    if owner not in self._defined:
                        continue
                module, name = self._defined[owner]
                end = f"{name}.{member}" if member else name
                others = {f"{path}.{end}" for path in self._paths[module]}
                signature["ids"] += sorted(others - set(signature["ids"]))


def name_attributes(_app: Sphinx, tree: document) -> None:
    """Call the attributes of a class what a docstring calls them."""
    for name in tree.findall(field_name):
        if name.astext() == "Variables":
            name.replace_self(field_name("", "Attributes"))


def setup(app: Sphinx) -> dict[str, Any]:
    """What Sphinx calls."""
    names = PublicNames()
    app.connect("missing-reference", names.resolve)
    app.connect("doctree-read", names.add_anchors)
    app.connect("doctree-read", name_attributes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
