"""What an array's document says: chunk shape, keys and the Zarr v3 text, without any I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from kymflow_zarr._pixels.codec import codec_documents, is_codec_list
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr._storage.seal import (
    BLANK_SEAL,
    OWN_ATTRIBUTE,
    sealed_bytes,
    unseal_zarr,
)
from kymflow_zarr.errors import CorruptDataError, SchemaValidationError

DEFAULT_CHUNK_BYTES = 8 * 2**20
MAX_CHUNK_BYTES = 512 * 2**20
MAX_ARRAY_BYTES = 2**63 - 1
MAX_NDIM = 8
_INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
_DTYPES = frozenset(["bool", *_INTEGERS, "float16", "float32", "float64"])
CHUNK_PREFIX = "c."
"""How the key of each chunk starts."""

# Chunks are directly in the array's folder: one more folder costs as much as one more file.
_CHUNK_KEYS: dict[str, JsonValue] = {"name": "default", "configuration": {"separator": "."}}


@cache
def check_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The little-endian form of a data type that can be stored.

    Raises:
        SchemaValidationError: Anything but booleans, integers and real floats; objects above all.
    """
    if dtype.name not in _DTYPES:
        raise SchemaValidationError(
            f"cannot store pixels of type {dtype.name!r}; "
            f"convert them to one of {', '.join(sorted(_DTYPES))}"
        )
    return dtype.newbyteorder("<")


@cache
def dtype_name(dtype: np.dtype[Any]) -> str:
    """The name of a data type; NumPy puts it together each time."""
    return dtype.name


def choose_chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """A chunk shape: one chunk up to `DEFAULT_CHUNK_BYTES`, beyond that slabs along the first axes.

    Lines and planes stay whole, and the slabs are of nearly equal height.
    """
    chunks = list(shape)
    for axis, length in enumerate(shape):
        row_bytes = itemsize * math.prod(shape[axis + 1 :])
        if row_bytes > DEFAULT_CHUNK_BYTES:
            chunks[axis] = 1
            continue
        parts = math.ceil(length / max(1, DEFAULT_CHUNK_BYTES // row_bytes))
        chunks[axis] = math.ceil(length / parts)
        break
    return tuple(chunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayDocument:
    """All that is known of a stored array, as its ``zarr.json`` says it.

    Attributes:
        dtype: Its data type, little-endian.
        chunks: The shape of one chunk.
        digest: ``"sha256:<hex>"`` over the elements in C order, little-endian.
        checksums: Key of a chunk in the array's folder (``"c.0.0"``) → its CRC-32C.
        added: What another program has added to the document; None if none has written it.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    axes: tuple[str, ...]
    digest: str
    checksums: Mapping[str, int]
    added: tuple[str, ...] | None = field(default=None, compare=False)

    def to_bytes(self) -> bytes:
        """The sealed Zarr v3 document."""
        return sealed_bytes(self.to_json())

    def to_json(self) -> dict[str, JsonValue]:
        """The document with a blank seal."""
        fill: JsonValue = 0
        if self.dtype.kind == "f":
            fill = 0.0
        elif self.dtype.kind == "b":
            fill = False
        codecs: list[JsonValue] = [*codec_documents(self.dtype)]
        return {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(self.shape),
            "data_type": dtype_name(self.dtype),
            "chunk_grid": {
                "name": "regular",
                "configuration": {"chunk_shape": list(self.chunks)},
            },
            "chunk_key_encoding": _CHUNK_KEYS,
            "fill_value": fill,
            "codecs": codecs,
            "dimension_names": list(self.axes),
            "storage_transformers": [],
            "attributes": {
                OWN_ATTRIBUTE: {
                    "digest": self.digest,
                    "chunk_crc32c": dict(self.checksums),
                    "seal": BLANK_SEAL,
                }
            },
        }

    @classmethod
    def from_bytes(cls, data: bytes, *, key: str) -> ArrayDocument:
        """Read a sealed document.

        Raises:
            CorruptDataError: Something in it was changed, or it is not such a document.
        """
        parsed, added = unseal_zarr(data, key=key, as_written=cls.as_written)
        try:
            return replace(cls._from_json(parsed), added=added)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CorruptDataError(
                key, f"it is not an array document of this format ({error})"
            ) from error

    @classmethod
    def _from_json(cls, parsed: Any) -> ArrayDocument:
        own = parsed["attributes"][OWN_ATTRIBUTE]
        shape = tuple(parsed["shape"])
        document = cls(
            shape=shape,
            dtype=check_dtype(np.dtype(parsed["data_type"])),
            chunks=tuple(parsed["chunk_grid"]["configuration"]["chunk_shape"]),
            axes=named_axes(parsed["dimension_names"], shape),
            digest=own["digest"],
            checksums=own["chunk_crc32c"],
        )
        if not is_codec_list(parsed["codecs"], document.dtype):
            raise SchemaValidationError("its codecs are not the ones that this format names")
        if parsed["chunk_key_encoding"] != _CHUNK_KEYS:
            raise SchemaValidationError("its chunk keys are not encoded as this format requires")
        check_geometry(document.shape, document.chunks, document.dtype)
        # The number first: a forged document may declare any number of chunks.
        count = math.prod(chunk_grid(document.shape, document.chunks))
        names = document.checksums.keys()
        if count != len(names) or names != set(document.chunk_keys()):
            raise SchemaValidationError("its checksums do not name each chunk once")
        return document

    @classmethod
    def as_written(cls, parsed: Any) -> dict[str, JsonValue]:
        """See `seal.AsWritten`."""
        return cls._from_json(parsed).to_json()

    def chunk_keys(self) -> Iterator[str]:
        """Every chunk's key in the array's folder, in C order: ``"c.0.0"``, then ``"c.0.1"``."""
        yield from map(chunk_key, product(*map(range, chunk_grid(self.shape, self.chunks))))

    def region(self, key: str) -> tuple[slice, ...]:
        """The part of the array that a chunk covers."""
        position = (int(index) for index in key.removeprefix(CHUNK_PREFIX).split("."))
        return tuple(
            slice(index * chunk, min((index + 1) * chunk, length))
            for index, chunk, length in zip(position, self.chunks, self.shape, strict=True)
        )


def chunk_grid(shape: tuple[int, ...], chunks: tuple[int, ...]) -> tuple[int, ...]:
    """How many chunks there are along each axis."""
    return tuple(-(-length // chunk) for length, chunk in zip(shape, chunks, strict=True))


def chunk_key(position: Iterable[int]) -> str:
    """The key, in the array's folder, of the chunk at a position in the grid."""
    return CHUNK_PREFIX + ".".join(map(str, position))


def check_geometry(shape: tuple[Any, ...], chunks: tuple[Any, ...], dtype: np.dtype[Any]) -> None:
    """Refuse impossible shapes, before any memory is allocated.

    Raises:
        SchemaValidationError: Too many axes, lengths that are no whole numbers from 1, or an array
            or chunk out of bounds.
    """
    if not 1 <= len(shape) <= MAX_NDIM or len(chunks) != len(shape):
        raise SchemaValidationError(
            f"an array has 1 to {MAX_NDIM} axes and as many chunk lengths, not {shape!r} in "
            f"chunks of {chunks!r}; reshape it"
        )
    if not all(type(length) is int and length > 0 for length in (*shape, *chunks)):
        raise SchemaValidationError(
            f"every axis and chunk must be at least 1 long, as an int, not {shape!r} in chunks of "
            f"{chunks!r}; an empty image cannot be stored"
        )
    if math.prod(shape) * dtype.itemsize > MAX_ARRAY_BYTES:
        raise SchemaValidationError(
            f"an array of shape {shape!r} is larger than {MAX_ARRAY_BYTES} bytes; split it"
        )
    if math.prod(chunks) * dtype.itemsize > MAX_CHUNK_BYTES:
        raise SchemaValidationError(
            f"chunks of {chunks!r} are larger than {MAX_CHUNK_BYTES} bytes; choose smaller ones"
        )


def named_axes(names: object, shape: tuple[int, ...]) -> tuple[str, ...]:
    """The axes that a document names: a text for each dimension.

    Raises:
        SchemaValidationError: They are something else.
    """
    if (
        not isinstance(names, list)
        or len(names) != len(shape)
        or not all(isinstance(name, str) for name in names)
    ):
        raise SchemaValidationError(f"its axes {names!r} do not fit the shape {shape!r}")
    return tuple(names)


def check_axes(axes: tuple[Any, ...], shape: tuple[int, ...]) -> None:
    """Refuse axes that do not name each dimension once.

    Raises:
        SchemaValidationError: Wrong number, or a name twice.
    """
    is_named = all(isinstance(axis, str) and axis for axis in axes)
    if not is_named or len(axes) != len(shape) or len(set(axes)) != len(axes):
        raise SchemaValidationError(
            f"axes {axes!r} do not name each dimension of shape {shape!r} once; "
            "give one distinct name per dimension, such as ('t', 'x')"
        )


def resolve_chunks(
    shape: tuple[int, ...], dtype: np.dtype[Any], chunks: tuple[int, ...] | None
) -> tuple[int, ...]:
    """The chunk shape to use: the one asked for, checked, or a well chosen one.

    Raises:
        SchemaValidationError: A shape or chunk shape that cannot be stored.
    """
    if chunks is None:
        check_geometry(shape, (1,) * len(shape), dtype)
        chunks = choose_chunks(shape, dtype.itemsize)
    check_geometry(shape, chunks, dtype)
    return tuple(min(chunk, length) for chunk, length in zip(chunks, shape, strict=True))
