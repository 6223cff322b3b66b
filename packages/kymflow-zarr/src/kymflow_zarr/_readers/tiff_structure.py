"""What a TIFF claims, checked before tifffile acts on it.

tifffile loads a page's tags before one can ask how large they are, follows a chain of pages without
end, and ignores pages and tags that lie outside of the file; no public call of it prevents or
reports that. So the directories are walked here first: each lies in the file and is reached once,
the chain comes to its end, and no tag claims more than the file or the limits hold.

Source of the layout: TIFF 6.0, section 2; BigTIFF as libtiff describes it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from tifffile import TIFF

from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.translate import BadTiffError, CutShortError

_HEADER_BYTES: Final = 8
_MAX_TAGS: Final = 4096
_TEXT_TYPES: Final = frozenset({1, 2, 6, 7})
_OFFSET_TYPES: Final = frozenset({4, 13, 16, 18})
_SUB_IFDS: Final = 330
# Private tags, in which sloppy programs leave anything; those of vendors that are read.
_FIRST_PRIVATE_TAG: Final = 32768
_VENDOR_TAGS: Final = frozenset({33628, 33629, 33630, 33631, 34361, 34362, 34412})
_NUMBER_WEIGHT: Final = 16  # a number takes more room in Python than in the file
_SIZES: Final = {kind: struct.calcsize(f"={form}") for kind, form in TIFF.DATA_FORMATS.items()}
_ALL_TAGS: Final = 16  # times what one tag may claim


def scan_pages(file: BinaryIO, *, size_bytes: int, limits: ReadLimits) -> list[int]:
    """Check a TIFF's header, directories and the extents of its tags; the file's position changes.

    Returns:
        Where each directory of its main chain, or page, starts.

    Raises:
        BadTiffError: The file is empty, no TIFF, cut short or damaged, or exceeds a limit.
    """
    walk = _Walk(file, size_bytes, limits)
    pages: list[int] = []
    seen: set[int] = set()
    ahead = [(walk.first, True)]
    while ahead:
        offset, is_page = ahead.pop()
        if offset == 0:
            continue
        if offset in seen:
            raise BadTiffError(f"its pages run in a loop after page {len(pages)}")
        if len(seen) == limits.max_pages:
            raise BadTiffError(
                f"it has more than {limits.max_pages} pages",
                "split it, or raise ReadLimits.max_pages if it is sound",
            )
        seen.add(offset)
        if is_page:
            pages.append(offset)
        following, sub_ifds = walk.directory(offset, f"page {len(pages)}")
        ahead += [(following, True)] if is_page else []
        ahead += [(sub_ifd, False) for sub_ifd in sub_ifds]
    if not pages:
        raise BadTiffError("the TIFF holds no image", "export the file again")
    return pages


def first_page_tags(file: BinaryIO, *, size_bytes: int, limits: ReadLimits) -> set[int]:
    """The codes of the tags of a TIFF's first page; the file's position changes.

    Raises:
        BadTiffError: The file is empty, no TIFF, cut short or damaged.
    """
    walk = _Walk(file, size_bytes, limits)
    entries, _ = walk.entries(walk.first, "page 1")
    return {code for code, _, _, _ in entries}


class _Walk:
    """Reads directories within the file, and adds up what their tags claim."""

    def __init__(self, file: BinaryIO, size_bytes: int, limits: ReadLimits) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self._limit = limits.max_tag_bytes
        self._claimed = 0
        if size_bytes == 0:
            raise CutShortError("it is empty")  # as a copy is at first
        file.seek(0)
        magic = file.read(4)
        layouts = {
            b"II\x2a\x00": TIFF.CLASSIC_LE,
            b"MM\x00\x2a": TIFF.CLASSIC_BE,
            b"II\x2b\x00": TIFF.BIG_LE,
            b"MM\x00\x2b": TIFF.BIG_BE,
        }
        if magic not in layouts:
            raise BadTiffError(
                f"it is not a TIFF, it starts with {magic!r}",
                "rename it, or export it as TIFF again",
            )
        self.layout = layouts[magic]
        (self.first,) = self._unpack(self.layout.offsetformat, self.layout.offsetsize, "its header")

    def directory(self, offset: int, page: str) -> tuple[int, list[int]]:
        """Check the tags of one directory; return where the next one and its sub-IFDs start."""
        entries, following = self.entries(offset, page)
        sub_ifds: list[int] = []
        for code, kind, count, value in entries:
            sub_ifds += self._tag(code, kind, count, value, page)
        return following, sub_ifds

    def entries(self, offset: int, page: str) -> tuple[Iterator[tuple[int, int, int, bytes]], int]:
        """The tags of one directory (code, type, count, value), and where the next one starts."""
        layout = self.layout
        (tags,) = self._unpack(layout.tagnoformat, offset, page)
        if tags > _MAX_TAGS:
            raise BadTiffError(f"{page} claims {tags} tags")
        offset += layout.tagnosize
        (data,) = self._unpack(f"{tags * layout.tagsize}s", offset, page)
        (following,) = self._unpack(layout.offsetformat, offset + len(data), page)
        entry = layout.tagformat1 + layout.tagformat2[1:]
        return struct.iter_unpack(entry, data), following

    def _tag(self, code: int, kind: int, count: int, value: bytes, page: str) -> tuple[Any, ...]:
        """Check what a tag claims; return its values if they are offsets of sub-IFDs."""
        what = f"tag {code} of {page}"
        is_ignored = code >= _FIRST_PRIVATE_TAG and code not in _VENDOR_TAGS
        if kind not in (_OFFSET_TYPES if code == _SUB_IFDS else TIFF.DATA_FORMATS):
            if is_ignored:
                return ()
            raise BadTiffError(f"{what} has the unknown type {kind}")
        size = count * _SIZES[kind]
        at = 0
        if size > len(value):
            (at,) = struct.unpack(self.layout.offsetformat, value)
            if not _HEADER_BYTES <= at <= self._size_bytes - size:
                if is_ignored:
                    return ()
                raise CutShortError(f"it is cut short or damaged in {what}")
            claim = count * (1 if kind in _TEXT_TYPES else _NUMBER_WEIGHT)
            self._claimed += claim
            if claim > self._limit or self._claimed > _ALL_TAGS * self._limit:
                raise BadTiffError(
                    f"{what} claims {count} values, which is too many",
                    "raise ReadLimits.max_tag_bytes if it is sound",
                )
        if code != _SUB_IFDS:
            return ()
        offsets = f"{self.layout.byteorder}{count}{TIFF.DATA_FORMATS[kind][1]}"
        return self._unpack(offsets, at, what) if at else struct.unpack_from(offsets, value)

    def _unpack(self, form: str, offset: int, what: str) -> tuple[Any, ...]:
        end = offset + struct.calcsize(form)
        if end > self._size_bytes:
            raise CutShortError(f"it is cut short or damaged within {what}")
        self._file.seek(offset)
        return struct.unpack(form, self._file.read(end - offset))
