"""What an update returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexUpdate:
    """What `KymDataset.update_index` did.

    Attributes:
        table: The table.
        images: How many images have their rows in the table, all up to date.
        recomputed: For how many of them the indexer was asked.
        rows: How many rows the table has now.
        unchanged_params: For how many images the hash of the parameters was that in the old table.
        left_out: What has no row though a record holds it, for each image that was asked for where
            that is so: one sentence each.
    """

    table: str
    images: int
    recomputed: int
    rows: int
    unchanged_params: int
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
