"""A few facts as an HTML table for notebooks. Every text in it is escaped."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """A title, and facts below each other; values are shown as their text."""
    rows = "".join(
        f"<tr><th scope='row' style='text-align: left'>{_text(name)}</th>"
        f"<td style='text-align: left'>{_text(value)}</td></tr>"
        for name, value in facts.items()
    )
    return f"<div><strong>{_text(title)}</strong><table><tbody>{rows}</tbody></table></div>"


def _text(value: object) -> str:
    """Text that is neither markup nor changes the text around it."""
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in str(value)
    )
    return escape(shown)
