"""How much an input file may ask for before it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_MIB: Final = 1024**2
_GIB: Final = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLimits:
    """Bounds on one input file; all are checked before the data behind them are decoded.

    Attributes:
        max_pixel_bytes: Largest image, decoded, in bytes.
        max_pages: Most pages (image file directories) in one TIFF.
        max_segment_bytes: Largest compressed strip or row of tiles, decoded, in bytes. It bounds
            the memory that a reader holds beside the block that it returns.
        max_tag_bytes: Largest tag, in bytes of text or 16 for each number. All tags of a TIFF may
            take 16 times as much.
        max_vendor_text_bytes: Largest vendor text file beside an image, in bytes.
        max_expansion: Highest ratio of decoded bytes to the file's size, looked at only for images
            larger than ``expansion_free_bytes``: real images compress 2 to 50 times.
        expansion_free_bytes: Decoded size up to which ``max_expansion`` is not applied.
        max_sidecar_bytes: Largest array or table beside an image, decoded, in bytes.
    """

    max_pixel_bytes: int = 64 * _GIB
    max_pages: int = 500_000
    max_segment_bytes: int = 512 * _MIB
    max_tag_bytes: int = 64 * _MIB
    max_vendor_text_bytes: int = 16 * _MIB
    max_expansion: float = 200.0
    expansion_free_bytes: int = 256 * _MIB
    max_sidecar_bytes: int = 1 * _GIB
