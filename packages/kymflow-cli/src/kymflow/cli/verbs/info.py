"""Describe a dataset, or one of its images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kymflow.cli.folders import source_folders
from kymflow.cli.opening import find_image, open_reader
from kymflow.cli.results import Artifact, DatasetInfo, ImageInfo
from kymflow.cli.verbs.ls import listed_image
from kymflow.cli.verbs.table import list_tables

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset, ZarrImageRecord

__all__ = ["info"]


def info(dataset: str, image: str | None = None, /) -> DatasetInfo | ImageInfo:
    """Describe a dataset, or one of its images.

    Args:
        dataset: Path or URL of the dataset.
        image: An image: its id, the first characters of it, or its source file.

    Returns:
        What it is and what it holds.

    Raises:
        UnknownNameError: No image, or more than one, goes by that name.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    opened = open_reader(dataset)
    if image is None:
        return _describe_dataset(opened)
    return _describe_image(opened, opened.record(find_image(opened, image)))


def _describe_dataset(dataset: ZarrDataset) -> DatasetInfo:
    schema = dataset.schema
    return DatasetInfo(
        dataset=dataset.location,
        format_version=schema.version,
        created_utc=schema.created_utc or None,
        software=schema.software or None,
        images=len(dataset.list_image_ids()),
        folders=source_folders(dataset),
        items=list_tables(dataset),
    )


def _describe_image(dataset: ZarrDataset, record: ZarrImageRecord) -> ImageInfo:
    from kymflow_zarr import MetadataNotFoundError

    entry = dataset.load_manifest().entries[record.image_id]
    try:
        metadata: dict[str, Any] = record.load_metadata_payload()
    except MetadataNotFoundError:
        metadata = {}
    rois = metadata.get("rois")
    return ImageInfo(
        dataset=dataset.location,
        image=listed_image(entry),
        pixels_digest=record.pixels_digest or None,
        header=_mapping(metadata.get("header")),
        experiment_metadata=_mapping(metadata.get("experiment_metadata")),
        rois=tuple(_mapping(roi) for roi in rois) if isinstance(rois, list) else (),
        items=tuple(
            Artifact(name=found.name, kind=found.kind, key=found.key)
            for found in record.artifacts.entries()
        ),
    )


def _mapping(value: object) -> dict[str, object]:
    return {str(key): item for key, item in value.items()} if isinstance(value, dict) else {}
