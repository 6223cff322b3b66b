"""One image file, read by whichever reader claims it, with what lies beside it.

What is the same for every format is here: regular files only, a file that changes while it is read
is refused, limits on the pixels, and any failure of a reader named as a fault of that file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.facts import Facts
from kymflow_zarr._readers.files import CHANGED, FileFacts, regular_file_state
from kymflow_zarr._readers.header import Header, merge_facts, stated_facts
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import (
    FolderListing,
    HeaderReader,
    ImageReader,
    OpenImage,
    SceneReader,
)
from kymflow_zarr._readers.registry import HEADERS, READERS
from kymflow_zarr._readers.translate import translated
from kymflow_zarr._storage.json_text import dumps
from kymflow_zarr.errors import IncompleteImageError, UnreadableImageError

_MAX_NDIM: Final = 8
_MAX_ITEM_BYTES: Final = 8
_KINDS: Final = frozenset("buif")
_ARBITRARY_LINES: Final = (".pmt.dat", ".scnnr.dat", ".meta.txt")


class ImageFile:
    """An open image file: its path, and what its reader says of it; made by `open_image`."""

    def __init__(
        self, path: Path, image: OpenImage, *, before: FileFacts, follow_links: bool
    ) -> None:
        self.path = path
        self.shape = tuple(int(length) for length in image.shape)
        self.dtype: np.dtype[Any] = image.dtype
        self.facts: tuple[Facts, ...] = tuple(image.facts)
        self._image = image
        self._before = before
        self._follow_links = follow_links

    def iter_blocks(self, rows: int) -> Iterator[npt.NDArray[Any]]:
        """The pixels, in blocks of ``rows`` entries along the first axis; the last may be shorter.

        Raises:
            UnreadableImageError: The pixels do not decode, or are not what the file declares.
            IncompleteImageError: The file changed meanwhile.
        """
        count = 0
        with translated(self.path):
            for block in self._image.iter_blocks(rows):
                due = (min(rows, self.shape[0] - count), *self.shape[1:])
                if (block.shape, block.dtype) != (due, self.dtype):
                    raise UnreadableImageError(
                        self.path,
                        f"its reader gave a block of shape {block.shape} and type {block.dtype} "
                        f"where {due} and {self.dtype} were expected; "
                        "report it to the reader's authors",
                    )
                count += len(block)
                yield block
        if count != self.shape[0]:
            raise UnreadableImageError(
                self.path,
                f"only {count} of its {self.shape[0]} rows could be read; copy or export it again",
            )
        if regular_file_state(self.path, follow_links=self._follow_links) != self._before:
            raise IncompleteImageError(self.path, CHANGED)

    def read(self) -> npt.NDArray[Any]:
        """All pixels, of `shape` and `dtype`.

        Raises:
            UnreadableImageError: See `iter_blocks`.
        """
        (block,) = self.iter_blocks(self.shape[0])
        return block


@contextmanager
def open_image(
    path: Path,
    reader: ImageReader | None,
    *,
    scene: str = "",
    limits: ReadLimits | None = None,
    follow_links: bool = False,
) -> Iterator[ImageFile]:
    """Open an image file for the block.

    It is read by the reader that claims it, None if none does. `scene` is one of its images, by
    `list_scenes`, or empty for the first. A symbolic link is refused unless links are followed.

    Raises:
        UnreadableImageError: No reader claims it, or the one that does cannot open it.
    """
    before = regular_file_state(path, follow_links=follow_links)
    if reader is None:
        raise UnreadableImageError(path, no_reader_reason(path.name))
    limits = limits or ReadLimits()
    with translated(path):
        place = path.resolve() if follow_links else path
        if scene and isinstance(reader, SceneReader):
            image = reader.open_scene(place, scene, limits=limits)
        else:
            image = reader.open(place, limits=limits)
    try:
        with translated(path):
            _check(path, reader, image, limits)
            opened = ImageFile(path, image, before=before, follow_links=follow_links)
        yield opened
    finally:
        with translated(path):
            image.close()


def list_scenes(
    path: Path, reader: ImageReader | None, *, limits: ReadLimits, follow_links: bool
) -> tuple[str, ...]:
    """The names of a file's images, for `open_image`: ``("",)`` where it is one image.

    Raises:
        UnreadableImageError: The file cannot be read.
    """
    if reader is None or not _reads_scenes(reader):
        return ("",)
    regular_file_state(path, follow_links=follow_links)
    with translated(path):
        names = tuple(reader.scenes(path.resolve() if follow_links else path, limits=limits))
        if len(set(names)) < len(names):
            raise ValueError(f"the reader {reader.name!r} names two of its images alike")
        "".join(names).encode()  # only text that JSON can carry
    return names if len(names) > 1 else ("",)


def _reads_scenes(reader: ImageReader) -> TypeGuard[SceneReader]:
    # Asked for each file, and only a class that does not name the protocol is looked at in whole.
    return SceneReader in type(reader).__mro__ or isinstance(reader, SceneReader)


def read_header(
    image: ImageFile,
    listing: FolderListing,
    *,
    limits: ReadLimits | None = None,
    beside: bool = True,
    axes: tuple[str, ...] | None = None,
    channel_files: Sequence[str] = (),
) -> Header:
    """The header of an image, from the file itself and, if `beside`, from what lies beside it.

    No pixels are read. `axes` are named by a caller who knows them better than every file;
    `channel_files` are the names of the files with the image's further channels. Headers beside
    the image that cannot be used are in `Header.left_out`.

    Raises:
        UnreadableImageError: The file itself says what cannot be stored, or the caller's axes do
            not fit the image.
    """
    limits = limits or ReadLimits()
    with translated(image.path):
        facts = [_of_all_channels(source, channel_files) for source in image.facts]
    left_out: list[UnreadableImageError] = []
    for reader in HEADERS.usable() if beside else ():
        try:
            found = _read_beside(reader, image, listing, limits)
        except UnreadableImageError as error:
            left_out.append(error)
        else:
            facts += [] if found is None else [found]
    with translated(image.path):
        facts.append(stated_facts(len(image.shape), axes=axes))
        header = merge_facts(image.shape, image.dtype, facts)
        # What JSON cannot carry is refused here, where the file can be named.
        dumps([header.to_json(), dict(header.vendor_texts), dict(header.metadata)])
    return replace(header, left_out=tuple(left_out)) if left_out else header


def _of_all_channels(facts: Facts, channel_files: Sequence[str]) -> Facts:
    """What one channel's file says, for an image of which other files are read, too."""
    if not facts.elsewhere:
        return facts
    further = (one for name in channel_files for one in facts.elsewhere.get(name, ()))
    left = {name: facts.elsewhere[name] for name in facts.elsewhere.keys() - set(channel_files)}
    return replace(facts, channels=(*facts.channels, *further), elsewhere=left)


def _read_beside(
    reader: HeaderReader, image: ImageFile, listing: FolderListing, limits: ReadLimits
) -> Facts | None:
    """What one reader finds beside an image, if it can be stored."""
    with translated(image.path):
        found: object = reader.read(image.path, listing, shape=image.shape, limits=limits)
        if found is None:
            return None
        if not isinstance(found, Facts):
            raise TypeError(f"the reader {reader.name!r} gave a {type(found).__name__!r}")
    try:
        dumps([dict(found.vendor), dict(found.texts), dict(found.metadata)])
    except (TypeError, ValueError) as error:
        path = reader.find(image.path, listing) or image.path
        reason = f"what the reader {reader.name!r} finds in it cannot be stored: {error}"
        raise UnreadableImageError(path, reason) from error
    return found


def no_reader_reason(name: str) -> str:
    """Why a file that no reader claims is not read, ending with what to do."""
    if name.lower().endswith(_ARBITRARY_LINES):
        return (
            "it is an arbitrary line scan of ScanImage, whose public description does not say "
            "which samples are scan and which flyback; export its lines as a TIFF"
        )
    known = ", ".join(
        f"{reader.name} ({', '.join(reader.suffixes)})" for reader in READERS.usable()
    )
    suffix = name[name.rfind(".") :] if "." in name else name
    return f"no installed reader takes {suffix!r} files, only {known}; install one that does"


def _check(path: Path, reader: ImageReader, image: OpenImage, limits: ReadLimits) -> None:
    """Refuse what cannot be stored, or asks for too much, by what the file declares."""
    shape, dtype = tuple(image.shape), np.dtype(image.dtype)
    if not 1 <= len(shape) <= _MAX_NDIM or min(shape) < 1:
        raise UnreadableImageError(
            path, f"it holds no pixels, its shape is {shape}; export the file again"
        )
    if dtype.kind not in _KINDS or dtype.itemsize > _MAX_ITEM_BYTES or not dtype.isnative:
        raise UnreadableImageError(
            path,
            f"the reader {reader.name!r} gives pixels of type {dtype}, which is not supported; "
            "export it as integers or floats",
        )
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes > limits.max_pixel_bytes:
        raise UnreadableImageError(
            path,
            f"it declares {nbytes} bytes of pixels, but the limit is {limits.max_pixel_bytes}; "
            "raise ReadLimits.max_pixel_bytes in IngestOptions if it is sound",
        )
