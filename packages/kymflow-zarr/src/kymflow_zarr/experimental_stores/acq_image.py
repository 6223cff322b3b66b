"""One acquired image, wherever it lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._records.bounds import image_bounds
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr.experimental_stores.stores.base import ArtifactStore, PixelFacts, PixelStore
from kymflow_zarr.experimental_stores.stores.factory import open_stores

if TYPE_CHECKING:
    from kymflow_zarr.dataset import ZarrDataset
    from kymflow_zarr.record import ZarrImageRecord

__all__ = ["AcqImageV01"]


class AcqImageV01:
    """One image of a folder of TIFFs, or of a dataset.

    Nothing is read when it is made, and nothing is kept: each method asks the stores.

    Args:
        source_key: The pixel store's identity of the image, see `source_key`.
        pixel_store: Where its pixels come from.
        artifact_store: Where its metadata payload and its results are kept.
        path: Its file, if it has one.
    """

    def __init__(
        self,
        source_key: str,
        pixel_store: PixelStore,
        artifact_store: ArtifactStore,
        path: str | Path | None = None,
    ) -> None:
        self._source_key = source_key
        self._pixel_store = pixel_store
        self._artifact_store = artifact_store
        self._path = None if path is None else Path(path)

    @classmethod
    def from_tiff(cls, path: str | Path) -> AcqImageV01:
        """The image of a TIFF, with the results beside it; the file is not opened."""
        absolute = Path(path).expanduser().resolve()
        stores = open_stores(absolute)
        return cls(str(absolute), stores.pixels, stores.artifacts, absolute)

    @classmethod
    def from_record(cls, dataset: ZarrDataset, image_id: str) -> AcqImageV01:
        """An image of a dataset; the record is not opened."""
        stores = open_stores(dataset)
        return cls(image_id, stores.pixels, stores.artifacts)

    def __repr__(self) -> str:
        return f"AcqImageV01({self._source_key!r})"

    @property
    def source_key(self) -> str:
        """The pixel store's identity of the image.

        In TIFF mode it is the absolute path of the channel-1 TIFF, in Zarr mode the record's
        ``image_id``. It says where the pixels come from, and is no name for people: see
        `display_name`.
        """
        return self._source_key

    @property
    def path(self) -> Path | None:
        """The image's file; None for an image of a dataset."""
        return self._path

    @property
    def display_name(self) -> str:
        """What to show to people: the file's base name, or the image id."""
        return self._source_key if self._path is None else self._path.name

    @property
    def artifacts(self) -> ArtifactStore:
        """Where the results are kept; ask it by `source_key`."""
        return self._artifact_store

    def to_payload(self) -> dict[str, JsonValue]:
        """The image as a row of a list: ``source_key``, ``display_name`` and ``path``."""
        return {
            "source_key": self.source_key,
            "display_name": self.display_name,
            "path": None if self._path is None else str(self._path),
        }

    # --- pixels -------------------------------------------------------------------------------

    def load_facts(self) -> PixelFacts:
        """Shape, axes, calibration and acquisition time, without reading pixels.

        Raises:
            UnreadableImageError: The image cannot be read.
        """
        return self._pixel_store.load_facts(self._source_key)

    @property
    def acquired_local_epoch_ns(self) -> int | None:
        """When it was recorded, by the clock on the wall there, in ns since 1970."""
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
        return self._pixel_store.get_channel(self._source_key, channel)

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
            CorruptDataError: It is no JSON object.
        """
        return self._artifact_store.load_metadata_payload(self._source_key)

    def save_metadata_payload(self, payload: Mapping[str, Any]) -> None:
        """Replace the metadata payload in one step."""
        self._artifact_store.save_metadata_payload(self._source_key, payload)

    # --- datasets -----------------------------------------------------------------------------

    def ingest_into_dataset(self, dataset: ZarrDataset) -> ZarrImageRecord:
        """Take the image into a dataset, with its metadata and results.

        A TIFF becomes a new image each time. An image of another dataset keeps its id, and is left
        alone where it is already.

        Returns:
            Its record there.

        Raises:
            UnreadableImageError: It cannot be taken in.
        """
        return self._pixel_store.ingest_into_dataset(self._source_key, dataset)
