"""How a `KymDataset` shows itself in a notebook. Every text is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from kymflow.core.kym_dataset.table_names import indexer_names, table_name

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset


def summary_html(dataset: ZarrDataset) -> str:
    """Location, number of images and indexes of a dataset; no image is opened.

    Args:
        dataset: The dataset.
    """
    facts = {
        "location": dataset.location,
        "mode": dataset.mode,
        "images": f"{len(dataset.list_image_ids()):,}",
    }
    for name in indexer_names(dataset.list_table_names()):
        rows = dataset.table_row_count(table_name(name))
        facts[f"index {name}"] = "no longer there" if rows is None else f"{rows:,} rows"
    lines = "".join(
        f"<tr><th scope='row' style='text-align: left'>{_text(name)}</th>"
        f"<td style='text-align: left'>{_text(value)}</td></tr>"
        for name, value in facts.items()
    )
    return f"<div><strong>KymDataset</strong><table><tbody>{lines}</tbody></table></div>"


def _text(value: str) -> str:
    """Text that is neither markup nor moves the text around it."""
    return escape(
        "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
            for char in value
        )
    )
