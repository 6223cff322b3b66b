"""How Sphinx builds the site: `hatch run docs:build`, from the root of the repository.

Pages are read where they are written: in the docs of their package, or at the root. `index.md` has
the contents. Every warning is an error: a link that leads nowhere, a page without a place in the
contents, a name in a docstring that does not exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kymflow.cli.app import build_app

if TYPE_CHECKING:
    from docutils.nodes import Element
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

project = "kymflow"
author = "kymflow contributors"
project_copyright = "kymflow contributors"
html_title = "kymflow"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
root_doc = "tools/docs/index"
include_patterns = [
    "README.md",
    ".github/CONTRIBUTING.md",
    "packages/*/*.md",
    "packages/*/docs/**.md",
    "tools/docs/*",
]
nitpicky = True
default_role = "py:obj"

# Of other projects nothing is known here: that would need the network.
# Some signatures name a type that is not public: its name stands there, without a link.
nitpick_ignore_regex = [
    (r"py:.*", r"(?!kymflow).*"),
    (r"py:class", r"kymflow_zarr\._.*|kymflow\..*\.[A-Z]"),
]

myst_heading_anchors = 4
suppress_warnings = ["myst.strikethrough"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
napoleon_use_rtype = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_static_path = ["static"]
html_extra_path = ["extra"]
html_css_files = ["kymflow.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0b6e6e",
        "color-brand-content": "#0b6e6e",
    },
    "dark_css_variables": {
        "color-brand-primary": "#5cc8c2",
        "color-brand-content": "#5cc8c2",
    },
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"


def find_by_public_name(
    app: Sphinx, environment: BuildEnvironment, node: pending_xref, content: Element
) -> Element | None:
    """Find what a docstring or an annotation names by another path than its public one."""
    domain = environment.domains.python_domain
    parts = node["reftarget"].split(".")
    for first in range(len(parts)):
        end = "." + ".".join(parts[first:])
        found = sorted((name.count("."), name) for name in domain.objects if name.endswith(end))
        # A function is meant rather than a method of the same name.
        if found and (len(found) == 1 or found[0][0] < found[1][0]):
            return domain.resolve_xref(
                environment, node["refdoc"], app.builder, "obj", found[0][1], node, content
            )
    return None


def add_options(_app: Sphinx, page: str, source: list[str]) -> None:
    """Let the command describe its own options."""
    if page == "tools/docs/options":
        source[0] += build_app().generate_docs(output_format="markdown", heading_level=2)


def setup(app: Sphinx) -> None:
    """What Sphinx calls."""
    app.connect("source-read", add_options)
    app.connect("missing-reference", find_by_public_name)
