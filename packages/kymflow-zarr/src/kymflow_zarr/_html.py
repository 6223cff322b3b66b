"""A few facts as an HTML table for notebooks. Every text in it is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """A title, and facts below each other.

    Args:
        title: What it is.
        facts: Values by name; shown as their text.
    """
    rows = "".join(
        f"<tr><th scope='row' style='text-align: left'>{_text(name)}</th>"
        f"<td style='text-align: left'>{_text(value)}</td></tr>"
        for name, value in facts.items()
    )
    return f"<div><strong>{_text(title)}</strong><table><tbody>{rows}</tbody></table></div>"


def dataset_html(
    *, location: str, mode: str, version: int, images: int, tables: Sequence[str]
) -> str:
    """`ZarrDataset` for a notebook."""
    return facts_html(
        "ZarrDataset",
        {
            "location": location,
            "mode": mode,
            "format": version,
            "images": f"{images:,}",
            "tables": ", ".join(tables) or "none",
        },
    )


def record_html(
    *, image_id: str, axes: Sequence[str], shape: Sequence[int], dtype: str, created_utc: str
) -> str:
    """`ZarrImageRecord` for a notebook."""
    sizes = ", ".join(f"{axis}: {length:,}" for axis, length in zip(axes, shape, strict=True))
    return facts_html(
        "ZarrImageRecord",
        {"image": image_id, "size": sizes, "type": dtype, "created": created_utc or "unknown"},
    )


def _text(value: object) -> str:
    """Text that is neither markup nor changes the text around it."""
    shown = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in str(value)
    )
    return escape(shown)
