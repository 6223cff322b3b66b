"""Walk a TIFF's directories before anything is believed that they say.

A TIFF is a chain of image file directories (IFDs), each a list of tags whose longer values stand
elsewhere in the file. tifffile follows a damaged chain as far as it can and returns fewer pages;
here every link must lead into the file, the chain must come to its end without a loop, and no tag
may claim more than the file holds. The walk reads the directories only, never the pixels.

Source of the layout: TIFF 6.0, section 2; BigTIFF as libtiff describes it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal

from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr.errors import UnreadableImageError

__all__ = ["TiffStructure", "scan_structure"]

# Bytes per value of each TIFF data type.
_TYPE_SIZES: Final = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
    16: 8, 17: 8, 18: 8,
}  # fmt: skip
_SEGMENT_TAGS: Final = frozenset({273, 279, 324, 325})  # strip and tile offsets, byte counts
_STRIP_OFFSETS: Final = 273
_OFFSET_FORMATS: Final = {3: "H", 4: "I", 16: "Q"}
_TEXT_TYPES: Final = frozenset({1, 2, 6, 7})
_MAX_TAGS: Final = 4096
_MAX_SUB_IFDS: Final = 64
_MAX_VALUES: Final = 1_000_000  # of any other numeric tag; the largest in use is a colour map
_SUB_IFDS: Final = 330


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffStructure:
    """What the walk found.

    Attributes:
        byteorder: ``"<"`` or ``">"``, as `struct` writes it.
        big: Whether the file is a BigTIFF.
        page_offsets: Where each directory of the main chain starts.
        strip_offsets: Where the pixels of each page start that has a single strip; 0 for others.
    """

    byteorder: Literal["<", ">"]
    big: bool
    page_offsets: tuple[int, ...]
    strip_offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Sizes and `struct` formats of classic TIFF or BigTIFF."""

    header_size: int
    offset: str
    tag_count: str
    entry: str
    inline_bytes: int


def scan_structure(
    file: BinaryIO, *, size_bytes: int, path: Path, limits: ReadLimits
) -> TiffStructure:
    """Check a TIFF's header, chain of directories and tag extents.

    Args:
        file: The open file; its position changes.
        size_bytes: The file's size.
        path: The file, for messages.
        limits: Bounds on pages, segments and texts.

    Returns:
        The byte order and where the pages are.

    Raises:
        UnreadableImageError: The file is empty, no TIFF, cut short or damaged, or exceeds a limit.
    """
    byteorder, layout, offset = _read_header(file, size_bytes, path)
    offsets: list[int] = []
    strips: list[int] = []
    seen: set[int] = set()
    segments = 0
    while offset != 0:
        page = len(offsets)
        if offset in seen:
            raise UnreadableImageError(
                path, f"its pages run in a loop after page {page}; export the file again"
            )
        if page == limits.max_pages:
            raise UnreadableImageError(
                path,
                f"it has more than {limits.max_pages} pages; split it, or raise "
                "ReadLimits.max_pages if it is sound",
            )
        seen.add(offset)
        offsets.append(offset)
        entries, offset = _read_directory(file, offset, byteorder, layout, size_bytes, path, page)
        strips.append(_single_strip(entries, byteorder, layout))
        segments += _check_tags(entries, byteorder, layout, size_bytes, path, page, limits)
        if segments > limits.max_segments:
            raise UnreadableImageError(
                path,
                f"it has more than {limits.max_segments} strips and tiles; export it with larger "
                "ones, or raise ReadLimits.max_segments if it is sound",
            )
    if not offsets:
        raise UnreadableImageError(path, "the TIFF holds no image; export the file again")
    return TiffStructure(
        byteorder=byteorder,
        big=layout is _BIG,
        page_offsets=tuple(offsets),
        strip_offsets=tuple(strips),
    )


_CLASSIC: Final = _Layout(header_size=8, offset="I", tag_count="H", entry="HHI4s", inline_bytes=4)
_BIG: Final = _Layout(header_size=16, offset="Q", tag_count="Q", entry="HHQ8s", inline_bytes=8)


def _read_header(
    file: BinaryIO, size_bytes: int, path: Path
) -> tuple[Literal["<", ">"], _Layout, int]:
    """Return byte order, layout and the offset of the first directory."""
    if size_bytes == 0:
        raise UnreadableImageError(path, "it is empty; copy or export it again")
    file.seek(0)
    header = file.read(16)
    byteorder: Literal["<", ">"]
    if header[:4] in {b"II\x2a\x00", b"II\x2b\x00"}:
        byteorder = "<"
    elif header[:4] in {b"MM\x00\x2a", b"MM\x00\x2b"}:
        byteorder = ">"
    else:
        raise UnreadableImageError(
            path,
            f"it is not a TIFF, it starts with {header[:4]!r}; "
            "rename it, or export it as TIFF again",
        )
    big = b"\x2b" in header[2:4]
    layout = _BIG if big else _CLASSIC
    if len(header) < layout.header_size:
        raise _cut_short(path, "within its header")
    if big:
        offset_size, zero, first = struct.unpack(byteorder + "HHQ", header[4:16])
        if offset_size != 8 or zero != 0:
            raise UnreadableImageError(path, "its BigTIFF header is damaged; export the file again")
    else:
        (first,) = struct.unpack(byteorder + "I", header[4:8])
    return byteorder, layout, first


def _read_directory(
    file: BinaryIO,
    offset: int,
    byteorder: str,
    layout: _Layout,
    size_bytes: int,
    path: Path,
    page: int,
) -> tuple[list[tuple[int, int, int, bytes]], int]:
    """Return the tags of one directory as (code, type, count, value), and the next offset."""
    count_size = struct.calcsize(f"={layout.tag_count}")
    if offset < layout.header_size or offset + count_size > size_bytes:
        raise _cut_short(path, f"before page {page + 1}, which should be at byte {offset}")
    file.seek(offset)
    (tags,) = struct.unpack(byteorder + layout.tag_count, _read(file, count_size, path, page))
    if not 1 <= tags <= _MAX_TAGS:
        raise UnreadableImageError(
            path, f"page {page + 1} claims {tags} tags; it is damaged, export the file again"
        )
    entry_size = struct.calcsize(f"={layout.entry}")
    data = _read(file, tags * entry_size, path, page)
    next_data = _read(file, struct.calcsize(f"={layout.offset}"), path, page)
    (next_offset,) = struct.unpack(byteorder + layout.offset, next_data)
    return list(struct.iter_unpack(byteorder + layout.entry, data)), next_offset


def _single_strip(
    entries: list[tuple[int, int, int, bytes]], byteorder: str, layout: _Layout
) -> int:
    """Return the offset in a StripOffsets tag of one value, else 0."""
    for code, kind, count, value in entries:
        if code == _STRIP_OFFSETS and count == 1 and kind in _OFFSET_FORMATS:
            if _TYPE_SIZES[kind] > layout.inline_bytes:
                return 0
            (offset,) = struct.unpack_from(byteorder + _OFFSET_FORMATS[kind], value)
            return int(offset)
    return 0


def _check_tags(
    entries: list[tuple[int, int, int, bytes]],
    byteorder: str,
    layout: _Layout,
    size_bytes: int,
    path: Path,
    page: int,
    limits: ReadLimits,
) -> int:
    """Check that each tag's value is in the file and of sane size; return the segment count."""
    segments = 0
    for code, kind, count, value in entries:
        value_size = _TYPE_SIZES.get(kind, 0) * count
        if value_size <= layout.inline_bytes:
            segments += count if code in _SEGMENT_TAGS else 0
            continue
        (offset,) = struct.unpack(byteorder + layout.offset, value)
        if offset + value_size > size_bytes:
            raise _cut_short(path, f"in tag {code} of page {page + 1}")
        if kind in _TEXT_TYPES:
            if value_size > limits.max_text_bytes:
                raise UnreadableImageError(
                    path,
                    f"tag {code} of page {page + 1} has {value_size} bytes, the limit is "
                    f"{limits.max_text_bytes}; raise ReadLimits.max_text_bytes if it is sound",
                )
        elif code in _SEGMENT_TAGS:
            segments += count
        elif count > (_MAX_SUB_IFDS if code == _SUB_IFDS else _MAX_VALUES):
            raise UnreadableImageError(
                path,
                f"tag {code} of page {page + 1} claims {count} values; "
                "it is damaged, export the file again",
            )
    return segments // 2  # offsets and byte counts


def _read(file: BinaryIO, count: int, path: Path, page: int) -> bytes:
    data = file.read(count)
    if len(data) != count:
        raise _cut_short(path, f"within the directory of page {page + 1}")
    return data


def _cut_short(path: Path, where: str) -> UnreadableImageError:
    return UnreadableImageError(
        path, f"the file is cut short or damaged {where}; copy or export it again"
    )
