"""The JSON artifacts that a record keeps its own facts in."""

from __future__ import annotations

from typing import Final

from kymflow_zarr._artifacts.json_kind import JSON
from kymflow_zarr._records.document import image_folder

METADATA: Final = "metadata"
"""The metadata payload."""
PROVENANCE: Final = "provenance"
"""Where the image came from."""
VENDOR_HEADER: Final = "vendor_header"
"""The vendor's texts as they were read: kind of text → text."""

OWN_NAMES: Final = frozenset({METADATA, PROVENANCE, VENDOR_HEADER})
OWN_PATHS: Final = frozenset(path for name in OWN_NAMES for path in JSON.paths(name))
"""Their paths, relative to the record's folder. They are not results, and never deleted."""


def provenance_key(image_id: str) -> str:
    """The key of the artifact that says where an image came from."""
    return f"{image_folder(image_id)}/{JSON.path(PROVENANCE)}"
