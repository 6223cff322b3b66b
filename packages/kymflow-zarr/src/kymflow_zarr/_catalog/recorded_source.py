"""What an image's own record says of its file: the sources index, once lost, is read from there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from kymflow_zarr._records.facts import PROVENANCE, provenance_key
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.json_text import JsonObject, json_object, loads
from kymflow_zarr.errors import ArtifactNotFoundError, CorruptDataError, ImageNotFoundError
from kymflow_zarr.record import open_record

logger = logging.getLogger(__name__)

SourceFacts: TypeAlias = JsonObject
"""The ``source`` entry of a record's provenance."""


def read_provenance(blobs: BlobStore, image_id: str) -> JsonObject | None:
    """What an image's provenance says; None if there is none.

    Raises:
        CorruptDataError: It is damaged.
    """
    key = provenance_key(image_id)
    data = blobs.get(key)
    return None if data is None else json_object(loads(data, key=key))


def scene_of(blobs: BlobStore, image_id: str) -> str:
    """Which image of a file of several an image is; empty if it is all of a file, or is damaged."""
    try:
        provenance = read_provenance(blobs, image_id) or {}
    except CorruptDataError:
        return ""
    scene = json_object(provenance.get("source")).get("scene")
    return scene if isinstance(scene, str) else ""


def renew_source(
    blobs: BlobStore, image_id: str, renewed: Callable[[SourceFacts], SourceFacts]
) -> None:
    """Change what a record says of its file: `renewed` makes it of what it says now.

    A record that is damaged, or gone, is left as it is, with a warning.
    """
    try:
        record = open_record(blobs, image_id, writable=True)
        said = json_object(record.load_json(PROVENANCE))
        before = json_object(said.get("source"))
        after = dict(renewed(before))
        if after != before:
            record.save_json(PROVENANCE, {**said, "source": after})
    except (ArtifactNotFoundError, CorruptDataError, ImageNotFoundError) as error:
        logger.warning("the new place of a file is in the sources index only: %s", error)
