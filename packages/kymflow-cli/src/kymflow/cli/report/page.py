"""The page as HTML: one file that needs nothing else and runs nothing."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from kymflow.cli.report.values import Page

__all__ = ["content_security_policy", "render"]


def render(page: Page) -> str:
    """The page as HTML. All of its texts are escaped.

    Args:
        page: What stands on it.
    """
    from jinja2 import Environment, StrictUndefined

    style = _read("page.css")
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(_read("page.html.jinja"))
    return template.render(page=page, style=style, policy=content_security_policy(style))


def content_security_policy(style: str) -> str:
    """What a browser may load: pictures out of the page itself, this very style, nothing else.

    Args:
        style: The text of the page's ``<style>``.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _read(name: str) -> str:
    return files("kymflow.cli.report").joinpath(name).read_text(encoding="utf-8")
