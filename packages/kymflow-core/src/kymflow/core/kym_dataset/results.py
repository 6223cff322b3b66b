"""What a run tells its caller."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["IndexUpdate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexUpdate:
    """What `KymDataset.update_index` did.

    Attributes:
        table: The table.
        images: How many images were indexed.
        rows: How many rows the table has now.
        unchanged_params: For how many images the hash of the parameters was that in the old table.
    """

    table: str
    images: int
    rows: int
    unchanged_params: int
