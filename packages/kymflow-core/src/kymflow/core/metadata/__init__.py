"""Typed metadata of an image: header, experiment, regions of interest. Unknown keys are kept."""

from __future__ import annotations

from kymflow.core.metadata.experiment import (
    NUMBER_FIELDS,
    TEXT_FIELDS,
    ExperimentMetadata,
    parse_value,
)
from kymflow.core.metadata.folder_pattern import FolderPattern
from kymflow.core.metadata.header import Header
from kymflow.core.metadata.payload import ImageMetadata, load_metadata, save_metadata
from kymflow.core.metadata.roi import (
    ImageExtent,
    Roi,
    RoiChange,
    check_roi,
    clamp_roi,
    create_roi,
    delete_roi,
    edit_roi,
    find_roi,
    image_extent,
    picture_axes,
)
from kymflow.core.metadata.source import Source, load_source

__all__ = [
    "NUMBER_FIELDS",
    "TEXT_FIELDS",
    "ExperimentMetadata",
    "FolderPattern",
    "Header",
    "ImageExtent",
    "ImageMetadata",
    "Roi",
    "RoiChange",
    "Source",
    "check_roi",
    "clamp_roi",
    "create_roi",
    "delete_roi",
    "edit_roi",
    "find_roi",
    "image_extent",
    "load_metadata",
    "load_source",
    "parse_value",
    "picture_axes",
    "save_metadata",
]
