"""The metadata payload of a new image."""

from __future__ import annotations

from kymflow_zarr._readers.header import Header
from kymflow_zarr._storage.json_text import JsonValue

_METADATA_VERSION = "2.0"


def metadata_payload(
    header: Header, *, shape: tuple[int, ...], axes: tuple[str, ...]
) -> dict[str, JsonValue]:
    """The payload that came with an image, its header replaced by the one that was read.

    That one may be of its first channel's file; the shape and axes are the whole image's.
    """
    read = header.to_json()
    read["shape"], read["axes"] = list(shape), list(axes)
    read["scale"] = {axis: header.scale.get(axis) for axis in axes}
    read["unit"] = {axis: header.unit.get(axis) for axis in axes}
    metadata: dict[str, JsonValue] = {"experiment_metadata": {}, "rois": [], **header.metadata}
    if "header" in header.metadata:
        metadata["header_sidecar"] = header.metadata["header"]
    metadata["version"] = _METADATA_VERSION
    metadata["header"] = read
    return metadata
