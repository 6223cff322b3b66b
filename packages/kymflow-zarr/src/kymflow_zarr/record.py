"""One image of a dataset: its pixels, and the results and notes kept with it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._pixels.layout import ArrayDocument, check_dtype
from kymflow_zarr._pixels.reader import read_array, read_document, read_replaceable_array
from kymflow_zarr._pixels.writer import write_array
from kymflow_zarr._records.artifacts import (
    ANALYSIS,
    ARRAYS,
    CSV_GZ,
    JSON,
    JSON_GZ,
    METADATA,
    PARQUET,
    RESERVED,
    array_names,
    artifact_key,
    iter_artifact_keys,
)
from kymflow_zarr._records.bounds import image_bounds
from kymflow_zarr._records.build import check_axes, resolve_chunks, slabs
from kymflow_zarr._records.document import RecordDocument, image_folder
from kymflow_zarr._records.expected import (
    enter_artifacts,
    expected_artifacts,
    strike_artifacts,
)
from kymflow_zarr._records.format1 import (
    find_record_document,
    open_format1_array,
    read_format1_array,
)
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.gunzip import gunzip_bounded
from kymflow_zarr._storage.inventory import read_inventory
from kymflow_zarr._storage.json_text import JsonValue, dumps, loads
from kymflow_zarr._storage.names import check_no_collision, check_segment
from kymflow_zarr._storage.siblings import check_writable
from kymflow_zarr._tables.parquet import (
    frame_to_table,
    read_parquet,
    table_to_frame,
    write_parquet,
)
from kymflow_zarr._views.html import record_html
from kymflow_zarr.errors import (
    ArtifactNotFoundError,
    CorruptDataError,
    ImageNotFoundError,
    MetadataNotFoundError,
    ReadOnlyError,
    SchemaValidationError,
)

if TYPE_CHECKING:
    import pandas as pd
    import zarr

__all__ = ["ZarrImageRecord"]

_MAX_JSON_BYTES = 64 * 2**20
_RESULT_SUFFIXES = (JSON, JSON_GZ, PARQUET, CSV_GZ)


class ZarrImageRecord:
    """One image's pixels and artifacts. Get one from `ZarrDataset.record`.

    Pixels are write-once. Artifacts are named results: JSON documents, tables (Parquet), arrays.
    A name is one or more ``/``-separated segments ``[A-Za-z0-9][A-Za-z0-9._-]{0,119}``.

    Every method that reads raises `CorruptDataError` for bytes that fail their checksum or decoder,
    and every method that writes raises `ReadOnlyError` on a dataset opened with ``mode="r"``,
    `InvalidNameError` for a name that cannot be a file everywhere, and `ImageNotFoundError` if the
    image was deleted meanwhile.
    """

    def __init__(self, blobs: BlobStore, document: RecordDocument, *, writable: bool) -> None:
        self._blobs = blobs
        self._document = document
        self._writable = writable

    @classmethod
    def open(cls, blobs: BlobStore, image_id: str, *, writable: bool) -> ZarrImageRecord:
        """Open a committed record.

        Raises:
            ImageNotFoundError: There is none with this id.
        """
        check_segment(image_id, kind="image")
        document = find_record_document(blobs, image_id)
        if document is None:
            raise ImageNotFoundError(image_id)
        return cls(blobs, document, writable=writable)

    def __repr__(self) -> str:
        axes = ", ".join(
            f"{axis}: {length}" for axis, length in zip(self.get_axes(), self.shape, strict=True)
        )
        return f"ZarrImageRecord({self.image_id!r}, ({axes}), {self.dtype.name})"

    def _repr_html_(self) -> str:
        return record_html(
            image_id=self.image_id,
            axes=self.get_axes(),
            shape=self.shape,
            dtype=self.dtype.name,
            created_utc=self.created_utc,
        )

    # --- identity -----------------------------------------------------------------------------

    @property
    def image_id(self) -> str:
        """The id of this image, unique in its dataset and beyond."""
        return self._document.image_id

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

    # --- pixels -------------------------------------------------------------------------------

    def load_array(self) -> AnyArray:
        """All pixels, each chunk checked.

        Returns:
            An array of `shape` and `dtype`.
        """
        document = self._pixels()
        if document is None:
            return read_format1_array(self._blobs, self._pixels_key())
        return read_array(self._blobs, self._pixels_key(), document)

    def open_array(self) -> zarr.Array[Any]:
        """The pixels as a lazy, read-only Zarr array: slicing reads just the chunks it needs."""
        document = self._pixels()
        if document is None:
            return open_format1_array(self._blobs, self._pixels_key())
        import zarr

        from kymflow_zarr._pixels.view import CheckedArrayStore

        store = CheckedArrayStore(self._blobs, self._pixels_key(), document)
        return zarr.open_array(store, mode="r", zarr_format=3)

    def _pixels_key(self) -> str:
        return f"{image_folder(self.image_id)}/data"

    def _pixels(self) -> ArrayDocument | None:
        """The document of the pixels; None in format 1."""
        if not self._document.digest:
            return None
        found = read_document(self._blobs, self._pixels_key())
        key = f"{self._pixels_key()}/{COMMIT_KEY}"
        if found is None:
            raise CorruptDataError(key, "the pixels' document is missing")
        if (found.digest, found.shape, found.dtype) != (
            self._document.digest,
            self.shape,
            self.dtype,
        ):
            raise CorruptDataError(key, "it describes other pixels than the record's document")
        return found

    # --- JSON artifacts -----------------------------------------------------------------------

    def save_json(self, name: str, value: JsonValue | Mapping[str, Any]) -> str:
        """Write a JSON artifact: UTF-8, indented, replaced in one step.

        Args:
            name: The artifact's name.
            value: Plain JSON: no NaN, no NumPy scalars, text keys only.

        Returns:
            The key that it lies under, relative to the dataset's root.

        Raises:
            ValueError: A value that JSON does not have.
            TypeError: An object that JSON does not have.
        """
        with self._artifact(name, JSON) as key:
            self._blobs.put(key, dumps(dict(value) if isinstance(value, Mapping) else value))
        return key

    def load_json(self, name: str) -> JsonValue:
        """Read a JSON artifact; a legacy ``.json.gz`` serves where there is no ``.json``.

        Raises:
            ArtifactNotFoundError: There is neither (it is a `KeyError`).
            CorruptDataError: It is there but is no JSON.
        """
        key = artifact_key(self.image_id, name, JSON)
        data = self._blobs.get(key)
        if data is not None:
            return loads(data, key=key)
        legacy = artifact_key(self.image_id, name, JSON_GZ)
        packed = self._blobs.get(legacy)
        if packed is None:
            raise ArtifactNotFoundError(key, image_id=self.image_id, name=name)
        # Prototypes wrote plain text under the .gz name, too.
        if packed[:2] == b"\x1f\x8b":
            packed = gunzip_bounded(packed, key=legacy, limit=_MAX_JSON_BYTES)
        return loads(packed, key=legacy)

    def save_metadata_payload(self, payload: Mapping[str, Any]) -> str:
        """Replace the metadata payload (``header``, ``experiment_metadata``, ``rois``, …).

        Returns:
            The key that it lies under.
        """
        return self.save_json(METADATA, payload)

    def load_metadata_payload(self) -> dict[str, JsonValue]:
        """Read the metadata payload.

        Raises:
            MetadataNotFoundError: There is none.
            CorruptDataError: It is no JSON object.
        """
        try:
            payload = self.load_json(METADATA)
        except ArtifactNotFoundError as error:
            raise MetadataNotFoundError(error.key, image_id=self.image_id) from error
        if not isinstance(payload, dict):
            raise CorruptDataError(
                artifact_key(self.image_id, METADATA, JSON),
                "the metadata payload is no JSON object",
            )
        return payload

    # --- table artifacts ----------------------------------------------------------------------

    def save_df_parquet(self, name: str, df: pd.DataFrame) -> str:
        """Write a table artifact as Parquet; the index is dropped.

        Returns:
            The key that it lies under.

        Raises:
            SchemaValidationError: A column that Parquet cannot hold; the message names it.
        """
        with self._artifact(name, PARQUET) as key:
            write_parquet(self._blobs, key, frame_to_table(df, what=f"artifact {name!r}"))
        return key

    def load_df_parquet(self, name: str) -> pd.DataFrame:
        """Read a table artifact.

        Raises:
            ArtifactNotFoundError: There is none (it is a `KeyError`).
        """
        key = artifact_key(self.image_id, name, PARQUET)
        table = read_parquet(self._blobs, key)
        if table is None:
            raise ArtifactNotFoundError(key, image_id=self.image_id, name=name)
        return table_to_frame(table, key=key)

    def save_df_csv_gz(self, name: str, df: pd.DataFrame) -> str:
        """Write a table artifact as gzipped CSV, which keeps no column types.

        Returns:
            The key that it lies under.
        """
        with self._artifact(name, CSV_GZ) as key:
            stream = io.BytesIO()
            df.to_csv(stream, index=False, compression={"method": "gzip", "mtime": 0})
            self._blobs.put(key, stream.getvalue())
        return key

    def load_df_csv_gz(self, name: str) -> pd.DataFrame:
        """Read a table artifact from gzipped CSV.

        Raises:
            ArtifactNotFoundError: There is none (it is a `KeyError`).
        """
        import pandas as pd

        key = artifact_key(self.image_id, name, CSV_GZ)
        data = self._blobs.get(key)
        if data is None:
            raise ArtifactNotFoundError(key, image_id=self.image_id, name=name)
        text = gunzip_bounded(data, key=key, limit=16 * _MAX_JSON_BYTES, one_member=True)
        if not text.strip():  # a table without columns
            return pd.DataFrame()
        try:
            return pd.read_csv(io.BytesIO(text))
        except (pd.errors.ParserError, UnicodeDecodeError) as error:
            raise CorruptDataError(key, f"it cannot be read as CSV ({error})") from error

    # --- array artifacts ----------------------------------------------------------------------

    def save_array_artifact(
        self,
        name: str,
        array: AnyArray,
        *,
        axes: tuple[str, ...] | None = None,
        chunks: tuple[int, ...] | None = None,
    ) -> str:
        """Write an array artifact, replacing one of the same name.

        On Linux and macOS the new one takes the old one's place in one step. Where the system has
        no call for that, a reader that comes at that instant finds neither, and so does everyone
        after a writer that is killed just then.

        Args:
            name: One segment, no ``/``.
            array: Any array of booleans, integers or floats with at least one element.
            axes: A name for each dimension; ``dim_0``, ``dim_1``, … if None.
            chunks: A chunk shape; chosen if None.

        Returns:
            The key of its folder.
        """
        self._require_writable(f"write the array {name!r}")
        check_segment(name, kind="array")
        parent = f"{image_folder(self.image_id)}/{ARRAYS}"
        existing = self._blobs.list_folder(parent).folders
        check_no_collision(name, existing, kind="array")
        named = axes or tuple(f"dim_{number}" for number in range(array.ndim))
        check_axes(named, array.shape)
        dtype = check_dtype(array.dtype)
        shape = resolve_chunks(array.shape, dtype, chunks)
        with self._blobs.staging(parent) as staging:
            write_array(
                slabs(array, shape[0]),
                shape=array.shape,
                dtype=dtype,
                chunks=shape,
                axes=named,
                put=lambda key, data: staging.put(f"{name}/{key}", data),
            )
            staging.publish([name], replace=True)
        if name not in existing:
            enter_artifacts(self._blobs, self._document, [f"{parent}/{name}"])
        return f"{parent}/{name}"

    def load_array_artifact(self, name: str) -> AnyArray:
        """Read an array artifact.

        Raises:
            ArtifactNotFoundError: There is none (it is a `FileNotFoundError`).
        """
        check_segment(name, kind="array")
        folder = f"{image_folder(self.image_id)}/{ARRAYS}/{name}"
        array = read_replaceable_array(self._blobs, folder)
        if array is not None:
            return array
        if self._blobs.stat(f"{folder}/.zarray") is None:
            raise ArtifactNotFoundError(folder, image_id=self.image_id, name=name)
        return read_format1_array(self._blobs, folder)

    def list_array_artifacts(self) -> list[str]:
        """The names of all array artifacts, sorted."""
        parent = f"{image_folder(self.image_id)}/{ARRAYS}"
        return [
            name
            for name in array_names(self._blobs, self.image_id)
            if self._blobs.stat(f"{parent}/{name}/{COMMIT_KEY}") is not None
            or self._blobs.stat(f"{parent}/{name}/.zarray") is not None
        ]

    # --- all artifacts ------------------------------------------------------------------------

    def list_analysis_keys(self) -> list[str]:
        """The keys of all JSON and table artifacts, relative to the dataset's root, sorted."""
        return sorted(iter_artifact_keys(self._blobs, self.image_id))

    def delete_analysis(self, *, suffixes: Iterable[str] = _RESULT_SUFFIXES) -> list[str]:
        """Delete results: the artifacts whose keys end in one of the suffixes.

        The metadata payload, the provenance and the vendor's header are no results and stay.
        Results that should be there but are gone no longer count as missing.

        Returns:
            The keys that were deleted.

        Raises:
            SchemaValidationError: A suffix that no artifact has.
        """
        self._require_writable("delete artifacts")
        asked = tuple(suffixes)
        for suffix in asked:
            if suffix not in _RESULT_SUFFIXES:
                raise SchemaValidationError(
                    f"{suffix!r} is no suffix of artifacts; use some of {_RESULT_SUFFIXES!r}"
                )
        kept = {
            artifact_key(self.image_id, name, suffix)
            for name in RESERVED
            for suffix in (JSON, JSON_GZ)
        }
        there = self.list_analysis_keys()
        doomed = {key for key in there if key.endswith(asked)} - kept
        inventory = read_inventory(self._blobs, image_folder(self.image_id))
        missing = expected_artifacts(self._document, inventory) - set(there) - kept
        gone = {key for key in missing if key.endswith(asked)}
        strike_artifacts(self._blobs, self._document, doomed | gone)
        for key in sorted(doomed):
            self._blobs.delete(key)
        return sorted(doomed)

    @contextmanager
    def _artifact(self, name: str, suffix: str) -> Iterator[str]:
        """The key to publish an artifact under; what the block publishes is entered then."""
        self._require_writable(f"write the artifact {name!r}")
        key = artifact_key(self.image_id, name, suffix)
        folder = f"{image_folder(self.image_id)}/{ANALYSIS}"
        there = check_writable(self._blobs, key, inside=folder, kind="artifact")
        yield key
        if not there:
            enter_artifacts(self._blobs, self._document, [key])

    def _require_writable(self, action: str) -> None:
        if not self._writable:
            raise ReadOnlyError(action)
        # What is written for an image that was deleted meanwhile, nobody would find.
        commit = f"{image_folder(self.image_id)}/{COMMIT_KEY}"
        if self._document.digest and self._blobs.stat(commit) is None:
            raise ImageNotFoundError(self.image_id)
