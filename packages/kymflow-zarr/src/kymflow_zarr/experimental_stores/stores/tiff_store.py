"""Pixels of a folder of image files. The ``source_key`` is the path of the channel-1 file."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kymflow_zarr._ingest.folder import images_in, list_folder
from kymflow_zarr._ingest.scan import scan_file
from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._readers.header import Header
from kymflow_zarr._readers.image_file import ImageFile, open_image, read_header
from kymflow_zarr.errors import UnreadableImageError
from kymflow_zarr.experimental_stores.stores.base import PixelFacts, channel_index
from kymflow_zarr.options import IngestOptions

if TYPE_CHECKING:
    from kymflow_zarr.dataset import ZarrDataset
    from kymflow_zarr.record import ZarrImageRecord

logger = logging.getLogger(__name__)


class TiffPixelStore:
    """Reads the image files of all readers as an ingest would. See `base.PixelStore`.

    Files that differ in the number of their channel only (``_c1``/``_c2``, ``_ch1``/``_ch2``) are
    one image with a leading axis ``c``; channels count from 1 in the order of their files.
    """

    def load_facts(self, source_key: str) -> PixelFacts:
        """What the file and those beside it say; its pixels are not read."""
        path = Path(source_key)
        count = len(_channel_files(path))
        header = _read_header(path)
        shape, axes = header.shape, header.axes
        if count > 1:
            shape, axes = (count, *shape), ("c", *axes)
        return PixelFacts(
            shape=shape,
            dtype=header.dtype,
            axes=axes,
            scale={axis: step for axis, step in header.scale.items() if step is not None},
            unit={axis: unit for axis, unit in header.unit.items() if unit is not None},
            acquired_local_epoch_ns=header.acquired_local_epoch_ns,
        )

    def get_channel(self, source_key: str, channel: int) -> AnyArray:
        """One channel's pixels; of several files just the channel's own is read."""
        path = Path(source_key)
        files = _channel_files(path)
        if len(files) > 1:
            with _open(files[channel_index(source_key, channel, len(files))]) as image:
                return image.read()
        axes = _read_header(path).axes
        with _open(path) as image:
            at = axes.index("c") if "c" in axes else None
            index = channel_index(source_key, channel, 1 if at is None else image.shape[at])
            whole = image.read()
        return whole if at is None else np.ascontiguousarray(whole.take(index, axis=at))

    def acquisition_times(self, source_keys: Iterable[str]) -> dict[str, int | None]:
        """Each image's acquisition time; each file's headers are read, and no pixels."""
        times: dict[str, int | None] = {}
        for source_key in source_keys:
            try:
                times[source_key] = self.load_facts(source_key).acquired_local_epoch_ns
            except UnreadableImageError as error:
                logger.warning("its acquisition time counts as unknown: %s", error)
                times[source_key] = None
        return times

    def ingest_into_dataset(self, source_key: str, dataset: ZarrDataset) -> ZarrImageRecord:
        """Ingest the file, with its channels and the results beside it."""
        return dataset.ingest_image(source_key)


def _channel_files(path: Path) -> tuple[Path, ...]:
    return scan_file(path, options=IngestOptions()).files


@contextmanager
def _open(path: Path) -> Iterator[ImageFile]:
    listing = list_folder(path.parent)
    with open_image(path, images_in(listing).get(path.name)) as image:
        yield image


def _read_header(path: Path) -> Header:
    with _open(path) as image:
        return read_header(image, list_folder(path.parent))
