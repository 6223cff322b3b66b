"""OIR files of Olympus FluoView FV3000 and FVMPE, and POIR archives of several, read by oirfile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.clock import parse_iso
from kymflow_zarr._readers.facts import Channel, Facts
from kymflow_zarr._readers.formats.oir_blocks import plane_bytes
from kymflow_zarr._readers.formats.planes import (
    PlaneImage,
    PlaneReader,
    axis_name,
    check_expansion,
    line_scan_sizes,
    required,
)
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.settings import bit_depth, known
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity, quantity

if TYPE_CHECKING:
    from oirfile import OirFile, PoirFile

_UNITS: Final = {"T": TIME, "Z": LENGTH, "Y": LENGTH, "X": LENGTH}


class OirReader(PlaneReader):
    """Reads Olympus OIR and POIR files. See `kymflow_zarr.readers.ImageReader`."""

    name = "oir"
    suffixes = (".oir", ".poir")

    def scenes(self, path: Path, *, limits: ReadLimits) -> tuple[str, ...]:
        """The names of the OIR files in a POIR archive, line scans first; an OIR file has none."""
        if path.suffix.lower() != ".poir":
            return ("",)
        _check_archive(path, limits)
        with _library(path).PoirFile(path) as archive:
            return tuple(sorted(archive, key=lambda name: not archive[name].is_linescan))

    def open_scene(self, path: Path, scene: str, *, limits: ReadLimits) -> PlaneImage:
        """Open an OIR file, or one in a POIR archive; oirfile decodes an image as a whole."""
        oirfile = _library(path)
        with ExitStack() as stack:
            file: OirFile | PoirFile
            if scene:
                _check_archive(path, limits)
                file = stack.enter_context(oirfile.PoirFile(path))
                image = file[scene]
            else:
                file = image = stack.enter_context(oirfile.OirFile(path))
            check_expansion(path, image.sizes, image.dtype, limits)
            sizes, stopped = _recorded(image)
            kept = line_scan_sizes(sizes)
            opened = PlaneImage(
                shape=tuple(kept.values()),
                dtype=image.dtype.newbyteorder("="),
                facts=(_facts(image, tuple(kept), stopped),),
                plane_ndim=len(kept),
                read_plane=lambda _: _pixels(image, kept),
                close=file.close,
            )
            stack.pop_all()
        return opened


def _library(path: Path) -> Any:  # imported where it is needed
    with required("oirfile, and Python 3.12 or newer", path, extra="oir"):
        import oirfile
    return oirfile


def _recorded(image: OirFile) -> tuple[dict[str, int], tuple[str, ...]]:
    """Lengths by axis letter: of a line scan that was stopped, those of the lines that are there.

    oirfile puts zeros where pixels are missing.
    """
    sizes = dict(image.sizes)
    with ExitStack() as stack:
        others = [stack.enter_context(Path(name).open("rb")) for name in image.companion_files]
        planes = plane_bytes([image.filehandle, *others])
    if not sizes:
        raise ValueError("it holds no pixels")
    rows_axis = "T" if image.is_linescan else "Y"
    asked = sizes[rows_axis]
    count = math.prod(sizes.values()) // (asked * sizes["X"])
    there = min(planes.values(), default=0) // (sizes["X"] * image.dtype.itemsize)
    if len(planes) < count or there < (1 if image.is_linescan else asked):
        raise ValueError(f"pixels are missing in its {count} planes, of which it has {len(planes)}")
    if there >= asked:
        return sizes, ()
    sizes[rows_axis] = there
    return sizes, (f"the file holds {there} lines of {asked}",)


def _check_archive(path: Path, limits: ReadLimits) -> None:
    """Refuse an archive that would not fit into memory: oirfile unpacks each of its files there."""
    from zipfile import ZipFile

    with ZipFile(path) as archive:
        largest = max((entry.file_size for entry in archive.infolist()), default=0)
    if largest > limits.max_segment_bytes:
        raise ValueError(
            f"a file in the archive has {largest} bytes, "
            f"but the limit is {limits.max_segment_bytes}"
        )


def _pixels(image: OirFile, sizes: Mapping[str, int]) -> npt.NDArray[Any]:
    pixels = np.transpose(image.asarray(), [image.dims.index(axis) for axis in sizes])
    return pixels[tuple(map(slice, sizes.values()))]


def _facts(image: OirFile, order: tuple[str, ...], warnings: tuple[str, ...]) -> Facts:
    acquired = parse_iso(image.datetime or "")
    return Facts(
        source="oir",
        axes=tuple(map(axis_name, order)),
        line_scan=image.is_linescan,
        steps=_steps(image, order),
        acquired_local_epoch_ns=None if acquired is None else acquired[0],
        bits_per_pixel=bit_depth(str(image.bitspersample)),
        channels=tuple(Channel(name=channel.name or None) for channel in image.channels),
        vendor=known({"system": image.producer}),
        warnings=warnings,
    )


def _steps(image: OirFile, order: tuple[str, ...]) -> dict[str, Quantity]:
    scales, scanner = image.coord_scales, image.scanner
    found = {
        axis_name(axis): quantity(float(scales[axis]), _UNITS[axis])
        for axis in order
        if axis in scales and axis in _UNITS
    }
    if image.is_linescan and scanner is not None:
        found["t"] = quantity(float(scanner.series_interval), "ms")
    return known(found)
