"""List the images of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Literal

from kymflow.cli.blocks import (
    Block,
    Screen,
    counted,
    failure_blocks,
    remark,
    table_blocks,
    to_the_second,
)
from kymflow.cli.opening import open_reader, shared_scenes, source_of
from kymflow.cli.results import DatasetResult
from kymflow.cli.safe_text import command
from kymflow.cli.source_names import file_order, short_names

if TYPE_CHECKING:
    from kymflow_zarr import ManifestEntry

_NS_PER_S = 10**9


def ls(
    dataset: str,
    /,
    *,
    sort: Literal["file", "id", "created", "acquired"] = "file",
) -> ListResult:
    """List the images of a dataset.

    Args:
        dataset: Path or URL of the dataset.
        sort: By name of the source file, by id, or by time of creation or acquisition; images
            that lack the value come last.

    Raises:
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    opened = open_reader(dataset)
    manifest = opened.load_manifest()
    entries = list(manifest.entries.values())
    scenes = shared_scenes(opened, entries)
    match sort:
        case "file":
            entries.sort(
                key=lambda e: (file_order(source_of(e), scenes.get(e.image_id)), e.created_utc)
            )
        case "created":
            entries.sort(key=lambda entry: (entry.created_utc == "", entry.created_utc))
        case "acquired":
            entries.sort(key=_by_acquisition)
        case "id":
            entries.sort(key=lambda entry: entry.image_id)
    return ListResult(
        dataset=dataset,
        images=len(entries),
        damaged=len(manifest.damaged),
        items=(
            *(listed_image(entry, scenes.get(entry.image_id) or None) for entry in entries),
            *(
                DamagedImage(image_id=image_id, reason=f"{error.key!r}: {error.reason}")
                for image_id, error in manifest.damaged.items()
            ),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListResult(DatasetResult):
    """The images of a dataset.

    Attributes:
        images: How many can be read.
        damaged: How many cannot.
        items: The images, in the order that was asked for, then those that cannot be read.
    """

    verb: ClassVar[str] = "ls"
    images: int
    damaged: int
    items: tuple[ListedImage | DamagedImage, ...]

    @property
    def ok(self) -> bool:
        """Whether all can be read."""
        return self.damaged == 0

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        yield from failure_blocks(
            f"{counted(self.damaged, 'image')} cannot be read",
            ("image", "reason"),
            [(i.image_id, i.reason) for i in self.items if isinstance(i, DamagedImage)],
            screen,
        )
        images = [item for item in self.items if isinstance(item, ListedImage)]
        names = short_names(image.source for image in images)
        scenes = any(image.scene for image in images)
        rows = [
            (
                names.get(image.source or "", ""),
                *([image.scene or ""] if scenes else []),
                image_size(image),
                image.dtype,
                to_the_second(image.acquired_local),
                image.image_id,
            )
            for image in images
        ]
        which = ["image in the file"] if scenes else []
        columns = ("file", *which, "size", "type", "recorded", "id")
        yield from table_blocks(columns, rows, screen)
        if not self.items:
            yield remark(f"no image yet: {command('ingest', 'FOLDER', self.dataset)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedImage:
    """One image in a list.

    Attributes:
        image_id: Its id.
        source: The file that it was made of; None if there is none.
        scene: Which of its file's images it is; None if the file is one image.
        shape: The pixels' shape.
        axes: A name for each dimension.
        dtype: The pixels' type.
        created_utc: When it was ingested, ISO 8601; None if unknown.
        acquired_local: When it was recorded, by the clock on the wall there, ISO 8601; None if
            unknown.
    """

    type: ClassVar[str] = "image"
    image_id: str
    source: str | None
    scene: str | None
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    dtype: str
    created_utc: str | None
    acquired_local: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedImage:
    """One image that cannot be read.

    Attributes:
        image_id: Its id.
        reason: What is wrong with it.
    """

    type: ClassVar[str] = "failure"
    image_id: str
    reason: str


def listed_image(entry: ManifestEntry, scene: str | None) -> ListedImage:
    """An image as the lists show it."""
    return ListedImage(
        image_id=entry.image_id,
        source=source_of(entry),
        scene=scene,
        shape=entry.shape,
        axes=entry.axes,
        dtype=entry.dtype,
        created_utc=entry.created_utc or None,
        acquired_local=_local_time(entry.acquired_local_epoch_ns),
    )


def _local_time(epoch_ns: int | None) -> str | None:
    """ISO 8601 without a zone: the clock on the wall where the image was recorded."""
    if epoch_ns is None:
        return None
    whole = datetime.fromtimestamp(epoch_ns // _NS_PER_S, UTC)
    micros = epoch_ns % _NS_PER_S // 1000
    return whole.replace(tzinfo=None, microsecond=micros).isoformat()


def _by_acquisition(entry: ManifestEntry) -> tuple[bool, int]:
    value = entry.acquired_local_epoch_ns
    return value is None, value or 0


def image_size(image: ListedImage) -> str:
    """Its length along each axis: ``t 30000, x 38``."""
    named = zip(image.axes, image.shape, strict=True)
    return ", ".join(f"{axis} {length}" for axis, length in named)
