"""Microscopes' own formats: OIR, OIF, CZI, LIF and ND2.

CZI files are written by ZEISS' library; the others here, byte by byte, by what is public of them.
"""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kymflow_zarr import IngestError, ZarrDataset
from kymflow_zarr._readers.formats.czi import CziReader
from kymflow_zarr._readers.formats.lif import LifReader
from kymflow_zarr._readers.formats.nd2 import Nd2Reader
from kymflow_zarr._readers.formats.oif import OifReader
from kymflow_zarr._readers.formats.oir import OirReader
from kymflow_zarr._readers.header import Header, merge_facts
from kymflow_zarr._readers.image_file import open_image
from kymflow_zarr.errors import UnreadableImageError
from kymflow_zarr.readers import ImageReader
from kymflow_zarr.testing import check_reader

Pixels = npt.NDArray[np.uint16]
LIBRARIES = {
    "oir": "oirfile",
    "oif": "oiffile",
    "czi": "czifile",
    "lif": "liffile",
    "nd2": "nd2",
}
READERS: dict[str, ImageReader] = {
    "oir": OirReader(),
    "oif": OifReader(),
    "czi": CziReader(),
    "lif": LifReader(),
    "nd2": Nd2Reader(),
}


def kymograph(channels: int = 1) -> Pixels:
    """60 lines of 7 pixels; no two pixels are equal."""
    return np.arange(channels * 420, dtype=np.uint16).reshape(channels, 60, 7)


# --- OIR


def oir(pixels: Pixels, *, kept: int | None = None) -> bytes:
    """A line scan: blocks of an id and the pixels of a channel, of XML, and their index.

    If it was stopped, its settings say how many lines it should have, and ``kept`` are there.
    """
    channels, lines, width = pixels.shape
    ids = [f"{number:08x}-0000-0000-0000-000000000000" for number in range(channels)]
    named = "".join(
        f'<commonphase:channel id="{one}" order="{number}"><commonphase:name>CH{number + 1}'
        "</commonphase:name></commonphase:channel>"
        for number, one in enumerate(ids)
    )
    settings = (
        '<?xml version="1.0"?><lsmimage:imageProperties '
        'xmlns:lsmimage="http://www.olympus.co.jp/hpf/model/lsmimage" '
        'xmlns:commonparam="http://www.olympus.co.jp/hpf/model/commonparam" '
        'xmlns:commonphase="http://www.olympus.co.jp/hpf/protocol/model/commonphase">'
        "<creationDateTime>2025-07-22T12:13:14.620-07:00</creationDateTime>"
        f"{named}<lsmimage:scannerType>Galvano</lsmimage:scannerType>"
        '<lsmimage:scannerSettings type="Galvano"><commonparam:seriesInterval>1.134'
        "</commonparam:seriesInterval></lsmimage:scannerSettings>"
        '<commonparam:axis enable="true"><commonparam:axis>TIMELAPSE</commonparam:axis>'
        f"<commonparam:maxSize>{lines}</commonparam:maxSize></commonparam:axis>"
        "<commonphase:length><commonparam:x>0.45</commonparam:x><commonparam:y>0.45"
        "</commonparam:y></commonphase:length></lsmimage:imageProperties>"
    )
    frame = (
        f'<?xml version="1.0"?><frameProperties><width>{width}</width>'
        f"<height>{lines}</height><depth>2</depth><bitCounts>12</bitCounts>"
        "<colorType>GlayScale</colorType></frameProperties>"
    )
    blocks = [
        struct.pack("<II", len(text), kind) + text.encode()
        for kind, text in ((0, settings), (1, frame))
    ]
    for plane, one in zip(pixels, ids, strict=True):
        uid = f"z001t001_0_1_{one}_0".encode()
        blocks.append(struct.pack("<IIIII", 12 + len(uid), 3, 0, 0, len(uid)) + uid)
        data = plane[:kept].tobytes()
        blocks.append(struct.pack("<II", len(data), 4) + data)
    starts, data = [], b""
    for block in blocks:
        starts.append(96 + len(data))
        data += block
    index = 96 + len(data)
    places = struct.pack(f"<I{len(starts)}Q", 0xFFFFFFFF, *starts)
    header = b"OLYMPUSRAWFORMAT" + bytes(16) + struct.pack("<QQ", index + len(places), index)
    return header.ljust(96, b"\0") + data + places


def write_oir(folder: Path, pixels: Pixels) -> Path:
    path = folder / "scan.oir"
    path.write_bytes(oir(pixels))
    return path


# --- OIF


def write_oif(folder: Path, pixels: Pixels) -> Path:
    path = folder / "scan.oif"
    channels, lines, width = pixels.shape
    axes = {"X": width, "Y": 1, "Z": 1, "T": lines, "C": channels, "A": 1, "L": 1, "P": 1}
    text = (
        '[ProfileSaveInfo]\nName="OIF"\nVersion="1.0"\n[Axis Parameter Common]\nAxisOrder="XTC"\n'
    )
    for number, (code, size) in enumerate(axes.items()):
        end = 1.134 * (size - 1) if code == "T" else 0
        text += f'[Axis {number} Parameters Common]\nAxisCode="{code}"\nMaxSize={size}\n'
        text += f'StartPosition=0.0\nEndPosition={end}\nUnitName="ms"\n'
    text += (
        '[Reference Image Parameter]\nValidBitCounts=12\nWidthConvertValue=0.45\nWidthUnit="um"\n'
        "[Acquisition Parameters Common]\nImageCaputreDate='2025-07-22 12:13:14'\n"
    )
    for number in range(1, channels + 1):
        text += f'[GUI Channel {number} Parameters]\nCH Name="CH{number}"\nDyeName="EGFP"\n'
    path.write_bytes(b"\xff\xfe" + text.replace("\n", "\r\n").encode("utf-16-le"))
    planes = folder / "scan.oif.files"
    planes.mkdir()
    for number, plane in enumerate(pixels, start=1):
        tifffile.imwrite(planes / f"s_C{number:03}.tif", plane, photometric="minisblack")
    return path


def write_oib(folder: Path, pixels: Pixels) -> Path:
    """The same files in one compound file, each a chain of sectors of 512 bytes."""
    write_oif(folder, pixels)
    planes = sorted((folder / "scan.oif.files").iterdir())
    listed = "".join(f"Stream0000{n}=Storage00001/{one.name}\n" for n, one in enumerate(planes, 2))
    info = f"[OibSaveInfo]\nMainFileName=Stream00001\nStream00001=scan.oif\n{listed}"
    contents = [info.encode(), (folder / "scan.oif").read_bytes()]
    contents += [one.read_bytes() for one in planes]
    names = ["OibInfo.txt", *(f"Stream0000{n}" for n in range(1, len(contents)))]
    end, free, none = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFF

    def entry(name: str, kind: int, right: int, child: int, start: int, size: int) -> bytes:
        text = name.encode("utf-16-le") + bytes(2)
        head = struct.pack("<64sHBBIII", text, len(text), kind, 1, none, right, child)
        return head + bytes(36) + struct.pack("<IQ", start, size)

    count = len(contents)
    directory = -(-(count + 1) // 4)  # sectors of four entries, after the one of chains
    chains = [0xFFFFFFFD, *range(2, directory + 1), end]
    entries = entry("Root Entry", 5, none, 1, end, 0)
    data = b""
    for number, (name, content) in enumerate(zip(names, contents, strict=True), start=1):
        start, length = len(chains), -(-len(content) // 512)
        chains += [*range(start + 1, start + length), end]
        right = number + 1 if number < count else none
        entries += entry(name, 2, right, none, start, len(content))
        data += content.ljust(length * 512, b"\0")
    chains += [free] * (128 - len(chains))
    head = struct.pack(
        "<8s16sHHHHH6xIIIIIIIII", bytes.fromhex("d0cf11e0a1b11ae1"), b"", 0x3E, 3, 0xFFFE, 9, 6,
        0, 1, 1, 0, 0, end, 0, end, 0,
    )  # fmt: skip
    head = head.ljust(76, b"\0") + struct.pack("<109I", 0, *[free] * 108)
    path = folder / "scan.oib"
    path.write_bytes(
        head + struct.pack("<128I", *chains) + entries.ljust(directory * 512, b"\0") + data
    )
    return path


# --- CZI


def write_czi(folder: Path, pixels: Pixels) -> Path:
    path = folder / "scan.czi"
    with pytest.importorskip("pylibCZIrw.czi").create_czi(str(path)) as file:
        for channel, plane in enumerate(pixels):
            for time, line in enumerate(plane):
                place = {"T": time, "C": channel, "Z": 0}
                file.write(np.ascontiguousarray(line[None, :, None]), plane=place)
        names = {number: f"CH{number + 1}" for number in range(len(pixels))}
        file.write_metadata("scan", scale_x=0.45e-6, scale_y=0.45e-6, channel_names=names)
    add_time_stamps(path, [0.001134 * number for number in range(pixels.shape[1])])
    return path


def add_time_stamps(path: Path, times: list[float]) -> None:
    """Append an attachment as ZEN writes it, and its directory; the file's head names that."""
    data = bytearray(path.read_bytes())

    def segment(name: bytes, content: bytes) -> int:
        start = len(data)
        data.extend(name.ljust(16, b"\0") + struct.pack("<qq", len(content), len(content)))
        data.extend(content)
        return start

    def entry(place: int) -> bytes:
        kind, name = b"CZTIMS".ljust(8, b"\0"), b"TimeStamps".ljust(80, b"\0")
        return b"A1".ljust(12, b"\0") + struct.pack("<qi16s", place, 0, bytes(16)) + kind + name

    stamps = struct.pack(f"<ii{len(times)}d", 8 + 8 * len(times), len(times), *times)
    place = segment(
        b"ZISRAWATTACH", struct.pack("<i12x", len(stamps)) + entry(len(data)) + bytes(112) + stamps
    )
    directory = segment(b"ZISRAWATTDIR", struct.pack("<i252x", 1) + entry(place))
    data[104:112] = struct.pack("<q", directory)
    path.write_bytes(data)


# --- LIF


def lif_image(name: str, pixels: Pixels, block: str, *, rows: str = "4") -> str:
    channels, lines, width = pixels.shape
    unit, length = ("s", 0.001134 * (lines - 1)) if rows == "4" else ("m", 1e-5)
    described = "".join(
        f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="12" '
        f'NameOfMeasuredQuantity="" Min="0" Max="4095" Unit="" LUTName="Green" IsLUTInverted="0" '
        f'BytesInc="{number * lines * width * 2}" BitInc="0"><ChannelProperty><Key>DyeName</Key>'
        f"<Value>ALEXA {number}</Value></ChannelProperty></ChannelDescription>"
        for number in range(channels)
    )
    return (
        f'<Element Name="{name}" UniqueID="{block}"><Data><Image><ImageDescription><Channels>'
        f"{described}</Channels><Dimensions>"
        f'<DimensionDescription DimID="1" NumberOfElements="{width}" Origin="0" '
        f'Length="{0.45e-6 * (width - 1)!r}" Unit="m" BytesInc="2" BitInc="0"/>'
        f'<DimensionDescription DimID="{rows}" NumberOfElements="{lines}" Origin="0" '
        f'Length="{length!r}" Unit="{unit}" BytesInc="{width * 2}" BitInc="0"/>'
        "</Dimensions></ImageDescription>"
        '<TimeStampList NumberOfTimeStamps="1">1dbfb02d6e3a640</TimeStampList></Image></Data>'
        f'<Memory Size="{pixels.nbytes}" MemoryBlockID="{block}"/></Element>'
    )


def lif(images: dict[str, tuple[Pixels, str]]) -> bytes:
    elements = "".join(
        lif_image(name, pixels, f"MemBlock_{number}", rows=rows)
        for number, (name, (pixels, rows)) in enumerate(images.items())
    )
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="session"><Data/><Memory Size="0" '
        f'MemoryBlockID="x"/><Children>{elements}</Children></Element></LMSDataContainerHeader>'
    ).encode("utf-16-le")
    data = struct.pack("<IIBI", 0x70, len(xml) + 5, 0x2A, len(xml) // 2) + xml
    for number, (pixels, _) in enumerate(images.values()):
        name = f"MemBlock_{number}".encode("utf-16-le")
        head = struct.pack(
            "<IIBQBI", 0x70, len(name) + 14, 0x2A, pixels.nbytes, 0x2A, len(name) // 2
        )
        data += head + name + pixels.tobytes()
    return data


def write_lif(folder: Path, pixels: Pixels) -> Path:
    path = folder / "scan.lif"
    path.write_bytes(lif({"xt": (pixels, "4")}))
    return path


# --- ND2


def nd2(pixels: Pixels, *, asked: int | None = None, probes: bool = True) -> bytes:
    """A time series of frames of one line each; all channels of a frame are interleaved."""
    channels, lines, width = pixels.shape

    def variant(**values: Any) -> str:
        kinds = {bool: "bool", int: "lx_uint32", float: "double", str: "CLxStringW"}
        return "".join(
            f'<{name} runtype="CLxListVariant">{variant(**value)}</{name}>'
            if isinstance(value, dict)
            else f'<{name} runtype="{kinds[type(value)]}" value="{value}"/>'
            for name, value in values.items()
        )

    def document(**values: Any) -> bytes:
        return f'<variant version="1.0"><no_name>{variant(**values)}</no_name></variant>'.encode()

    spectrum = {"uiCount": 1, "pPoint": {"Point0": {"dWavelength": 488.0, "dTValue": 1.0}}}
    probe = {"m_ExcitationSpectrum": spectrum, "m_EmissionSpectrum": spectrum}
    planes = {
        f"a{number}": {
            "sDescription": f"CH{number + 1}",
            "uiCompCount": 1,
            "pFluorescentProbe": probe if probes else {},
        }
        for number in range(channels)
    }
    chunks = {
        b"ImageAttributesLV!": document(
            uiWidth=width, uiHeight=1, uiWidthBytes=width * channels * 2, uiComp=channels,
            uiBpcInMemory=16, uiBpcSignificant=12, uiSequenceCount=lines, eCompression=2,
        ),
        b"ImageMetadataSeqLV|0!": document(
            bCalibrated=True, dCalibration=0.45, dObjectiveMag=25.0, dObjectiveNA=1.05,
            wsObjectiveName="Apo LWD 25x",
            sPicturePlanes={"uiCount": channels, "sPlaneNew": planes},
        ),
        b"ImageMetadataLV!": document(
            eType=1,
            uLoopPars={"uiCount": asked or lines, "dStart": 0.0, "dPeriod": 0.0, "dDuration": 0.0,
                       "dAvgPeriodDiff": 1.134, "dMaxPeriodDiff": 0.0, "dMinPeriodDiff": 0.0},
        ),
        b"ImageTextInfoLV!": document(TextInfoItem_9="7/22/2025  12:13:14 PM"),
    }  # fmt: skip
    data, places = b"", {}

    def chunk(name: bytes, content: bytes, reserve: int = 64) -> None:
        nonlocal data
        places[name] = (len(data), len(content))
        data += struct.pack("<IIQ", 0x0ABECEDA, reserve, len(content)) + name.ljust(reserve, b"\0")
        data += content

    chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"), 32)
    for name, content in chunks.items():
        chunk(name, content)
    for number, line in enumerate(np.moveaxis(pixels, 0, -1)):
        chunk(f"ImageDataSeq|{number}!".encode(), bytes(8) + line.tobytes(), 4072)
    names = list(places.items())[1:]
    index = b"".join(name + struct.pack("<QQ", *place) for name, place in names)
    start = len(data)
    signature = b"ND2 CHUNK MAP SIGNATURE 0000001!"
    chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", index + signature + struct.pack("<Q", start), 32)
    return data


def write_nd2(folder: Path, pixels: Pixels) -> Path:
    path = folder / "scan.nd2"
    path.write_bytes(nd2(pixels))
    return path


WRITERS: dict[str, Callable[[Path, Pixels], Path]] = {
    "oir": write_oir,
    "oif": write_oif,
    "czi": write_czi,
    "lif": write_lif,
    "nd2": write_nd2,
}


def read(path: Path, reader: ImageReader) -> tuple[npt.NDArray[Any], Header]:
    with open_image(path, reader) as image:
        return image.read(), merge_facts(image.shape, image.dtype, image.facts)


@pytest.fixture(params=sorted(WRITERS))
def form(request: pytest.FixtureRequest) -> str:
    """A format whose library is installed."""
    found: str = request.param
    pytest.importorskip(LIBRARIES[found])
    return found


# --- all formats alike


@pytest.mark.parametrize("channels", [1, 2])
def test_a_line_scan_has_its_time_and_space(form: str, channels: int, tmp_path: Path) -> None:
    pixels = kymograph(channels)
    path = WRITERS[form](tmp_path, pixels)
    found, header = read(path, READERS[form])
    np.testing.assert_array_equal(found, pixels if channels > 1 else pixels[0])
    assert header.axes == (("c", "t", "x") if channels > 1 else ("t", "x"))
    assert header.scale["t"] == pytest.approx(0.001134)
    assert header.scale["x"] == pytest.approx(0.45)
    assert len(header.channels) == channels
    assert header.bits_per_pixel == (None if form == "czi" else 12)
    if form in {"oir", "oif", "nd2"}:
        assert header.acquired_local_epoch_ns is not None
        printed = np.datetime64(header.acquired_local_epoch_ns, "ns").astype("datetime64[s]")
        assert printed == np.datetime64("2025-07-22T12:13:14")


@pytest.mark.parametrize("channels", [1, 3])
def test_it_keeps_the_rules_of_readers(form: str, channels: int, tmp_path: Path) -> None:
    path = WRITERS[form](tmp_path, kymograph(channels))
    bad = []
    for name, data in [("empty", b""), ("cut", path.read_bytes()[:200]), ("other", b"II*\0" * 99)]:
        bad.append(tmp_path / f"{name}{path.suffix}")
        bad[-1].write_bytes(data)
    assert check_reader(READERS[form], [path], bad) == []


def test_a_folder_is_ingested(form: str, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    WRITERS[form](folder, kymograph(2))
    dataset = ZarrDataset(tmp_path / "d.zarr")
    (image_id,) = dataset.refresh_from_folder(folder, "**/*")
    np.testing.assert_array_equal(dataset.record(image_id).load_array(), kymograph(2))
    assert dataset.refresh_from_folder(folder, "**/*") == []


def test_a_missing_library_is_a_command(tmp_path: Path) -> None:
    for form in WRITERS:
        (tmp_path / f"scan.{form}").write_bytes(b"anything")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({list(LIBRARIES.values())!r}))\n"
        "from kymflow_zarr import IngestError, ZarrDataset\n"
        "try: ZarrDataset(sys.argv[1]).refresh_from_folder(sys.argv[2])\n"
        "except IngestError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "d.zarr"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    for form in WRITERS:
        assert f"pip install 'kymflow-zarr[{form}]'" in done.stdout


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_damage_is_an_unreadable_image_or_none(
    form: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = WRITERS[form](folder, kymograph()[:, :9])
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + 4] = data.draw(st.binary(min_size=1, max_size=8))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(content))))
    path.write_bytes(content[:cut])
    with suppress(UnreadableImageError):
        pixels, header = read(path, READERS[form])
        assert pixels.shape == header.shape


# --- what one format has


def test_an_archive_of_oir_files_gives_its_line_scan(tmp_path: Path) -> None:
    pytest.importorskip("oirfile")
    path = tmp_path / "scans.poir"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.oir", oir(kymograph()))
        archive.writestr("b.oir", oir(kymograph()))
    pixels, header = read(path, READERS["oir"])
    np.testing.assert_array_equal(pixels, kymograph()[0])
    assert header.warnings == ("of the file's 2 images only 'a.oir' is read here, not 'b.oir'",)


def test_an_oir_that_was_cut_short_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("oirfile")
    path = write_oir(tmp_path, kymograph())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UnreadableImageError, match="it is cut short"):
        read(path, READERS["oir"])


def test_an_oir_that_was_stopped_early_has_the_lines_that_are_there(tmp_path: Path) -> None:
    pytest.importorskip("oirfile")
    path = tmp_path / "stopped.oir"
    path.write_bytes(oir(kymograph(2), kept=40))
    pixels, header = read(path, READERS["oir"])
    np.testing.assert_array_equal(pixels, kymograph(2)[:, :40])
    assert header.warnings == ("the file holds 40 lines of 60",)
    path.write_bytes(oir(kymograph(2), kept=0))
    with pytest.raises(UnreadableImageError, match="pixels are missing"):
        read(path, READERS["oir"])


def test_a_damaged_block_of_an_oir_is_not_read_as_zeros(tmp_path: Path) -> None:
    pytest.importorskip("oirfile")
    path = tmp_path / "damaged.oir"
    path.write_bytes(
        oir(kymograph(2)).replace(struct.pack("<II", 840, 4), struct.pack("<II", 840, 9))
    )
    with pytest.raises(UnreadableImageError, match="it holds no pixels"):
        read(path, READERS["oir"])
    sound = oir(kymograph(2))
    at = sound.index(struct.pack("<II", 840, 4)) + 4
    path.write_bytes(sound[:at] + struct.pack("<I", 9) + sound[at + 4 :])
    with pytest.raises(UnreadableImageError, match="pixels are missing"):
        read(path, READERS["oir"])


def test_an_oib_is_an_oif_in_one_file(tmp_path: Path) -> None:
    pytest.importorskip("oiffile")
    pixels, header = read(write_oib(tmp_path, kymograph(2)), READERS["oif"])
    np.testing.assert_array_equal(pixels, kymograph(2))
    assert header.axes == ("c", "t", "x")
    assert header.scale["t"] == pytest.approx(0.001134)


def test_a_plane_of_an_oif_that_is_missing_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("oiffile")
    path = write_oif(tmp_path, kymograph(2))
    (tmp_path / "scan.oif.files" / "s_C002.tif").unlink()
    with pytest.raises(UnreadableImageError, match=r"1 of its 2 planes are missing.*'C': 2"):
        read(path, READERS["oif"])


def test_the_planes_of_an_oif_are_not_images(tmp_path: Path) -> None:
    write_oif(tmp_path, kymograph(2))
    plan = ZarrDataset(tmp_path / "d.zarr").plan_refresh(tmp_path, "**/*.tif")
    assert plan.new == ()


def test_a_czi_of_frames(tmp_path: Path) -> None:
    pytest.importorskip("czifile")
    czi = pytest.importorskip("pylibCZIrw.czi")
    path = tmp_path / "frames.czi"
    frames = np.arange(3 * 2 * 6 * 5, dtype=np.uint8).reshape(3, 2, 6, 5)
    with czi.create_czi(str(path)) as file:
        for time, channel in np.ndindex(3, 2):
            place = {"T": time, "C": channel, "Z": 0}
            file.write(frames[time, channel][..., None], plane=place)
        file.write_metadata("frames", scale_x=0.3e-6, scale_y=0.5e-6)
    pixels, header = read(path, READERS["czi"])
    assert header.axes == ("t", "c", "y", "x")
    assert (header.scale["y"], header.scale["x"], header.scale["t"]) == (0.5, 0.3, None)
    np.testing.assert_array_equal(pixels, frames)


def test_a_directory_of_a_czi_that_asks_for_too_much_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("czifile")
    path = write_czi(tmp_path, kymograph()[:, :9])
    data = bytearray(path.read_bytes())
    place = data.index(b"ZISRAWDIRECTORY") + 32 + 128 + 28
    for count in (2**30, -2):
        data[place : place + 4] = struct.pack("<i", count)
        path.write_bytes(data)
        with pytest.raises(UnreadableImageError, match=f"a block has {count} dimensions"):
            read(path, READERS["czi"])


def test_time_stamps_of_a_czi_may_be_dates(tmp_path: Path) -> None:
    pytest.importorskip("czifile")
    path = write_czi(tmp_path, kymograph())
    add_time_stamps(path, [45_000 + 0.5 * number / 86_400 for number in range(60)])
    assert read(path, READERS["czi"])[1].scale["t"] == pytest.approx(0.5)


def test_time_stamps_of_a_czi_that_jump_are_not_used(tmp_path: Path) -> None:
    pytest.importorskip("czifile")
    path = write_czi(tmp_path, kymograph())
    add_time_stamps(path, [0.5 * number + (number > 30) * 40 for number in range(60)])
    _, header = read(path, READERS["czi"])
    assert header.scale["t"] is None
    assert any("not evenly spaced" in warning for warning in header.warnings)


def test_a_czi_that_was_stopped_early_has_the_frames_that_are_there(tmp_path: Path) -> None:
    pytest.importorskip("czifile")
    czi = pytest.importorskip("pylibCZIrw.czi")
    path = tmp_path / "stopped.czi"
    with czi.create_czi(str(path)) as file:
        for time, channel in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]:
            plane = np.full((6, 5, 1), 10 * time + channel, np.uint8)
            file.write(plane, plane={"T": time, "C": channel, "Z": 0})
        file.write_metadata("stopped")
    pixels, header = read(path, READERS["czi"])
    assert pixels[:, :, 0, 0].tolist() == [[0, 1], [10, 11]]
    assert header.warnings == ("the file holds 2 whole frames of 3",)


def test_a_lif_gives_its_first_line_scan_and_names_the_others(tmp_path: Path) -> None:
    pytest.importorskip("liffile")
    path = tmp_path / "session.lif"
    overview = np.zeros((1, 8, 8), np.uint16)
    path.write_bytes(
        lif({"overview": (overview, "2"), "xt 1": (kymograph(), "4"), "xt 2": (kymograph(), "4")})
    )
    pixels, header = read(path, READERS["lif"])
    np.testing.assert_array_equal(pixels, kymograph()[0])
    assert header.warnings[-2:] == (
        "of the file's 3 images only 'session/xt 1' is read here, not 'session/xt 2', "
        "'session/overview'",
        "the acquisition time in the LIF is given in UTC, not in local time",
    )


def scenes_of(dataset: ZarrDataset) -> dict[str, npt.NDArray[Any]]:
    """The pixels of each image by its scene."""
    found = {}
    for record in dataset.iter_records():
        provenance: Any = record.load_json("provenance")
        found[provenance["source"]["scene"]] = record.load_array()
    return found


def test_each_image_of_a_lif_becomes_an_image(tmp_path: Path) -> None:
    pytest.importorskip("liffile")
    folder = tmp_path / "scans"
    folder.mkdir()
    overview, first, second = np.ones((1, 8, 8), np.uint16), kymograph(), kymograph()[:, :9] + 1
    content = lif({"view": (overview, "2"), "xt": (first, "4"), "xt 2": (second, "4")})
    (folder / "session.lif").write_bytes(content)
    dataset = ZarrDataset(tmp_path / "d.zarr")
    outcomes = list(dataset.iter_refresh(folder))
    assert [outcome.status for outcome in outcomes] == ["ingested"] * 3
    found = scenes_of(dataset)
    np.testing.assert_array_equal(found["session/view"], overview[0])
    np.testing.assert_array_equal(found["session/xt"], first[0])
    np.testing.assert_array_equal(found["session/xt 2"], second[0])
    assert not any("is read here" in issue.message for each in outcomes for issue in each.issues)
    assert dataset.refresh_from_folder(folder) == []
    assert len(dataset.sources.load()) == 3
    assert dataset.check(deep=True) == []


def test_an_image_of_a_lif_that_cannot_be_read_stops_no_other(tmp_path: Path) -> None:
    pytest.importorskip("liffile")
    folder = tmp_path / "scans"
    folder.mkdir()
    content = lif({"xt": (kymograph(), "4"), "cut": (kymograph(), "4")})
    (folder / "session.lif").write_bytes(content[:-100])
    dataset = ZarrDataset(tmp_path / "d.zarr")
    with pytest.raises(IngestError, match="in 'session/cut'") as caught:
        dataset.refresh_from_folder(folder)
    assert len(caught.value.image_ids) == 1
    np.testing.assert_array_equal(scenes_of(dataset)["session/xt"], kymograph()[0])
    assert [failure.path for failure in dataset.sources.failures()] == [
        str((folder / "session.lif").resolve())
    ]


def test_each_file_of_an_archive_becomes_an_image(tmp_path: Path) -> None:
    pytest.importorskip("oirfile")
    folder = tmp_path / "scans"
    folder.mkdir()
    with zipfile.ZipFile(folder / "scans.poir", "w") as archive:
        archive.writestr("a.oir", oir(kymograph()))
        archive.writestr("b.oir", oir(kymograph(2)))
    dataset = ZarrDataset(tmp_path / "d.zarr")
    dataset.refresh_from_folder(folder)
    found = scenes_of(dataset)
    np.testing.assert_array_equal(found["a.oir"], kymograph()[0])
    np.testing.assert_array_equal(found["b.oir"], kymograph(2))


def test_each_scene_of_a_czi_becomes_an_image(tmp_path: Path) -> None:
    pytest.importorskip("czifile")
    czi = pytest.importorskip("pylibCZIrw.czi")
    folder = tmp_path / "scans"
    folder.mkdir()
    with czi.create_czi(str(folder / "scenes.czi")) as file:
        for scene in range(2):
            plane = np.full((6, 5 + scene, 1), 1 + scene, np.uint8)
            place = {"T": 0, "C": 0, "Z": 0}
            file.write(plane, plane=place, location=(100 * scene, 0), scene=scene)
        file.write_metadata("scenes", scale_x=0.3e-6, scale_y=0.3e-6)
    dataset = ZarrDataset(tmp_path / "d.zarr")
    dataset.refresh_from_folder(folder)
    found = [(pixels.shape, int(pixels.max())) for pixels in scenes_of(dataset).values()]
    assert sorted(found) == [((6, 5), 1), ((6, 6), 2)]


def test_a_lif_of_frames(tmp_path: Path) -> None:
    pytest.importorskip("liffile")
    path = tmp_path / "frames.lif"
    path.write_bytes(lif({"overview": (kymograph(3), "2")}))
    pixels, header = read(path, READERS["lif"])
    np.testing.assert_array_equal(pixels, kymograph(3))
    assert header.axes == ("c", "y", "x")
    assert header.scale["y"] == pytest.approx(1e-5 / 59 * 1e6)
    assert [channel.dye for channel in header.channels] == ["ALEXA 0", "ALEXA 1", "ALEXA 2"]


def test_an_nd2_that_was_stopped_early_has_the_frames_that_are_there(tmp_path: Path) -> None:
    pytest.importorskip("nd2")
    path = tmp_path / "stopped.nd2"
    path.write_bytes(nd2(kymograph(), asked=100))
    pixels, header = read(path, READERS["nd2"])
    np.testing.assert_array_equal(pixels, kymograph()[0])
    assert header.warnings == ("the file holds 60 of the 100 frames that were asked for",)


def test_an_nd2_whose_channels_cannot_be_read_has_its_pixels(tmp_path: Path) -> None:
    pytest.importorskip("nd2")
    path = tmp_path / "bare.nd2"
    path.write_bytes(nd2(kymograph(), probes=False))
    pixels, header = read(path, READERS["nd2"])
    np.testing.assert_array_equal(pixels, kymograph()[0])
    assert header.scale["t"] == pytest.approx(0.001134)
    # A later release of nd2 may read them.
    warned = any("channels and pixel size" in warning for warning in header.warnings)
    assert warned == (header.scale["x"] is None)


def test_an_unreadable_file_stops_no_other(tmp_path: Path) -> None:
    pytest.importorskip("liffile")
    write_lif(tmp_path, kymograph())
    (tmp_path / "broken.lif").write_bytes(b"no LIF")
    with pytest.raises(IngestError, match=r"broken\.lif") as caught:
        ZarrDataset(tmp_path / "d.zarr").refresh_from_folder(tmp_path)
    assert len(caught.value.image_ids) == 1
