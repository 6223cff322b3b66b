"""An image as TIFF, with axes and calibration in terms that other software knows.

OME-XML names the dimensions t, z, c, y, x and their steps exactly, so it serves images that end in
``y, x``. It has no term for a kymograph's ``(t, x)``, nor for other axes: these carry an ImageJ
description, where ``finterval`` is the line period, ``unit``/``yunit`` with the resolution tags the
calibration that ImageJ shows, and the key ``kymflow_axes`` the names of the axes. The resolution is
a quotient of two 32-bit integers: exact for what microscopes print, to 9 digits for any other.
"""

from __future__ import annotations

import hashlib
import math
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO, Final, TypeGuard

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._readers.headers.payload import read_payload_header
from kymflow_zarr._readers.recut import recut
from kymflow_zarr._readers.units import LENGTH, Quantity
from kymflow_zarr._readers.vendors.imagej import AXES_KEY
from kymflow_zarr._storage.json_text import JsonValue, json_object
from kymflow_zarr.errors import CorruptDataError
from kymflow_zarr.record import ZarrImageRecord, load_header

_SOFTWARE: Final = "kymflow-zarr"
_STRIP_BYTES: Final = 32 * 2**20
_CLASSIC_BYTES: Final = 2**32 - 2**25  # of which directories take the rest
_DIRECTORY_BYTES: Final = 512  # at most, without strips and samples
_OME_KINDS: Final = frozenset(
    {"int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"}
)
_OME_STEPS: Final = {
    "x": "PhysicalSizeX",
    "y": "PhysicalSizeY",
    "z": "PhysicalSizeZ",
    "t": "TimeIncrement",
}
_IMAGEJ_VERSION: Final = "1.53t"
_AXIS_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_IMAGEJ_STACK: Final = {"t": 0, "z": 1, "c": 2}
_COLORS: Final = 256
_MAX_RATIONAL: Final = 2**32 - 1
_MAX_PER_UNIT: Final = Fraction(2**31)


@dataclass(frozen=True, slots=True, kw_only=True)
class TiffFacts:
    """What an image's TIFF says about it besides its pixels.

    Attributes:
        dtype: The pixels' type; booleans are written as bytes 0 and 1.
        steps: Axis → distance of two pixels, where known.
        acquired_local_epoch_ns: Wall time of the acquisition, where known.
        channel_names: Names of the channels, where known.
        white_is_zero: Whether the lowest value is white.
        palette: Red, green and blue of each value of 8 bits; empty for shades of grey.
    """

    image_id: str
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    dtype: np.dtype[Any]
    steps: Mapping[str, Quantity]
    acquired_local_epoch_ns: int | None = None
    channel_names: tuple[str | None, ...] = ()
    white_is_zero: bool = False
    palette: tuple[tuple[int, ...], ...] = ()

    @property
    def sha256(self) -> str:
        """A digest of all these, in hexadecimal."""
        return hashlib.sha256(repr(self).encode("utf-8")).hexdigest()


def tiff_facts(record: ZarrImageRecord) -> TiffFacts:
    """What the metadata payload says of an image; little if it is missing or damaged."""
    try:
        header = json_object(load_header(record))
    except CorruptDataError:
        header = {}
    facts = read_payload_header(header, shape=record.shape)
    channels = header.get("channels")
    names = [
        channel.get("name")
        for channel in (channels if isinstance(channels, list) else [])
        if isinstance(channel, dict)
    ]
    display = json_object(header.get("vendor"))
    return TiffFacts(
        image_id=record.image_id,
        shape=record.shape,
        axes=record.get_axes(),
        dtype=record.dtype,
        steps=dict(sorted(facts.steps.items())),
        acquired_local_epoch_ns=facts.acquired_local_epoch_ns,
        channel_names=tuple(name if _fits_xml(name) else None for name in names),
        white_is_zero=display.get("photometric") == "miniswhite",
        palette=_palette(display.get("palette")) if record.dtype == np.uint8 else (),
    )


def _palette(table: JsonValue) -> tuple[tuple[int, ...], ...]:
    """A colour table of a header, if it is one for up to 8 bits, with black for other values."""
    colors = tuple(
        tuple(value for value in color if type(value) is int and 0 <= value < 2**16)
        for color in (table if isinstance(table, list) else [])
        if isinstance(color, list)
    )
    if len(colors) != 3 or not 0 < len(colors[0]) == len(colors[1]) == len(colors[2]) <= _COLORS:
        return ()
    return tuple((*color, *(0,) * (_COLORS - len(color))) for color in colors)


def _fits_xml(name: JsonValue) -> TypeGuard[str]:
    """Whether a name may stand in an attribute: tifffile before 2026 escapes no quotation marks."""
    return isinstance(name, str) and name.isprintable() and '"' not in name


def write_tiff(
    stream: BinaryIO, blocks: Iterable[AnyArray], facts: TiffFacts, *, big: bool | None = None
) -> None:
    """Write a TIFF file: uncompressed, one page per plane, all pixels in one piece.

    Memory is bounded by a few strips of 32 MiB, or by a row where one is longer. The blocks are
    little-endian arrays of any shape that hold consecutive elements in C order. It is a BigTIFF if
    `big`, or if None, where offsets of 32 bits do not reach.

    Raises:
        ValueError: The blocks end before the image does.
    """
    import tifffile

    pages = _Pages.of(facts)
    row = pages.width * pages.samples
    rows = max(1, min(pages.length, _STRIP_BYTES // (row * pages.dtype.itemsize)))
    strips = [min(rows, pages.length - top) * row for top in range(0, pages.length, rows)]
    page_bytes = row * pages.length * pages.dtype.itemsize
    page_bytes += _DIRECTORY_BYTES + 16 * len(strips) + 8 * pages.samples
    if big is None:
        big = pages.count * page_bytes > _CLASSIC_BYTES
    ome = _fits_ome(facts)
    pieces = recut(blocks, (size for _ in range(pages.count) for size in strips), pages.dtype)
    with tifffile.TiffWriter(stream, bigtiff=big, byteorder="<", ome=ome, shaped=False) as writer:
        writer.write(
            (piece.tobytes() for piece in pieces),
            shape=facts.shape if ome else pages.shape,
            dtype=pages.dtype,
            photometric=_photometric(facts, pages),
            colormap=np.array(facts.palette, np.uint16) if facts.palette else None,
            planarconfig="contig" if pages.samples > 1 else None,
            rowsperstrip=rows,
            software=_SOFTWARE,
            **(_ome_options(facts) if ome else _imagej_options(facts, pages)),
        )


def _photometric(facts: TiffFacts, pages: _Pages) -> str:
    if pages.is_rgb:
        return "rgb"
    if facts.palette:
        return "palette"
    return "miniswhite" if facts.white_is_zero else "minisblack"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pages:
    """How an image is cut into pages: the last two dimensions, or three if the last one is ``c``.

    Attributes:
        stack: The axes before those of a page.
        down: The axis of a page's rows; empty where there is but one row.
        across: The axis of a row's pixels.
        samples: Values of a pixel.
    """

    stack: tuple[str, ...]
    down: str
    across: str
    count: int
    length: int
    width: int
    samples: int
    dtype: np.dtype[Any]

    @classmethod
    def of(cls, facts: TiffFacts) -> _Pages:
        """The pages of an image."""
        axes, shape, samples = facts.axes, facts.shape, 1
        if len(shape) >= 3 and axes[-1] == "c":
            axes, shape, samples = axes[:-1], shape[:-1], shape[-1]
        if len(shape) == 1:
            axes, shape = ("", *axes), (1, *shape)
        return cls(
            stack=axes[:-2],
            down=axes[-2],
            across=axes[-1],
            count=math.prod(shape[:-2]),
            length=shape[-2],
            width=shape[-1],
            samples=samples,
            dtype=np.dtype(np.uint8) if facts.dtype.kind == "b" else facts.dtype,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all pages together."""
        samples = (self.samples,) if self.samples > 1 else ()
        return (self.count, self.length, self.width, *samples)

    @property
    def is_rgb(self) -> bool:
        """Whether viewers show the samples as colours."""
        return self.samples == 3 and self.dtype.name in {"uint8", "uint16"}


def _fits_ome(facts: TiffFacts) -> bool:
    axes = facts.axes
    return (
        axes[-2:] == ("y", "x")
        and set(axes) <= set("tzcyx")
        and len(set(axes)) == len(axes)
        and facts.dtype.name in _OME_KINDS
    )


def _ome_options(facts: TiffFacts) -> dict[str, Any]:
    """OME metadata; micrometres and seconds are the schema's default units."""
    metadata: dict[str, Any] = {
        "axes": "".join(facts.axes).upper(),
        "Creator": _SOFTWARE,
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, facts.image_id)),  # a random one by default
    }
    for axis, name in _OME_STEPS.items():
        if axis in facts.steps:
            metadata[name] = facts.steps[axis].value
    if facts.acquired_local_epoch_ns is not None:
        metadata["AcquisitionDate"] = str(np.datetime64(facts.acquired_local_epoch_ns, "ns"))
    if len(facts.channel_names) == dict(zip(facts.axes, facts.shape, strict=True)).get("c", 1):
        metadata["Channel"] = [{"Name": name} if name else {} for name in facts.channel_names]
    return {"metadata": metadata}


def _imagej_options(facts: TiffFacts, pages: _Pages) -> dict[str, Any]:
    """An ImageJ description, and the pixels per unit of length that it names the unit of."""
    import tifffile

    across, down = facts.steps.get(pages.across), facts.steps.get(pages.down)
    description: dict[str, Any] = {}
    options: dict[str, Any] = {"metadata": None}
    resolution = [_per_unit(across), (1, 1) if down is None else _per_unit(down)]
    if across is not None and None not in resolution:
        options |= {"resolution": resolution, "resolutionunit": "NONE"}
        description["unit"] = across.unit
        if down is None or down.unit != across.unit:
            description["yunit"] = "pixel" if down is None else down.unit
    if "z" in pages.stack and "z" in facts.steps and facts.steps["z"].unit == LENGTH:
        description |= {"spacing": facts.steps["z"].value, "zunit": LENGTH}
    if "t" in facts.steps:
        description["finterval"] = facts.steps["t"].value
    if all(_AXIS_NAME.fullmatch(axis) for axis in facts.axes):
        description[AXES_KEY] = ",".join(facts.axes)
    options["description"] = tifffile.imagej_description(
        (*_imagej_stack(facts, pages), pages.length, pages.width, 3 if pages.is_rgb else 1),
        rgb=pages.is_rgb,
        ImageJ=_IMAGEJ_VERSION,
        **description,
    )
    return options


def _imagej_stack(facts: TiffFacts, pages: _Pages) -> tuple[int, int, int]:
    """ImageJ's numbers of frames, slices and channels, in which a stack is laid out."""
    lengths = facts.shape[: len(pages.stack)]
    known = [_IMAGEJ_STACK.get(axis, -1) for axis in pages.stack]
    if len(lengths) > len(_IMAGEJ_STACK):
        return pages.count, 1, 1
    if -1 in known or known != sorted(known):
        known = list(range(len(lengths)))
    found = dict(zip(known, lengths, strict=True))
    return found.get(0, 1), found.get(1, 1), found.get(2, 1)


def _per_unit(step: Quantity | None) -> tuple[int, int] | None:
    """Pixels per unit of length as a quotient of two 32-bit integers; None if there is none."""
    count = Fraction(0) if step is None else 1 / Fraction(repr(step.value))
    if not 1 / _MAX_PER_UNIT <= count <= _MAX_PER_UNIT:
        return None
    near = count.limit_denominator(int(_MAX_RATIONAL / max(count, Fraction(1))))
    return near.numerator, near.denominator
