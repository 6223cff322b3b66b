"""The metadata payload of a new image."""

from __future__ import annotations

from collections.abc import Mapping

from kymflow_zarr._readers.header import Header
from kymflow_zarr._storage.json_text import JsonValue

__all__ = ["metadata_payload"]

_METADATA_VERSION = "2.0"


def metadata_payload(
    payload: Mapping[str, JsonValue],
    header: Header,
    *,
    shape: tuple[int, ...],
    axes: tuple[str, ...],
) -> dict[str, JsonValue]:
    """The payload that came with an image, its header replaced by the one that was found.

    Args:
        payload: What came with the image; may be empty.
        header: What is known of it; of an image made of several files, what its first one tells.
        shape: The image's shape.
        axes: A name for each dimension.
    """
    found = header.to_json()
    found["shape"], found["axes"] = list(shape), list(axes)
    found["scale"] = {axis: header.scale.get(axis) for axis in axes}
    found["unit"] = {axis: header.unit.get(axis) for axis in axes}
    metadata: dict[str, JsonValue] = {"experiment_metadata": {}, "rois": [], **payload}
    if "header" in payload:
        metadata["header_sidecar"] = payload["header"]
    metadata["version"] = _METADATA_VERSION
    metadata["header"] = found
    return metadata
