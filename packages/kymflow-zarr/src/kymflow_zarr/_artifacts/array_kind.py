"""Arrays: each a Zarr array in its own folder, and ``.npy`` as a plain file."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from kymflow_zarr._artifacts.kind import ArtifactKind, not_stored
from kymflow_zarr._pixels.array_like import as_pixels
from kymflow_zarr._pixels.check import check_chunks, check_format1_array
from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._pixels.format1 import FORMAT1_DOCUMENT, read_format1_array
from kymflow_zarr._pixels.layout import check_dtype
from kymflow_zarr._pixels.reader import read_document, read_replaceable_array
from kymflow_zarr._pixels.writer import write_whole_array
from kymflow_zarr._problems import Problem, damage_problem
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore, PutFile
from kymflow_zarr._storage.names import check_segment
from kymflow_zarr.errors import CorruptDataError

_MAX_NDIM: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabeledArray:
    """An array to be stored, with what is not in the array itself.

    Attributes:
        array: Booleans, integers or floats, at least one; any array, or lists of numbers.
        axes: A name for each dimension; ``dim_0``, ``dim_1``, … if None.
        chunks: A chunk shape; chosen if None.
    """

    array: ArrayLike
    axes: tuple[str, ...] | None = None
    chunks: tuple[int, ...] | None = None


class ArrayKind(ArtifactKind):
    """NumPy arrays, or `LabeledArray`. Nothing is ever unpickled."""

    name = "array"
    suffixes = ()
    sidecar_suffixes = (".npy",)
    root = "analysis_arrays"

    def accepts(self, value: object) -> bool:
        """Arrays."""
        return isinstance(value, np.ndarray | LabeledArray)

    def check_name(self, name: str) -> None:
        """Refuse a name that cannot be a folder everywhere: it is one segment, no ``/``."""
        check_segment(name, kind="array")

    def encode(self, value: AnyArray) -> bytes:
        """NPY, little-endian and in C order."""
        plain = np.ascontiguousarray(value, dtype=check_dtype(value.dtype)).reshape(value.shape)
        stream = io.BytesIO()
        np.lib.format.write_array(stream, plain, allow_pickle=False)
        return stream.getvalue()

    def decode(self, data: bytes, *, key: str) -> AnyArray:
        """An array of plain numbers from NPY, in C order and native byte order.

        What the header declares is compared with the file before memory is reserved for it.
        """
        file = io.BytesIO(data)
        shape, dtype = _npy_header(file)
        if dtype.hasobject:
            raise CorruptDataError(
                key, "it holds Python objects, which are never unpickled; save plain numbers"
            )
        declared, held = math.prod(shape) * dtype.itemsize, len(data) - file.tell()
        if declared != held or len(shape) > _MAX_NDIM or min(shape, default=0) < 0:
            raise CorruptDataError(
                key, f"its header declares {declared} bytes of shape {shape}, but it holds {held}"
            )
        file.seek(0)
        array: AnyArray = np.lib.format.read_array(file, allow_pickle=False)
        return np.ascontiguousarray(array, dtype=dtype.newbyteorder("=")).reshape(shape)

    def write(self, value: AnyArray | LabeledArray, *, key: str, put: PutFile) -> None:
        """Store an array as Zarr, chunk by chunk."""
        labeled = value if isinstance(value, LabeledArray) else LabeledArray(array=value)
        write_whole_array(
            np.asarray(as_pixels(labeled.array)),
            axes=labeled.axes,
            chunks=labeled.chunks,
            put=lambda file, data: put(f"{key}/{file}", data),
        )

    def exists(self, blobs: BlobStore, key: str) -> bool:
        """Whether there is an array; a folder without its document does not count."""
        return any(
            blobs.stat(f"{key}/{document}") is not None
            for document in (COMMIT_KEY, FORMAT1_DOCUMENT)
        )

    def read(self, blobs: BlobStore, key: str) -> AnyArray:
        """The stored array, every chunk checked."""
        array = read_replaceable_array(blobs, key)
        if array is not None:
            return array
        if blobs.stat(f"{key}/{FORMAT1_DOCUMENT}") is None:
            raise not_stored(key)
        return read_format1_array(blobs, key)

    def check(self, blobs: BlobStore, key: str, *, deep: bool) -> Iterator[Problem]:
        """Whether each chunk exists and, if `deep`, holds what was written."""
        try:
            document = read_document(blobs, key)
        except CorruptDataError as error:
            yield damage_problem(error)
            return
        if document is not None:
            yield from check_chunks(blobs, key, document, deep=deep)
        elif blobs.stat(f"{key}/{FORMAT1_DOCUMENT}") is None:
            yield Problem(
                location=f"{key}/{COMMIT_KEY}",
                kind="missing",
                message="the array's document is missing",
            )
        elif deep:
            yield from check_format1_array(blobs, key)

    def axes(self, blobs: BlobStore, key: str) -> tuple[str, ...]:
        """The names of the dimensions; none in format 1."""
        try:
            document = read_document(blobs, key)
        except CorruptDataError:  # exporting the array reports it
            return ()
        return () if document is None else document.axes

    def restore(self, data: bytes, *, key: str, axes: tuple[str, ...] = ()) -> LabeledArray:
        """The array with the names of its dimensions."""
        return LabeledArray(array=self.decode(data, key=key), axes=axes or None)


def _npy_header(file: io.BytesIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of the npy format is not supported")
    return shape, dtype


ARRAY: Final = ArrayKind()
