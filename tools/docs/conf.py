"""How Sphinx builds the site; `main` runs it on the pages that `assemble` has gathered.

Sphinx with MyST and Furo, as of November 2026: each had a release within the year. Sphinx links
the pages with the API that it reads from the docstrings, makes an error of every link that leads
nowhere, and the site needs no server and no network. The last release of MkDocs is of 2024;
Zensical, which would take its place, is at 0.1.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

project = "kymflow"
author = "kymflow contributors"
project_copyright = "kymflow contributors"
html_title = "kymflow"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "docs.references",
]
exclude_patterns = ["files"]
nitpicky = True
default_role = "py:obj"

# Of other projects nothing is known here: that would need the network.
# Some signatures name a type that is not public: its name stands there, without a link.
nitpick_ignore_regex = [(r"py:.*", r"(?!kymflow).*"), (r"py:class", r"kymflow_zarr\._.*")]

myst_heading_anchors = 4
suppress_warnings = ["myst.strikethrough"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
napoleon_use_rtype = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_static_path = ["static"]
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
