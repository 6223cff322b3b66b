"""Real and synthetic kymograph files."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile


@pytest.fixture(scope="session")
def kymographs() -> Path:
    """The folder of four real Olympus exports; skips where it is not at hand."""
    stated = os.environ.get("KYMFLOW_SHARED")
    roots = [Path(stated)] if stated else [up / "shared" for up in Path(__file__).parents]
    for root in roots:
        folder = root / "data" / "kymographs"
        if folder.is_dir():
            return folder
    pytest.skip("the shared kymographs are not here; set KYMFLOW_SHARED")


@pytest.fixture
def ramp() -> npt.NDArray[np.uint16]:
    """A small kymograph, 60 lines of 7 pixels, no two pixels equal."""
    return np.arange(420, dtype=np.uint16).reshape(60, 7)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a TIFF by tifffile; keywords go to ``imwrite``."""

    def write(array: npt.NDArray[Any], name: str = "image.tif", **options: Any) -> Path:
        path = tmp_path / name
        tifffile.imwrite(path, array, **options)
        return path

    return write


OLYMPUS = """"[General]"\t""
"Name"\t"{name}.oir"
"Scan Mode"\t"{mode}"
"Date"\t"{date}"
"System Name"\t"FVMPE-RS"
"[Dimensions]"\t""
"X Dimension"\t"7, 0.0 - 3.149 [um], 0.450 [um/pixel]"
"Channel Dimension"\t"1 [Ch]"
"T Dimension"\t"1, 0.000 - {t_end} [s], Interval FreeRun"
"[Image]"\t""
"Primary Dimensions"\t"X * T"
"Image Size"\t"7 * 60 [pixel]"
"Image Size(Unit Converted)"\t"3.149 [um] * {duration} [ms]"
"[Reference Image]"\t""
"Image Size"\t"512 * 512 [pixel]"
"Image Size(Unit Converted)"\t"230.370 [um] * 230.370 [um]"
"[Acquisition]"\t""
"Objective Lens"\t"XLPLN25XWMP2"
"Objective Lens Mag."\t"25.0X"
"Objective Lens NA"\t"1.05"
"Scan Direction"\t"Oneway"
"Sampling Speed"\t"2.0 [us/pixel]"
"Zoom"\t"x2.21"
"[Channel 1]"\t""
"Channel Name"\t"RNDD2"
"Dye Name"\t"EGFP"
"Emission WaveLength"\t"510 [nm]"
"Bits/Pixel"\t"12 [bits]"
"Laser Wavelength"\t"920 [nm]"
"""


@pytest.fixture(scope="session")
def olympus_text() -> Callable[..., str]:
    """An Olympus header of the `ramp`: 60 lines in 68.040 ms, so 1.134 ms each."""

    def text(
        *,
        name: str = "scan",
        mode: str = "XT",
        date: str = "07/22/2025 12:13:14.620 PM",
        duration: str = "68.040",
        t_end: str = "0.067",
    ) -> str:
        filled = OLYMPUS.format(name=name, mode=mode, date=date, duration=duration, t_end=t_end)
        return filled.replace("\n", "\r\n")

    return text


def fluoview_header(dimensions: list[tuple[str, int, float, str]]) -> bytes:
    """Build an ``MM_Header`` of the published layout, little-endian."""
    filled = [*dimensions, *[("", 1, 0.0, "")] * (10 - len(dimensions))]
    packed = b"".join(
        struct.pack("<16sidd64s", name.encode(), size, 0.0, step, unit.encode("cp1252"))
        for name, size, step, unit in filled
    )
    start = struct.pack("<hB257sIiIIiI", 1454, 0, b"ramp", 0, 0, 0, 0, 0, 0)
    middle = struct.pack("<IhddddIdd", 0, 0, 0.0, 4095.0, 0.0, 0.0, 0, 0.0, 0.0)
    gray = struct.pack("<16sidd64s", b"Intensity", 0, 0.0, 1.0, b"")
    return start + packed + middle + gray + struct.pack("<IiI", 0, 0, 0)


@pytest.fixture
def fluoview_tiff(write: Callable[..., Path], ramp: npt.NDArray[np.uint16]) -> Callable[..., Path]:
    """The `ramp` as a FluoView TIFF: 0.331 um per pixel, 1.146 ms per line."""

    def make(*, page_name: bool = True, header_um: float = 0.331, lines: int = 60) -> Path:
        header = fluoview_header(
            [("X", 7, header_um, "µm"), ("T", lines, 0.001146 * lines / (lines - 1), "s")]
        )
        description = (
            "[Acquisition Parameters]\r\nChannel 1=Fluorescence  \r\nChannel 1 Dye=FITC   \r\n"
            "Date=11-02-2022\r\nTime=12:33:11\r\nZoom Size=3.000000\r\nScan Speed=2000\r\n"
            "Magnification=25X\r\nObjective Lens=XLPLN25XWMP2\r\n[Acquisition Parameters End]\r\n"
        )
        tags: list[tuple[int, int, int, bytes, bool]] = [
            (34361, 1, len(header), header, True),
            (34362, 1, 64, bytes(64), True),
        ]
        if page_name:
            table = (
                "[Primary Dimensions]\nName\tX\tT\r\nOffset\t0.000000\t0.000000\r\n"
                "Resolution\t0.331000\t0.001146\r\nUnits\tµm\ts\r\n[Higher Dimensions]\nName\r\n"
            ).encode("cp1252")
            tags.append((285, 2, len(table) + 1, table + b"\0", True))
        return write(
            ramp,
            "fluoview.tif",
            description=description,
            metadata=None,
            software="FV30S-SW /FileVersion=1.2.6.0",
            resolution=(72.0, 72.0),
            resolutionunit="CENTIMETER",
            extratags=tags,
        )

    return make


@pytest.fixture(scope="session")
def build_tiff() -> Callable[..., bytes]:
    """Build a little-endian classic TIFF by hand: one dict of tags and one data blob per page.

    Where a tag's value is ``(type, count, None)``, the offset of the page's data is filled in.
    """

    def build(
        pages: list[tuple[dict[int, tuple[int, int, bytes | None]], bytes]],
        *,
        loop_to: int | None = None,
    ) -> bytes:
        out = bytearray(b"II\x2a\x00\0\0\0\0")
        link = 4
        starts: list[int] = []
        for tags, data in pages:
            data_at = len(out)
            out += data
            long_values: list[tuple[int, bytes]] = []
            directory = bytearray(struct.pack("<H", len(tags)))
            for code, (kind, count, value) in sorted(tags.items()):
                directory += struct.pack("<HHI", code, kind, count)
                packed = struct.pack("<I", data_at) if value is None else value
                if len(packed) <= 4:
                    directory += packed.ljust(4, b"\0")
                else:
                    long_values.append((len(directory), packed))
                    directory += bytes(4)
            for place, packed in long_values:
                directory[place : place + 4] = struct.pack("<I", len(out))
                out += packed
            starts.append(len(out))
            out[link : link + 4] = struct.pack("<I", len(out))
            out += directory
            link = len(out)
            out += bytes(4)
        if loop_to is not None:
            out[link : link + 4] = struct.pack("<I", starts[loop_to])
        return bytes(out)

    return build


@pytest.fixture(scope="session")
def gray_page() -> Callable[..., tuple[dict[int, tuple[int, int, bytes | None]], bytes]]:
    """One 16-bit page of one strip for `build_tiff`."""

    def page(
        data: bytes,
        *,
        width: int,
        length: int,
        compression: int = 1,
        more: dict[int, tuple[int, int, bytes | None]] | None = None,
    ) -> tuple[dict[int, tuple[int, int, bytes | None]], bytes]:
        long, short = 4, 3
        tags: dict[int, tuple[int, int, bytes | None]] = {
            256: (long, 1, struct.pack("<I", width)),
            257: (long, 1, struct.pack("<I", length)),
            258: (short, 1, struct.pack("<H", 16)),
            259: (short, 1, struct.pack("<H", compression)),
            262: (short, 1, struct.pack("<H", 1)),
            273: (long, 1, None),
            277: (short, 1, struct.pack("<H", 1)),
            278: (long, 1, struct.pack("<I", length)),
            279: (long, 1, struct.pack("<I", len(data))),
        }
        return {**tags, **(more or {})}, data

    return page
