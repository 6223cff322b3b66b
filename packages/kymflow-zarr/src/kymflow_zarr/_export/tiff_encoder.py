"""A TIFF file written front to back, in blocks: header, pixels in one piece, directories last.

tifffile could write it, too, but its files change with its version, cannot be hashed while they are
written, and want a whole page at a time; an export must give the same bytes next year and hold
little of a 4 GB image in memory. What is written is plain: little-endian, uncompressed, strips in
order without gaps, one directory per page; a BigTIFF where 32-bit offsets do not reach.

Source of the layout: TIFF 6.0, sections 2 and 8; BigTIFF as libtiff describes it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Protocol

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray

__all__ = ["TiffGeometry", "TiffTags", "tiff_geometry", "write_tiff"]

SOFTWARE: Final = b"kymflow-zarr"
_STRIP_BYTES: Final = 64 * 2**20
_CLASSIC_LIMIT: Final = 2**32
_MAX_RATIONAL: Final = 2**32 - 1
_SAMPLE_FORMATS: Final = {"u": 1, "b": 1, "i": 2, "f": 3}
_DATA_OFFSET: Final = 16
_RGB_SAMPLES: Final = 3

_ASCII, _SHORT, _LONG, _RATIONAL, _LONG8 = 2, 3, 4, 5, 16


class ByteSink(Protocol):
    """Where bytes go."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Append bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffGeometry:
    """How an array is cut into pages.

    Attributes:
        pages: Number of pages.
        length: Rows of one page.
        width: Pixels of one row.
        samples: Values of one pixel.
        dtype: Their type; booleans are written as bytes 0 and 1.
    """

    pages: int
    length: int
    width: int
    samples: int
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        """Size of one row."""
        return self.width * self.samples * self.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Size of all pixels."""
        return self.pages * self.length * self.row_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffTags:
    """What the first page tells besides its geometry.

    Attributes:
        description: ASCII text.
        pixels_per_unit: Pixels per unit of length along x and y; None when unknown.
    """

    description: bytes
    pixels_per_unit: tuple[Fraction, Fraction] | None


def tiff_geometry(
    shape: tuple[int, ...], axes: tuple[str, ...], dtype: np.dtype[Any]
) -> TiffGeometry:
    """Cut an array into pages: the last two dimensions are one, or three if the last one is ``c``.

    Args:
        shape: The array's shape.
        axes: A name for each dimension.
        dtype: Its type.
    """
    samples = 1
    if len(shape) >= 3 and axes[-1] == "c":
        *shape_rest, samples = shape
        shape = tuple(shape_rest)
    length, width = shape[-2:] if len(shape) > 1 else (1, shape[0])
    return TiffGeometry(
        pages=math.prod(shape[:-2]), length=length, width=width, samples=samples, dtype=dtype
    )


def write_tiff(
    sink: ByteSink,
    blocks: Iterable[AnyArray],
    geometry: TiffGeometry,
    tags: TiffTags,
    *,
    big: bool | None = None,
) -> None:
    """Write a TIFF file.

    Args:
        sink: Where it goes, from its first byte on.
        blocks: The pixels: arrays of any shape that hold consecutive elements in C order.
        geometry: The pages that they make up.
        tags: What the first page tells.
        big: Whether to write a BigTIFF; where offsets of 32 bits do not reach, if None.

    Raises:
        ValueError: The blocks do not add up to the geometry.
    """
    form = _Form(big=_is_big(geometry, tags) if big is None else big)
    padding = -geometry.nbytes % 8
    at = _DATA_OFFSET + geometry.nbytes + padding
    sink.write(form.header(at).ljust(_DATA_OFFSET, b"\0"))
    stored = geometry.dtype.newbyteorder("<")
    written = 0
    for block in blocks:
        data = np.ascontiguousarray(block, dtype=stored)
        sink.write(data.reshape(-1).view(np.uint8).data)
        written += data.nbytes
    if written != geometry.nbytes:
        raise ValueError(f"{written} bytes of pixels came where {geometry.nbytes} were due")
    sink.write(b"\0" * padding)
    for page in range(geometry.pages):
        directory = form.directory(
            _page_tags(geometry, tags, page, form), at=at, last=page == geometry.pages - 1
        )
        sink.write(directory)
        at += len(directory)


@dataclass(frozen=True, slots=True)
class _Form:
    """Sizes and `struct` formats of classic TIFF or BigTIFF."""

    big: bool

    @property
    def offset(self) -> str:
        return "<Q" if self.big else "<I"

    @property
    def offset_type(self) -> int:
        return _LONG8 if self.big else _LONG

    def header(self, first: int) -> bytes:
        if self.big:
            return struct.pack("<2sHHHQ", b"II", 43, 8, 0, first)
        return struct.pack("<2sHI", b"II", 42, first)

    def offsets(self, values: list[int]) -> bytes:
        return struct.pack(f"<{len(values)}{self.offset[1]}", *values)

    def directory(self, tags: list[_Tag], *, at: int, last: bool) -> bytes:
        """A directory with its long values behind it, padded so that the next one is aligned."""
        inline = 8 if self.big else 4
        head = struct.pack("<Q" if self.big else "<H", len(tags))
        entry_bytes = 20 if self.big else 12
        after = at + len(head) + entry_bytes * len(tags) + inline
        entries, values = b"", b""
        for tag in tags:
            count = struct.pack(self.offset, tag.count)
            field = tag.data.ljust(inline, b"\0")
            if len(tag.data) > inline:
                values += b"\0" * (-(after + len(values)) % 8)
                field = struct.pack(self.offset, after + len(values))
                values += tag.data
            entries += struct.pack("<HH", tag.code, tag.kind) + count + field
        values += b"\0" * (-(after + len(values)) % 8)
        following = 0 if last else after + len(values)
        return head + entries + struct.pack(self.offset, following) + values


@dataclass(frozen=True, slots=True)
class _Tag:
    code: int
    kind: int
    count: int
    data: bytes


def _page_tags(geometry: TiffGeometry, tags: TiffTags, page: int, form: _Form) -> list[_Tag]:
    """One page's tags in ascending order."""
    samples, kind = geometry.samples, geometry.dtype.kind
    rgb = samples == _RGB_SAMPLES and geometry.dtype.name in {"uint8", "uint16"}
    rows = max(1, min(geometry.length, _STRIP_BYTES // geometry.row_bytes))
    start = _DATA_OFFSET + page * geometry.length * geometry.row_bytes
    tops = range(0, geometry.length, rows)
    offsets = [start + top * geometry.row_bytes for top in tops]
    sizes = [min(rows, geometry.length - top) * geometry.row_bytes for top in tops]
    found = [
        _longs(256, geometry.width),
        _longs(257, geometry.length),
        _shorts(258, *[geometry.dtype.itemsize * 8] * samples),
        _shorts(259, 1),
        _shorts(262, 2 if rgb else 1),
        _Tag(273, form.offset_type, len(offsets), form.offsets(offsets)),
        _shorts(277, samples),
        _longs(278, rows),
        _Tag(279, form.offset_type, len(sizes), form.offsets(sizes)),
        _shorts(284, 1),
        _shorts(339, *[_SAMPLE_FORMATS[kind]] * samples),
    ]
    if page == 0:
        found.append(_text(270, tags.description))
        found.append(_text(305, SOFTWARE))
    if tags.pixels_per_unit is not None:
        found.append(_rational(282, tags.pixels_per_unit[0]))
        found.append(_rational(283, tags.pixels_per_unit[1]))
        found.append(_shorts(296, 1))
    extra = samples - (_RGB_SAMPLES if rgb else 1)
    if extra:
        found.append(_shorts(338, *[0] * extra))
    return sorted(found, key=lambda tag: tag.code)


def _shorts(code: int, *values: int) -> _Tag:
    return _Tag(code, _SHORT, len(values), struct.pack(f"<{len(values)}H", *values))


def _longs(code: int, value: int) -> _Tag:
    return _Tag(code, _LONG, 1, struct.pack("<I", value))


def _text(code: int, text: bytes) -> _Tag:
    return _Tag(code, _ASCII, len(text) + 1, text + b"\0")


def _rational(code: int, value: Fraction) -> _Tag:
    bound = int(_MAX_RATIONAL / max(value, Fraction(1)))
    near = value.limit_denominator(max(1, bound))
    return _Tag(code, _RATIONAL, 1, struct.pack("<II", near.numerator, near.denominator))


def _is_big(geometry: TiffGeometry, tags: TiffTags) -> bool:
    strips = math.ceil(geometry.length / max(1, _STRIP_BYTES // geometry.row_bytes))
    per_page = 512 + 16 * strips + 8 * geometry.samples
    return geometry.nbytes + geometry.pages * per_page + len(tags.description) >= _CLASSIC_LIMIT
