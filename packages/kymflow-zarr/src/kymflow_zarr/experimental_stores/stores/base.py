"""What an image asks of the places where its pixels and its results are.

Both protocols identify an image by its ``source_key``: in a folder of TIFFs the absolute path of
the channel-1 file, in a dataset the image id. A store keeps no state about single images, so one
store serves them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr.errors import NotFoundError

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr.dataset import ZarrDataset
    from kymflow_zarr.record import ZarrImageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFacts:
    """What is known of an image without reading its pixels.

    Attributes:
        shape: Its shape, channels of several files included.
        dtype: Name of the pixels' type.
        axes: A name for each dimension; ``("t", "x")`` for a kymograph ``(time, space)``.
        scale: Axis → distance of two pixels, where known.
        unit: Axis → unit of that distance: ``"s"`` or ``"um"``.
        acquired_local_epoch_ns: When it was recorded, by the clock in the room, in ns since
            1970; None if unknown.
    """

    shape: tuple[int, ...]
    dtype: str
    axes: tuple[str, ...]
    scale: Mapping[str, float]
    unit: Mapping[str, str]
    acquired_local_epoch_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One named result of an image.

    Attributes:
        name: Its name.
        kind: The name of its kind, such as ``"json"``, ``"table"`` or ``"array"``.
    """

    name: str
    kind: str


class PixelStore(Protocol):
    """Where pixels come from."""

    def load_facts(self, source_key: str) -> PixelFacts:
        """What is known of an image without reading its pixels.

        Raises:
            UnreadableImageError: The image cannot be read (it is a `ValueError`).
            ImageNotFoundError: There is no such image in the dataset.
        """

    def get_channel(self, source_key: str, channel: int) -> AnyArray:
        """The pixels of one channel.

        Args:
            source_key: The image.
            channel: The channel, counted from 1.

        Returns:
            An array with the image's axes but ``c``.

        Raises:
            NotFoundError: There is no such channel (it is a `KeyError`).
            UnreadableImageError: The image cannot be read.
        """

    def acquisition_times(self, source_keys: Iterable[str]) -> dict[str, int | None]:
        """The acquisition time of each image, None where it is unknown; no pixels are read."""

    def ingest_into_dataset(self, source_key: str, dataset: ZarrDataset) -> ZarrImageRecord:
        """Ingest an image with its results into a dataset.

        Raises:
            UnreadableImageError: It cannot be ingested.
        """


class ArtifactStore(Protocol):
    """Where an image's metadata payload and results are kept."""

    def load_metadata_payload(self, source_key: str) -> dict[str, JsonValue]:
        """The metadata payload.

        Raises:
            MetadataNotFoundError: There is none.
            CorruptDataError: It is not a JSON object.
        """

    def save_metadata_payload(self, source_key: str, payload: Mapping[str, Any]) -> None:
        """Replace the metadata payload in one step."""

    def list_artifacts(self, source_key: str) -> tuple[Artifact, ...]:
        """All results, sorted by name."""

    def load(self, source_key: str, name: str, kind: str) -> Any:
        """A result of any kind.

        Raises:
            ArtifactNotFoundError: There is none (it is a `KeyError`).
            ArtifactKindError: The kind is unknown.
            CorruptDataError: It is damaged.
        """

    def save(self, source_key: str, name: str, value: Any, kind: str) -> None:
        """Write a result of any kind in one step, replacing one of the same name and kind.

        Raises:
            ArtifactKindError: The kind is unknown, or cannot be kept in this store.
        """

    def load_json(self, source_key: str, name: str) -> JsonValue:
        """`load` a JSON artifact."""
        value: JsonValue = self.load(source_key, name, "json")
        return value

    def save_json(self, source_key: str, name: str, value: JsonValue) -> None:
        """`save` a JSON artifact."""
        self.save(source_key, name, value, "json")

    def load_df(self, source_key: str, name: str) -> pd.DataFrame:
        """`load` a table."""
        frame: pd.DataFrame = self.load(source_key, name, "table")
        return frame

    def save_df(self, source_key: str, name: str, df: pd.DataFrame) -> None:
        """`save` a table."""
        self.save(source_key, name, df, "table")

    def load_array(self, source_key: str, name: str) -> AnyArray:
        """`load` an array."""
        array: AnyArray = self.load(source_key, name, "array")
        return array

    def save_array(self, source_key: str, name: str, array: AnyArray) -> None:
        """`save` an array."""
        self.save(source_key, name, array, "array")


def channel_index(source_key: str, channel: int, count: int) -> int:
    """The position of one of an image's channels, which count from 1."""
    if not 1 <= channel <= count:
        raise NotFoundError(
            source_key, f"{source_key!r} has no channel {channel!r}; it has channels 1 to {count}"
        )
    return channel - 1
