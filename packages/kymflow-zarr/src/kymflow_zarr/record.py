"""One image of a dataset: its pixels, and the results and notes kept with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kymflow_zarr._artifacts.array_kind import LabeledArray
from kymflow_zarr._artifacts.json_kind import JSON
from kymflow_zarr._html import facts_html
from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._readers.headers.payload import read_payload_header
from kymflow_zarr._records.artifacts import RecordArtifacts
from kymflow_zarr._records.bounds import image_bounds
from kymflow_zarr._records.document import RecordDocument, image_folder
from kymflow_zarr._records.facts import METADATA
from kymflow_zarr._records.format1 import find_record_document
from kymflow_zarr._records.pixels import load_pixels, open_pixels
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr._storage.names import check_segment
from kymflow_zarr.errors import (
    ArtifactNotFoundError,
    CorruptDataError,
    ImageNotFoundError,
    MetadataNotFoundError,
    ReadOnlyError,
)

if TYPE_CHECKING:
    import pandas as pd
    import zarr

__all__ = ["ZarrImageRecord"]

_LOCK_TIMEOUT_S: Final = 60.0


def open_record(blobs: BlobStore, image_id: str, *, writable: bool) -> ZarrImageRecord:
    """Open a committed record.

    Raises:
        ImageNotFoundError: There is none with this id.
    """
    check_segment(image_id, kind="image")
    document = find_record_document(blobs, image_id)
    if document is None:
        raise ImageNotFoundError(image_id)
    return ZarrImageRecord(blobs, document, writable=writable)


def load_header(record: ZarrImageRecord) -> JsonValue:
    """The ``header`` in a record's metadata payload; None if there is none.

    Raises:
        CorruptDataError: The payload is damaged.
    """
    try:
        return record.load_metadata_payload().get("header")
    except MetadataNotFoundError:
        return None


class ZarrImageRecord:
    """One image's pixels and artifacts. Get one from `ZarrDataset.record`.

    Pixels are write-once. Artifacts are named results: JSON documents, tables (Parquet), arrays.
    A name is one or more ``/``-separated segments ``[A-Za-z0-9][A-Za-z0-9._-]{0,119}``.

    Every method that reads raises `CorruptDataError` for bytes that fail their checksum or decoder,
    and every method that writes raises `ReadOnlyError` on a dataset opened with ``mode="r"``,
    `InvalidNameError` for a name that cannot be a file everywhere, and `ImageNotFoundError` if the
    image was deleted meanwhile.

    A record can be pickled, and so can `open_array`: processes and Dask workers open the dataset by
    its path or URL. Of a dataset in memory neither can, and pickling is a `TypeError`.
    """

    def __init__(self, blobs: BlobStore, document: RecordDocument, *, writable: bool) -> None:
        self._blobs = blobs
        self._document = document
        self._writable = writable

    def __repr__(self) -> str:
        return f"ZarrImageRecord({self.image_id!r}, ({self._size()}), {self.dtype.name})"

    def _repr_html_(self) -> str:
        facts = {
            "image": self.image_id,
            "size": self._size(),
            "type": self.dtype.name,
            "created": self.created_utc or "unknown",
        }
        return facts_html("ZarrImageRecord", facts)

    def _size(self) -> str:
        lengths = zip(self.get_axes(), self.shape, strict=True)
        return ", ".join(f"{axis}: {length:,}" for axis, length in lengths)

    # --- identity -----------------------------------------------------------------------------

    @property
    def image_id(self) -> str:
        """The id of this image, unique in its dataset and beyond."""
        return self._document.image_id

    @property
    def dataset_location(self) -> str:
        """The path or URL of its dataset."""
        return self._blobs.location

    @property
    def shape(self) -> tuple[int, ...]:
        """The pixels' shape, in the order of `get_axes`."""
        return self._document.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixels' data type."""
        return self._document.dtype

    @property
    def created_utc(self) -> str:
        """When the record was created, ISO 8601 in UTC."""
        return self._document.created_utc

    @property
    def pixels_digest(self) -> str:
        """``"sha256:<hex>"`` over the pixels in C order, little-endian; empty in format 1."""
        return self._document.digest

    @property
    def writable(self) -> bool:
        """Whether artifacts can be written."""
        return self._writable

    def get_axes(self) -> tuple[str, ...]:
        """A name for each dimension: ``("t", "x")`` is a kymograph, lines by pixels."""
        return self._document.axes

    def get_image_bounds(self) -> dict[str, int]:
        """The size of one picture, and how many there are.

        Returns:
            ``width`` (length of the last picture axis: pixels along a line), ``height`` (length of
            the one before: lines of a kymograph) and ``num_slices`` (length of the ``z`` axis,
            or 1).
        """
        return image_bounds(self.get_axes(), self.shape)

    def get_coordinates(self) -> dict[str, NDArray[np.float64]]:
        """Where the pixels are along each axis whose step is known by the metadata payload.

        Returns:
            Axis → positions, the first of them 0: in seconds for times, in micrometres for lengths.
        """
        steps = read_payload_header(load_header(self), shape=self.shape).steps
        return {
            axis: np.arange(length, dtype=np.float64) * steps[axis].value
            for axis, length in zip(self.get_axes(), self.shape, strict=True)
            if axis in steps
        }

    # --- pixels -------------------------------------------------------------------------------

    def load_array(self) -> AnyArray:
        """All pixels, each chunk checked.

        Returns:
            An array of `shape` and `dtype`.

        Raises:
            ImageNotFoundError: The image was deleted since.
        """
        return load_pixels(self._blobs, self._document)

    def open_array(self) -> zarr.Array[Any]:
        """The pixels as a lazy, read-only Zarr array: slicing reads just the chunks it needs."""
        return open_pixels(self._blobs, self._document)

    # --- artifacts ----------------------------------------------------------------------------

    @property
    def artifacts(self) -> RecordArtifacts:
        """The results and notes that are kept with the image, as a mapping by name."""
        return RecordArtifacts(self._blobs, self._document, writable=self._writable)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other writers that ask for this from changing images of the dataset during a block.

        So an artifact can be read, changed and written without losing what another one wrote. It
        cannot be nested.

        Raises:
            LockedError: Another writer held it for a minute.
        """
        if not self._writable:
            raise ReadOnlyError("change the image")
        with self._blobs.lock("records", action="change an image", timeout_s=_LOCK_TIMEOUT_S):
            yield

    def save_json(self, name: str, value: JsonValue | Mapping[str, Any]) -> str:
        """Write a JSON artifact: UTF-8, indented, replaced in one step.

        Args:
            name: The artifact's name.
            value: Plain JSON: no NaN, no NumPy scalars, text keys only. Tuples become lists.

        Returns:
            The key that it is stored under, relative to the dataset's root.

        Raises:
            ValueError: A value that JSON does not have.
            TypeError: An object that JSON does not have.
        """
        return self.artifacts.save(name, value, "json")

    def load_json(self, name: str) -> JsonValue:
        """Read a JSON artifact; a legacy ``.json.gz`` serves where there is no ``.json``.

        Raises:
            ArtifactNotFoundError: There is neither (it is a `KeyError`).
            CorruptDataError: It is not JSON.
        """
        value: JsonValue = self.artifacts.load(name, "json")
        return value

    def save_metadata_payload(self, payload: Mapping[str, Any]) -> str:
        """Replace the metadata payload (``header``, ``experiment_metadata``, ``rois``, …).

        Returns:
            The key that it is stored under.
        """
        return self.save_json(METADATA, payload)

    def load_metadata_payload(self) -> dict[str, JsonValue]:
        """Read the metadata payload.

        Raises:
            MetadataNotFoundError: There is none.
            CorruptDataError: It is not a JSON object.
        """
        try:
            payload = self.load_json(METADATA)
        except ArtifactNotFoundError as error:
            raise MetadataNotFoundError(error.key, image_id=self.image_id) from error
        if not isinstance(payload, dict):
            key = f"{image_folder(self.image_id)}/{JSON.path(METADATA)}"
            raise CorruptDataError(key, "the metadata payload is not a JSON object")
        return payload

    def save_df_parquet(self, name: str, df: pd.DataFrame) -> str:
        """Write a table artifact as Parquet; an index of unnamed whole numbers is dropped.

        Returns:
            The key that it is stored under.

        Raises:
            TypeError: It is not a frame.
            SchemaValidationError: An index would be lost, or a column cannot be kept as it is
                (`ColumnError`): the message names it, what it holds and what to do.
        """
        return self.artifacts.save(name, df, "table")

    def load_df_parquet(self, name: str) -> pd.DataFrame:
        """Read a table artifact.

        Raises:
            ArtifactNotFoundError: There is none (it is a `KeyError`).
        """
        frame: pd.DataFrame = self.artifacts.load(name, "table")
        return frame

    def save_df_csv_gz(self, name: str, df: pd.DataFrame) -> str:
        """Write a table artifact as gzipped CSV, which keeps no column types.

        Returns:
            The key that it is stored under.

        Raises:
            SchemaValidationError: A value would come back as another one: text such as ``"1"``, an
                empty text, a date. `save_df_parquet` keeps them.
        """
        return self.artifacts.save(name, df, "csv")

    def load_df_csv_gz(self, name: str) -> pd.DataFrame:
        """Read a table artifact from gzipped CSV.

        Raises:
            ArtifactNotFoundError: There is none (it is a `KeyError`).
        """
        frame: pd.DataFrame = self.artifacts.load(name, "csv")
        return frame

    def save_array_artifact(
        self,
        name: str,
        array: ArrayLike,
        *,
        axes: tuple[str, ...] | None = None,
        chunks: tuple[int, ...] | None = None,
    ) -> str:
        """Write an array artifact, replacing one of the same name (see `RecordArtifacts.save`).

        Args:
            name: One segment, no ``/``.
            array: Booleans, integers or floats, at least one; any array, or lists of numbers.
            axes: A name for each dimension; ``dim_0``, ``dim_1``, … if None.
            chunks: A chunk shape; chosen if None.

        Returns:
            The key of its folder.
        """
        value = LabeledArray(array=array, axes=axes, chunks=chunks)
        return self.artifacts.save(name, value, "array")

    def load_array_artifact(self, name: str) -> AnyArray:
        """Read an array artifact.

        Raises:
            ArtifactNotFoundError: There is none (it is a `FileNotFoundError`).
        """
        array: AnyArray = self.artifacts.load(name, "array")
        return array

    def list_array_artifacts(self) -> list[str]:
        """The names of all array artifacts, sorted."""
        return [found.name for found in self.artifacts.entries() if found.kind == "array"]

    def list_analysis_keys(self) -> list[str]:
        """The keys of all artifacts but arrays, relative to the dataset's root, sorted."""
        return sorted(found.key for found in self.artifacts.entries() if found.kind != "array")

    def delete_analysis(self, *, suffixes: Iterable[str] | None = None) -> list[str]:
        """Delete results: the artifacts whose keys end in one of the suffixes, by default all.

        The metadata payload, the provenance and the vendor's header are not results and stay; so do
        arrays. Results that should be there but are gone no longer count as missing.

        Returns:
            The keys that were deleted.

        Raises:
            SchemaValidationError: A suffix that no artifact has.
        """
        return self.artifacts.delete_results(None if suffixes is None else tuple(suffixes))
