"""A page as HTML: one file that needs nothing else. All it runs sorts and filters its summary."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from kymflow.cli.report.values import Page

if TYPE_CHECKING:
    from jinja2 import Template


def render(page: Page) -> str:
    """The page as HTML. All of its texts are escaped.

    Args:
        page: What stands on it.
    """
    style, script = _read("page.css"), _read("page.js") if page.rows else ""
    return _template().render(
        page=page, style=style, script=script, policy=content_security_policy(style, script)
    )


def content_security_policy(style: str, script: str) -> str:
    """What a browser may use: pictures out of the page, this very style and script, nothing else.

    Args:
        style: The text of the page's ``<style>``.
        script: That of its ``<script>``; empty for none.
    """
    runs = f"script-src {_source(script)}; " if script else ""
    return (
        f"default-src 'none'; img-src data:; style-src {_source(style)}; {runs}"
        "base-uri 'none'; form-action 'none'"
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    return Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(_read("page.html.jinja"))


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"


@cache
def _read(name: str) -> str:
    return files("kymflow.cli.report").joinpath(name).read_text(encoding="utf-8")
