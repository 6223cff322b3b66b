"""Describe a dataset, or one of its images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kymflow.cli.blocks import Block, Screen, cell_value, fact_blocks, table_blocks, to_the_second
from kymflow.cli.folders import source_folders
from kymflow.cli.opening import find_image, open_reader
from kymflow.cli.results import DatasetResult
from kymflow.cli.verbs.ls import ListedImage, image_size, listed_image
from kymflow.cli.verbs.table import ListedTable, list_tables

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset, ZarrImageRecord


def info(dataset: str, image: str | None = None, /) -> DatasetInfo | ImageInfo:
    """Describe a dataset, or one of its images.

    Args:
        dataset: Path or URL of the dataset.
        image: An image: its id, the first characters of it, or its source file.

    Raises:
        UnknownNameError: No image, or more than one, goes by that name.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    opened = open_reader(dataset)
    if image is None:
        return _describe_dataset(opened)
    return _describe_image(opened, opened.record(find_image(opened, image)))


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo(DatasetResult):
    """What a dataset is.

    Attributes:
        format_version: The version of its format.
        created_utc: When it was made, ISO 8601; None if unknown.
        software: What made it; None if unknown.
        images: How many images it has.
        folders: The folders that they came from.
        items: Its tables.
    """

    verb: ClassVar[str] = "info"
    format_version: int
    created_utc: str | None
    software: str | None
    images: int
    folders: tuple[str, ...]
    items: tuple[ListedTable, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        yield from fact_blocks(
            {
                "dataset": self.dataset,
                "format": self.format_version,
                "made": " by ".join(
                    text for text in (to_the_second(self.created_utc), self.software) if text
                ),
                "images": self.images,
                "from": "\n".join(self.folders),
            }
        )
        rows = [(item.name, item.rows, ", ".join(item.columns)) for item in self.items]
        if rows:
            yield Block(lines=[""])
            yield from table_blocks(("table", "rows", "columns"), rows, screen)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo(DatasetResult):
    """What an image is.

    Attributes:
        image: The image.
        pixels_digest: The checksum of its pixels; None in format 1.
        header: What its file said of it.
        experiment_metadata: What people said of it.
        rois: Its regions of interest.
        items: The results that are kept with it.
    """

    verb: ClassVar[str] = "info"
    image: ListedImage
    pixels_digest: str | None
    header: Mapping[str, object]
    experiment_metadata: Mapping[str, object]
    rois: tuple[Mapping[str, object], ...]
    items: tuple[Artifact, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        image = self.image
        facts: dict[str, object] = {
            "image": image.image_id,
            "file": image.source,
            **({"image in the file": self.image.scene} if self.image.scene else {}),
            "size": f"{image_size(image)} ({image.dtype})",
            "steps": _steps(self.header),
            "recorded": to_the_second(image.acquired_local),
            "ingested": to_the_second(image.created_utc),
        }
        for name, value in self.experiment_metadata.items():
            label = name.replace("_", " ")
            if value not in (None, ""):  # a person may call a field "file", too
                facts[f"{label} (metadata)" if label in facts else label] = value
        yield from fact_blocks({**facts, "warnings": _lines(self.header.get("warnings"))})
        if self.rois:
            names = (
                "id",
                "name",
                "channel",
                "z",
                "dim0_start",
                "dim0_stop",
                "dim1_start",
                "dim1_stop",
            )
            yield Block(lines=["", "regions of interest"], style="bold")
            yield from table_blocks(
                names, [[cell_value(roi.get(name)) for name in names] for roi in self.rois], screen
            )
        if self.items:
            yield Block(lines=["", "results"], style="bold")
            yield from table_blocks(
                ("name", "kind"), [(i.name, i.kind) for i in self.items], screen
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One result that is kept with an image.

    Attributes:
        name: Its name.
        kind: What it is: ``json``, ``table``, ``csv``, ``array``, or what a plug-in adds.
        key: Where it is, relative to the dataset.
    """

    type: ClassVar[str] = "artifact"
    name: str
    kind: str
    key: str


def _steps(header: Mapping[str, object]) -> str:
    """The calibration: ``0.00117 s along t, 0.284 um along x``."""
    scale, unit = header.get("scale"), header.get("unit")
    if not isinstance(scale, dict) or not isinstance(unit, dict):
        return ""
    return ", ".join(
        f"{step:.6g} {unit.get(axis, '')} along {axis}"
        for axis, step in scale.items()
        if isinstance(step, int | float)
    )


def _lines(value: object) -> str:
    return "\n".join(str(item) for item in value) if isinstance(value, list) else ""


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
    from kymflow.core.metadata import load_source
    from kymflow_zarr import ImageNotFoundError, MetadataNotFoundError

    manifest = dataset.load_manifest()
    entry = manifest.entries.get(record.image_id)
    if entry is None:  # deleted meanwhile, unless it is damaged
        raise manifest.damaged.get(record.image_id) or ImageNotFoundError(record.image_id)
    try:
        metadata: dict[str, Any] = record.load_metadata_payload()
    except MetadataNotFoundError:
        metadata = {}
    rois = metadata.get("rois")
    return ImageInfo(
        dataset=dataset.location,
        image=listed_image(entry, load_source(record).scene),
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
