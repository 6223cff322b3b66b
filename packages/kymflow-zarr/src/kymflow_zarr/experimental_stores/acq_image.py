"""One acquired image, wherever it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._records.bounds import image_bounds
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr.experimental_stores.stores.base import ArtifactStore, PixelFacts, PixelStore
from kymflow_zarr.experimental_stores.stores.factory import open_if_path, open_stores

if TYPE_CHECKING:
    from kymflow_zarr.dataset import ZarrDataset
    from kymflow_zarr.record import ZarrImageRecord


@dataclass(frozen=True, slots=True)
class AcqImageV01:
    """One image of a folder, or of a dataset.

    Nothing is read when it is made, and nothing is kept: each method asks the stores.

    Attributes:
        source_key: The pixel store's identity of the image. In a folder it is the absolute path of
            the channel-1 TIFF, in a dataset the record's ``image_id``. It says where the pixels
            come from, and is not a name for people: see `display_name`.
        pixel_store: Where its pixels come from.
        artifact_store: Where its metadata payload and its results are kept.
        path: Its file; None for an image of a dataset.
    """

    source_key: str
    pixel_store: PixelStore
    artifact_store: ArtifactStore
    path: Path | None = None

    @classmethod
    def from_path(cls, path: str | PathLike[str]) -> AcqImageV01:
        """The image of a file, with the results beside it; the file is not opened."""
        absolute = Path(path).expanduser().resolve()
        stores = open_stores(absolute)
        return cls(str(absolute), stores.pixels, stores.artifacts, absolute)

    @classmethod
    def from_zarr(
        cls, dataset_path: str | PathLike[str] | ZarrDataset, image_id: str
    ) -> AcqImageV01:
        """An image of a dataset, which may be open; the record is not opened.

        Raises:
            NotADatasetError: There is no dataset at the path.
        """
        stores = open_stores(open_if_path(dataset_path))
        return cls(image_id, stores.pixels, stores.artifacts)

    def __repr__(self) -> str:
        return f"AcqImageV01({self.source_key!r})"

    @property
    def display_name(self) -> str:
        """What to show to people: the file's base name, or the image id."""
        return self.source_key if self.path is None else self.path.name

    def to_payload(self) -> dict[str, JsonValue]:
        """The image as a row of a list: ``source_key``, ``display_name`` and ``path``."""
        return {
            "source_key": self.source_key,
            "display_name": self.display_name,
            "path": None if self.path is None else str(self.path),
        }

    # --- pixels -------------------------------------------------------------------------------

    def load_facts(self) -> PixelFacts:
        """Shape, axes, calibration and acquisition time, without reading pixels.

        Raises:
            UnreadableImageError: The image cannot be read.
        """
        return self.pixel_store.load_facts(self.source_key)

    @property
    def acquired_local_epoch_ns(self) -> int | None:
        """When it was recorded, by the clock in the room, in ns since 1970."""
        return self.load_facts().acquired_local_epoch_ns

    def channels_available(self) -> tuple[int, ...]:
        """The channels, counted from 1; ``(1,)`` for an image without an axis ``c``."""
        facts = self.load_facts()
        count = dict(zip(facts.axes, facts.shape, strict=True)).get("c", 1)
        return tuple(range(1, count + 1))

    def get_channel(self, channel: int = 1) -> AnyArray:
        """The pixels of one channel.

        Args:
            channel: The channel, counted from 1.

        Returns:
            An array with the image's axes but ``c``: ``(time, space)`` for a kymograph.

        Raises:
            NotFoundError: There is no such channel (it is a `KeyError`).
            UnreadableImageError: The image cannot be read.
        """
        return self.pixel_store.get_channel(self.source_key, channel)

    def getChannelData(self, channel: int = 1) -> AnyArray:  # noqa: N802
        """`get_channel`, by the name that it had in the prototype."""
        return self.get_channel(channel)

    def get_image_bounds(self) -> dict[str, int]:
        """The size of one picture: ``width``, ``height`` and ``num_slices``."""
        facts = self.load_facts()
        return image_bounds(facts.axes, facts.shape)

    # --- metadata -----------------------------------------------------------------------------

    def load_metadata_payload(self) -> dict[str, JsonValue]:
        """The metadata payload: ``header``, ``experiment_metadata``, ``rois`` and whatever else.

        Each ROI is a plain envelope: a dict with its id, name and bounds.

        Raises:
            MetadataNotFoundError: There is none.
            CorruptDataError: It is not a JSON object.
        """
        return self.artifact_store.load_metadata_payload(self.source_key)

    def save_metadata_payload(self, payload: Mapping[str, Any]) -> None:
        """Replace the metadata payload in one step."""
        self.artifact_store.save_metadata_payload(self.source_key, payload)

    # --- datasets -----------------------------------------------------------------------------

    def ingest_into_dataset(self, dataset: ZarrDataset) -> ZarrImageRecord:
        """Ingest the image into a dataset, with its metadata and results.

        A file becomes a new image each time. An image of another dataset keeps its id, and is left
        alone where it is already.

        Returns:
            Its record there.

        Raises:
            UnreadableImageError: It cannot be ingested.
        """
        return self.pixel_store.ingest_into_dataset(self.source_key, dataset)
