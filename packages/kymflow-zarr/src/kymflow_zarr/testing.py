"""Checks for authors of readers.

One test is enough::

    def test_my_reader(tmp_path):
        np.save(tmp_path / "good.npy", np.zeros((5, 4), np.uint16))
        (tmp_path / "bad.npy").write_bytes(b"nonsense")
        problems = check_reader(NpyReader(), [tmp_path / "good.npy"], [tmp_path / "bad.npy"])
        assert problems == []
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from kymflow_zarr._ingest.folder import list_folder
from kymflow_zarr._pixels.layout import check_dtype
from kymflow_zarr._readers.facts import Facts
from kymflow_zarr._readers.header import Header, merge_facts
from kymflow_zarr._readers.image_file import open_image
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import HeaderReader, ImageReader
from kymflow_zarr.errors import SchemaValidationError, UnreadableImageError

__all__ = ["check_header_reader", "check_reader"]


def check_reader(
    reader: object, good_files: Sequence[Path], bad_files: Sequence[Path] = ()
) -> list[str]:
    """Try a reader of image files on some; nothing is written.

    Args:
        reader: The reader.
        good_files: Files that it reads.
        bad_files: Files that it claims and cannot read: empty, cut short, of another format.

    Returns:
        A sentence for each rule that is broken; none if all is well. The rules: it claims each
        file, and the same ones again; a good file's blocks add up to its shape, whatever the number
        of rows asked for, twice over; its dtype can be stored; its axes and steps fit; a bad file
        is an error, at the latest when its pixels are read.
    """
    if not isinstance(reader, ImageReader):
        return [f"{reader!r} lacks a part of ImageReader: name, suffixes, claims and open"]
    found = [problem for path in good_files for problem in _good(reader, path)]
    found += [problem for path in bad_files for problem in _bad(reader, path)]
    return found


def check_header_reader(reader: object, image: Path, *, shape: tuple[int, ...]) -> list[str]:
    """Try a reader of headers on one image file that has such a header beside it.

    Args:
        reader: The reader.
        image: The image file; it is not opened.
        shape: The image's shape.

    Returns:
        A sentence for each rule that is broken; none if all is well. The rules: it finds the
        header, says the same twice, and its axes fit; it says nothing in a folder that holds the
        image alone.
    """
    if not isinstance(reader, HeaderReader):
        return [f"{reader!r} lacks a part of HeaderReader: name, suffixes, find and read"]
    listing = list_folder(image.parent)
    alone = list_folder(image.parent, [image.name])
    try:
        facts = [reader.read(image, listing, shape=shape, limits=ReadLimits()) for _ in range(2)]
        nothing = reader.read(image, alone, shape=shape, limits=ReadLimits())
        place = reader.find(image, listing)
    except UnreadableImageError as error:
        return [str(error)]
    if facts[0] is None or place is None:
        return [f"it finds no header beside {image.name!r}"]
    found = []
    if facts[0] != facts[1]:
        found.append(f"{image.name!r}: it returns something else the second time")
    if nothing is not None:
        found.append(f"{image.name!r}: it returns something although there is only the image")
    if facts[0].axes and len(facts[0].axes) != len(shape):
        found.append(f"{image.name!r}: its axes {facts[0].axes} do not fit the shape {shape}")
    return found


def _good(reader: ImageReader, path: Path) -> Iterator[str]:
    listing = list_folder(path.parent)
    if path.name not in reader.claims(listing):
        yield f"{path.name!r}: it does not claim the file"
    if set(reader.claims(listing)) != set(reader.claims(listing)):
        yield f"{path.name!r}: what it claims differs the second time"
    try:
        with open_image(path, reader) as image:
            header = merge_facts(image.shape, image.dtype, image.facts)
            whole = image.read()
            check_dtype(image.dtype)
        for rows in (1, 7, whole.shape[0] + 1):
            with open_image(path, reader) as image:
                parts = list(image.iter_blocks(rows))
            if not np.array_equal(np.concatenate(parts), whole):
                yield f"{path.name!r}: blocks of {rows} rows give other pixels than one block"
    except (UnreadableImageError, SchemaValidationError) as error:
        yield str(error)
        return
    yield from _unused(path, image.facts, header)


def _unused(path: Path, facts: Sequence[Facts], header: Header) -> Iterator[str]:
    for source in facts:
        for axis in source.steps:
            if axis not in header.axes:
                yield f"{path.name!r}: it gives a step along {axis!r}, the axes are {header.axes}"


def _bad(reader: ImageReader, path: Path) -> Iterator[str]:
    try:
        with open_image(path, reader) as image:
            image.read()
    except UnreadableImageError:
        return
    yield f"{path.name!r}: it reads a file that it should refuse"
