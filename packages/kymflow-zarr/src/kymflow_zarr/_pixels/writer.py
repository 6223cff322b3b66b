"""Writing an array chunk by chunk, in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import product
from math import ceil
from threading import Thread
from typing import Any, Final

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray, chunk_checksum, encode_chunk
from kymflow_zarr._pixels.layout import (
    ArrayDocument,
    check_axes,
    check_dtype,
    check_geometry,
    chunk_key,
    resolve_chunks,
)
from kymflow_zarr._storage.blobs import PutFile
from kymflow_zarr.errors import SchemaValidationError

_WORTH_A_THREAD: Final = 512 * 1024


def write_array(
    blocks: Iterable[AnyArray],
    *,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    chunks: tuple[int, ...],
    axes: tuple[str, ...],
    put: PutFile,
    block_axis: int = 0,
) -> ArrayDocument:
    """Write an array that arrives in blocks, its document last.

    Args:
        blocks: Consecutive parts along `block_axis`, each as long as a chunk but the last; of all
            later axes they hold everything, of all earlier ones a single index.
        shape: The whole array's shape.
        dtype: The stored type, little-endian.
        chunks: The shape of one chunk; 1 along the axes before `block_axis`.
        axes: A name for each axis.
        put: Stores a file under a key relative to the array's folder.
        block_axis: The axis along which blocks follow each other.

    Raises:
        SchemaValidationError: The blocks do not add up to `shape`, or the geometry is refused.
    """
    check_geometry(shape, chunks, dtype)
    sha = hashlib.sha256()
    checksums: dict[str, int] = {}
    due = _blocks_due(shape, chunks, block_axis)
    for given in blocks:
        block = np.ascontiguousarray(given, dtype=dtype)
        position, expected = next(due, ((), ()))
        if block.shape != expected:
            raise SchemaValidationError(
                f"a block of shape {block.shape!r} came where {expected!r} was expected; "
                "the source changed while it was read: read it again"
            )
        with _hashing_in_background(sha, block):
            for key, chunk in _chunks_of(block, position, chunks):
                data = encode_chunk(chunk)
                checksums[key] = chunk_checksum(data)
                put(key, data)
    missing = next(due, None)
    if missing is not None:
        raise SchemaValidationError(
            f"the blocks ended before the one at {missing[0]!r} of shape {shape!r}; "
            "read the source again"
        )
    document = ArrayDocument(
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        axes=axes,
        digest=f"sha256:{sha.hexdigest()}",
        checksums=checksums,
    )
    put("zarr.json", document.to_bytes())
    return document


def write_whole_array(
    array: AnyArray,
    *,
    axes: tuple[str, ...] | None = None,
    chunks: tuple[int, ...] | None = None,
    put: PutFile,
) -> ArrayDocument:
    """Write an array from memory; axes are ``dim_0``, ``dim_1``, … and chunks chosen if None.

    Raises:
        SchemaValidationError: Axes, shape or type cannot be stored.
    """
    named = axes or tuple(f"dim_{number}" for number in range(array.ndim))
    check_axes(named, array.shape)
    dtype = check_dtype(array.dtype)
    shape = resolve_chunks(array.shape, dtype, chunks)
    blocks = (array[start : start + shape[0]] for start in range(0, array.shape[0], shape[0]))
    return write_array(blocks, shape=array.shape, dtype=dtype, chunks=shape, axes=named, put=put)


@contextmanager
def _hashing_in_background(sha: hashlib._Hash, block: AnyArray) -> Iterator[None]:
    """Feed a block to the digest during the body: hashing does not hold the interpreter's lock."""
    if block.nbytes < _WORTH_A_THREAD:
        sha.update(block.data)
        yield
        return
    hashing = Thread(target=sha.update, args=(block.data,))
    hashing.start()
    try:
        yield
    finally:
        hashing.join()


def _blocks_due(
    shape: tuple[int, ...], chunks: tuple[int, ...], axis: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The position in the grid of chunks and the shape of each block, in order."""
    for leading in product(*(range(length) for length in shape[:axis])):
        for number, start in enumerate(range(0, shape[axis], chunks[axis])):
            length = min(chunks[axis], shape[axis] - start)
            yield (*leading, number), (*(1 for _ in leading), length, *shape[axis + 1 :])


def _chunks_of(
    block: AnyArray, position: tuple[int, ...], chunks: tuple[int, ...]
) -> Iterator[tuple[str, AnyArray]]:
    """The chunks of one block with their keys, edges padded with zeros as in Zarr."""
    lengths = list(zip(block.shape, chunks, strict=True))[len(position) :]
    for rest in product(*(range(ceil(n / c)) for n, c in lengths)):
        region = (
            *(slice(None) for _ in position),
            *(slice(i * c, (i + 1) * c) for i, (_, c) in zip(rest, lengths, strict=True)),
        )
        part = block[region]
        if part.shape != chunks:
            padded = np.zeros(chunks, dtype=block.dtype)
            padded[tuple(slice(0, n) for n in part.shape)] = part
            part = padded
        yield chunk_key((*position, *rest)), np.ascontiguousarray(part)
