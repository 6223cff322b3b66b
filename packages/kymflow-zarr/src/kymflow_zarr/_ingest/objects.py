"""Images that are objects of another program, as code for kymflow's prototype has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from kymflow_zarr.dataset import ZarrDataset
    from kymflow_zarr.record import ZarrImageRecord


@runtime_checkable
class HasChannels(Protocol):
    """An image that gives the pixels of one channel."""

    def get_channel(self, channel: int, /) -> ArrayLike:
        """The pixels of a channel, counted from 1."""


@runtime_checkable
class HasChannelData(Protocol):
    """An image that gives the pixels of one channel, by the name of the prototype."""

    def getChannelData(self, channel: int, /) -> ArrayLike:  # noqa: N802
        """The pixels of a channel, counted from 1."""


@runtime_checkable
class Ingestible(Protocol):
    """An image that brings all its channels and results into a dataset, such as `AcqImageV01`."""

    def ingest_into_dataset(self, dataset: ZarrDataset, /) -> ZarrImageRecord:
        """Ingest it; returns its record."""


@runtime_checkable
class HasMetadata(Protocol):
    """An image that has a metadata payload."""

    def load_metadata_payload(self) -> Mapping[str, Any] | None:
        """The payload; None, or a `FileNotFoundError`, where there is none."""


ChannelSource: TypeAlias = HasChannels | HasChannelData
"""An image whose first channel can be ingested, see `ZarrDataset.ingest_image`."""


def channel_of(image: ChannelSource) -> ArrayLike:
    """The pixels of an image's first channel."""
    if isinstance(image, HasChannels):
        return image.get_channel(1)
    return image.getChannelData(1)


def metadata_of(image: object) -> Mapping[str, Any] | None:
    """The metadata payload of an image, if it has one."""
    if not isinstance(image, HasMetadata):
        return None
    try:
        return image.load_metadata_payload()
    except FileNotFoundError:
        return None
