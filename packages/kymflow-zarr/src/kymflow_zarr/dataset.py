"""One dataset: images by id, tables over all of them, and the files that it grows from."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from kymflow_zarr._catalog.find import find_image_id
from kymflow_zarr._catalog.listing import IMAGES, is_committed, list_image_ids
from kymflow_zarr._catalog.order import Missing, OrderBy, ordered_ids
from kymflow_zarr._catalog.recent_sources import note_deleted
from kymflow_zarr._catalog.sources import SOURCES
from kymflow_zarr._catalog.sources_index import SourcesIndex
from kymflow_zarr._front.access import Access, Mode, check_choice
from kymflow_zarr._front.caches import Caches
from kymflow_zarr._front.conversion import Conversion
from kymflow_zarr._front.flat_names import FlatNames
from kymflow_zarr._front.health import Health
from kymflow_zarr._front.opening import open_dataset, reopen_dataset
from kymflow_zarr._html import facts_html
from kymflow_zarr._ingest.objects import (
    ChannelSource,
    HasChannelData,
    HasChannels,
    Ingestible,
    channel_of,
    metadata_of,
)
from kymflow_zarr._pixels.array_like import LazyArray, as_pixels
from kymflow_zarr._records.document import image_folder
from kymflow_zarr._storage.blobs import Durability
from kymflow_zarr._storage.names import check_segment
from kymflow_zarr._storage.side_by_side import side_by_side
from kymflow_zarr._tables.tables import Tables
from kymflow_zarr.errors import CorruptDataError, ImageNotFoundError, InvalidNameError
from kymflow_zarr.options import IngestOptions
from kymflow_zarr.record import ZarrImageRecord, open_record
from kymflow_zarr.schema import DatasetSchema

if TYPE_CHECKING:
    from zarr import Group
    from zarr.abc.store import Store
    from zarr.storage import StorePath

__all__ = ["ZarrDataset"]

DEFAULT_LOCK_TIMEOUT_S = 60.0


class ZarrDataset(FlatNames, Caches, Conversion, Health, Mapping[str, ZarrImageRecord]):
    """A folder, or any other place for bytes, that holds images, their results and tables.

    It is a mapping of image ids to records: ``len(dataset)``, ``image_id in dataset``,
    ``dataset[image_id]``, and iteration over ids in order. What belongs together is in
    `ZarrDataset.tables` and `ZarrDataset.sources`.

    ``with ZarrDataset(…) as dataset:`` releases what writing holds at the end of the block.

    Args:
        store_or_path: A path, a URL (object stores need the extra ``cloud``), an open Zarr store
            (`zarr.storage.MemoryStore` for tests), or a place in one: a `zarr.Group` or
            `zarr.storage.StorePath`.
        mode: ``"a"`` creates the dataset if there is none, ``"r+"`` needs one, ``"r"`` needs one
            and writes nothing. None stands for ``"a"``, or ``"r"`` for a store that is read-only.
        durability: What a returned call promises on a local disk. ``"batch"`` and ``"record"``:
            what it wrote survives a power cut; ``"batch"`` lets the images of a bulk call share one
            flush, ``"record"`` flushes and shows each on its own. ``"none"``: written, not flushed.
        lock_timeout_s: How long a writer waits for another one before it gives up.

    Raises:
        NotADatasetError: There is no dataset, or something else is there.
        UnsupportedFormatError: It was written by a newer version.
        CorruptDataError: Its root document is damaged.
        ReadOnlyError: It is opened for writing, but the store is read-only.
        TypeError: `store_or_path` cannot hold a dataset.
    """

    def __init__(
        self,
        store_or_path: str | PathLike[str] | Store | StorePath | Group,
        mode: Mode | None = None,
        *,
        durability: Durability = "batch",
        lock_timeout_s: float = DEFAULT_LOCK_TIMEOUT_S,
    ) -> None:
        if mode is not None:
            check_choice("mode", mode, Mode)
        check_choice("durability", durability, Durability)
        self._access = open_dataset(
            store_or_path, mode=mode, durability=durability, lock_timeout_s=lock_timeout_s
        )

    @classmethod
    def _from_access(cls, access: Access) -> ZarrDataset:
        dataset = object.__new__(cls)
        dataset._access = access
        return dataset

    @classmethod
    def _reopen(cls, access: Access) -> ZarrDataset:
        return cls._from_access(reopen_dataset(access))

    def __reduce__(self) -> tuple[object, ...]:
        return self._reopen, (self._access,)

    def __enter__(self) -> ZarrDataset:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._access.blobs.close()

    def __repr__(self) -> str:
        return f"ZarrDataset({self.location!r}, mode={self.mode!r})"

    def _repr_html_(self) -> str:
        facts = {
            "location": self.location,
            "mode": self.mode,
            "format": self.schema.version,
            "images": f"{len(self):,}",
            "tables": ", ".join(self.list_table_names()) or "none",
        }
        return facts_html("ZarrDataset", facts)

    # --- the dataset itself -------------------------------------------------------------------

    @property
    def location(self) -> str:
        """The path or URL."""
        return self._access.blobs.location

    @property
    def mode(self) -> Mode:
        """How the dataset was opened."""
        return self._access.mode

    @property
    def schema(self) -> DatasetSchema:
        """Format version, creation time and software."""
        return self._access.schema

    def as_read_only(self) -> ZarrDataset:
        """The same dataset, through which nothing can be written."""
        return self._from_access(replace(self._access, mode="r"))

    # --- images -------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.list_image_ids())

    def __iter__(self) -> Iterator[str]:
        return iter(self.list_image_ids())

    def __contains__(self, image_id: object) -> bool:
        return isinstance(image_id, str) and is_committed(self._access.blobs, image_id)

    def __getitem__(self, image_id: str) -> ZarrImageRecord:
        try:
            return self.record(image_id)
        except InvalidNameError as error:  # so that `get` agrees with `in`
            raise ImageNotFoundError(image_id) from error

    def __eq__(self, other: object) -> bool:
        # Not that of mappings, which would open and compare every record.
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def list_image_ids(self) -> list[str]:
        """The ids of all images, sorted. The store itself is asked, never a cache."""
        return list_image_ids(self._access.blobs)

    def record(self, image_id: str) -> ZarrImageRecord:
        """Open one image, as ``dataset[image_id]`` does.

        Raises:
            ImageNotFoundError: There is none with this id (it is a `KeyError`).
        """
        return open_record(self._access.blobs, image_id, writable=self.mode != "r")

    def find(self, name: str) -> ZarrImageRecord:
        """Open the image that a person means.

        Args:
            name: An image id, the first characters of one, or the end of the path of the file that
                the image was made of, such as ``"mouse7/run2.tif"``, ``"run2.tif"`` or ``"run2"``.

        Raises:
            ImageNotFoundError: No image has this name.
            AmbiguousImageError: Several do; the error lists them.
        """
        sources = SourcesIndex(self._access.blobs).current()
        return self.record(find_image_id(name, self.list_image_ids(), sources))

    def iter_records(
        self,
        order_by: OrderBy = "image_id",
        *,
        missing: Missing = "last",
    ) -> Iterator[ZarrImageRecord]:
        """All images in order.

        Args:
            order_by: By id, by time of creation, or by time of acquisition.
            missing: Where images go that lack the value to sort by.

        Raises:
            CorruptDataError: An image is damaged; all others have come before.
        """
        check_choice("order_by", order_by, OrderBy)
        check_choice("missing", missing, Missing)
        if order_by == "image_id":
            ids = self.list_image_ids()
        else:
            ids = ordered_ids(self.load_manifest(), order_by, missing)
        return self._existing_records(ids)

    def _existing_records(self, image_ids: Iterable[str]) -> Iterator[ZarrImageRecord]:
        def look(image_id: str) -> ZarrImageRecord | CorruptDataError | None:
            try:
                return self.record(image_id)
            except ImageNotFoundError:  # deleted since it was listed
                return None
            except CorruptDataError as error:
                return error

        damaged: list[CorruptDataError] = []
        for found in side_by_side(self._access.blobs, look, image_ids):
            if isinstance(found, CorruptDataError):
                damaged.append(found)
            elif found is not None:
                yield found
        if damaged:
            raise damaged[0]

    def add_image(
        self,
        arr: ArrayLike | LazyArray,
        *,
        axes: Sequence[str] | None = None,
        chunks: Sequence[int] | None = None,
        scale: Mapping[str, float] | None = None,
        unit: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> ZarrImageRecord:
        """Add an image from an array, in one step.

        Args:
            arr: Pixels: booleans, integers or floats, as an array or as lists of rows. An array of
                dask, zarr, xarray or h5py is read part by part and need not fit into memory.
            axes: A name for each dimension; ``("t", "x")`` for a kymograph ``(time, space)``. If
                None, those of the header in `metadata`; else they follow from the number of
                dimensions: ``y, x``; ``z, y, x``; ``z, y, x, c``; ``t, z, y, x, c``.
            chunks: A chunk shape; chosen if None.
            scale: Axis → distance of two pixels along it.
            unit: Axis → unit of that distance, such as ``"ms"`` or ``"um"``; where it is left out,
                seconds for ``t`` and micrometres for other axes.
            metadata: The metadata payload (``experiment_metadata``, ``rois``, …). It gets a header
                with shape, axes and calibration, as an ingested image has.

        Returns:
            The new record, whole and visible.

        Raises:
            SchemaValidationError: Pixels, axes or steps cannot be stored.
        """
        from kymflow_zarr._ingest.arrays import stage_array

        self._access.require_current_format("add an image")
        pixels = as_pixels(arr)
        image_id = str(uuid.uuid4())
        with self._access.blobs.staging(IMAGES, [image_id]) as staging:
            stage_array(
                staging,
                image_id,
                pixels,
                axes=None if axes is None else tuple(axes),
                chunks=None if chunks is None else tuple(chunks),
                scale=scale,
                unit=unit,
                metadata=metadata,
            )
            staging.publish([image_id])
        return self.record(image_id)

    def ingest_image(
        self,
        src: str | PathLike[str] | ChannelSource | Ingestible,
        *,
        options: IngestOptions | None = None,
    ) -> ZarrImageRecord:
        """Ingest one image, whether or not it was ingested before.

        Args:
            src: An image file, which comes with its sidecars and the files of further channels. Or
                an image of another program: an object with ``get_channel(1)`` or
                ``getChannelData(1)`` and, if it has metadata, ``load_metadata_payload()``. Its
                first channel becomes the image. An `AcqImageV01` comes with all channels and
                results.
            options: For a file: limits, links, channel files and sidecars, where the defaults do
                not fit.

        Raises:
            UnreadableImageError: The file cannot be ingested.
            SchemaValidationError: The object's pixels or metadata cannot be stored.
            TypeError: It is none of these.
        """
        if isinstance(src, str | PathLike):
            return self.record(self.sources.ingest_file(src, options=options))
        self._access.require_current_format("ingest an image")
        if isinstance(src, Ingestible):
            return src.ingest_into_dataset(self)
        if isinstance(src, HasChannels | HasChannelData):
            return self.add_image(channel_of(src), metadata=metadata_of(src))
        raise TypeError(
            f"an image cannot be ingested from a {type(src).__name__!r}; give a path, or an object "
            "with get_channel(1) or getChannelData(1); add_image() takes arrays"
        )

    def delete_image(self, image_id: str) -> None:
        """Delete an image with all its artifacts and its rows in all tables.

        The file that it was made of counts as new again, if it still exists. What is left of a
        damaged image, for example without its commit document, can be deleted, too.

        Raises:
            ImageNotFoundError: There is none with this id.
            InvalidNameError: No image can have this id.
        """
        self._access.require_writable("delete an image")
        check_segment(image_id, kind="image")
        blobs = self._access.blobs
        tables = Tables(blobs)
        with self._access.lock("tables", "delete an image"):
            note_deleted(blobs, image_id)
            was_there = blobs.delete_folder(image_folder(image_id))
            # In any case: a call that was interrupted may have left them.
            tables.forget_image(image_id, [name for name in tables.names() if name != SOURCES])
        if not was_there:
            raise ImageNotFoundError(image_id)
