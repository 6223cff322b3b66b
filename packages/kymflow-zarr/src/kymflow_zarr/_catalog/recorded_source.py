"""What an image's own record says of its file: the sources index, once lost, is read from there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TypeAlias

from kymflow_zarr._records.facts import PROVENANCE
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr.errors import ArtifactNotFoundError, CorruptDataError, ImageNotFoundError
from kymflow_zarr.record import open_record

logger = logging.getLogger(__name__)

SourceFacts: TypeAlias = Mapping[str, JsonValue]
"""The ``source`` entry of a record's provenance."""


def scene_of(blobs: BlobStore, image_id: str) -> str:
    """Which image of a file of several an image is; empty if it is all of a file, or is damaged."""
    try:
        provenance = open_record(blobs, image_id, writable=False).load_json(PROVENANCE)
    except (ArtifactNotFoundError, CorruptDataError, ImageNotFoundError):
        return ""
    source = provenance.get("source") if isinstance(provenance, dict) else None
    scene = source.get("scene") if isinstance(source, dict) else None
    return scene if isinstance(scene, str) else ""


def renew_source(
    blobs: BlobStore, image_id: str, renewed: Callable[[SourceFacts], SourceFacts]
) -> None:
    """Change what a record says of its file.

    Args:
        blobs: The dataset's key space.
        image_id: The image. If it is damaged, or gone, it is left as it is, with a warning.
        renewed: Makes what it is to say of what it says now.
    """
    try:
        record = open_record(blobs, image_id, writable=True)
        provenance = record.load_json(PROVENANCE)
        said = provenance if isinstance(provenance, dict) else {}
        source = said.get("source")
        before = source if isinstance(source, dict) else {}
        after = dict(renewed(before))
        if after != before:
            record.save_json(PROVENANCE, {**said, "source": after})
    except (ArtifactNotFoundError, CorruptDataError, ImageNotFoundError) as error:
        logger.warning("the new place of a file is in the sources index only: %s", error)
