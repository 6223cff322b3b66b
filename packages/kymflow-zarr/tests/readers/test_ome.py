"""OME-TIFF: one line a plane, times of planes, images that are spread over files or incomplete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import example, given
from hypothesis import strategies as st

from kymflow_zarr import IngestOptions, ZarrDataset
from kymflow_zarr._readers.header import Header, merge_facts
from kymflow_zarr._readers.image_file import open_image
from kymflow_zarr._readers.tiff_reader import TiffReader
from kymflow_zarr._readers.vendors.ome_pages import ome_layout
from kymflow_zarr._readers.xml_text import parse_xml

Pixels = npt.NDArray[np.uint16]
Read = Callable[..., tuple[Header, Pixels]]

UUIDS = ["urn:uuid:aaaaaaaa", "urn:uuid:bbbbbbbb", "urn:uuid:cccccccc"]


def ome_xml(
    *,
    inner: str = "<TiffData/>",
    uuid: str = "",
    namespace: str = "http://www.openmicroscopy.org/Schemas/OME/2016-06",
    image: str = "",
    order: str = "XYCZT",
    **attributes: str | float,
) -> str:
    stated = {"SizeX": 8, "SizeY": 9, "SizeC": 1, "SizeZ": 1, "SizeT": 1, **attributes}
    pixels = " ".join(f'{name}="{value}"' for name, value in stated.items())
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="{namespace}" UUID="{uuid}">'
        f'<Image ID="Image:0">{image}<Pixels ID="Pixels:0" DimensionOrder="{order}" '
        f'Type="uint16" {pixels}>{inner}</Pixels></Image></OME>'
    )


def planes(times: list[float], unit: str = "s") -> str:
    return "<TiffData/>" + "".join(
        f'<Plane TheC="0" TheZ="0" TheT="{number}" DeltaT="{time:.7f}" DeltaTUnit="{unit}"/>'
        for number, time in enumerate(times)
    )


def part(number: int, **first: int) -> str:
    stated = " ".join(f'First{axis}="{value}"' for axis, value in first.items())
    return (
        f'<TiffData IFD="0" {stated} PlaneCount="1">'
        f'<UUID FileName="part{number}.ome.tif">{UUIDS[number]}</UUID></TiffData>'
    )


@pytest.fixture
def read(write: Callable[..., Path]) -> Read:
    """Write pages with an OME-XML, and read them back."""

    def read(
        pages: Pixels, xml: str, name: str = "image.ome.tif", **options: Any
    ) -> tuple[Header, Pixels]:
        path = write(
            pages,
            name,
            description=xml.encode(),
            metadata=None,
            photometric="minisblack",
            **options,
        )
        with open_image(path, TiffReader()) as image:
            return merge_facts(image.shape, image.dtype, image.facts), image.read()

    return read


@pytest.fixture
def lines() -> Pixels:
    """60 pages of one line of 8 pixels."""
    return np.arange(480, dtype=np.uint16).reshape(60, 1, 8)


def test_a_line_a_page_is_lines_over_time(read: Read, lines: Pixels) -> None:
    xml = ome_xml(SizeY=1, SizeT=60, PhysicalSizeX=331, PhysicalSizeXUnit="nm",
                  TimeIncrement=1.134, TimeIncrementUnit="ms")  # fmt: skip
    header, pixels = read(lines, xml)
    assert header.axes == ("t", "x")
    assert header.scale == {"t": 0.001134, "x": 0.331}
    assert header.warnings == ()
    np.testing.assert_array_equal(pixels, lines[:, 0])


def test_a_line_a_page_without_any_metadata(read: Read, lines: Pixels) -> None:
    header, pixels = read(lines, "nothing")
    assert header.axes == ("y", "x")
    np.testing.assert_array_equal(pixels, lines[:, 0])


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1000)])
@pytest.mark.parametrize("stated", [{}, {"TimeIncrement": 0}, {"TimeIncrement": "0.0"}])
def test_the_times_of_planes_give_the_step(
    read: Read, lines: Pixels, unit: str, factor: int, stated: dict[str, Any]
) -> None:
    times = [number * 0.001134 * factor for number in range(60)]
    header, _ = read(lines, ome_xml(inner=planes(times, unit), SizeY=1, SizeT=60, **stated))
    assert header.scale["t"] == pytest.approx(0.001134, rel=1e-4)
    assert header.warnings == ()


def test_times_of_planes_that_jump_are_not_used(read: Read, lines: Pixels) -> None:
    times = [number * 0.001134 + 5.0 * (number > 30) for number in range(60)]
    header, _ = read(lines, ome_xml(inner=planes(times), SizeY=1, SizeT=60))
    assert header.scale["t"] is None
    assert "not evenly spaced" in header.warnings[0]


def test_times_that_contradict_the_increment_are_reported(read: Read, lines: Pixels) -> None:
    times = [number * 0.001134 for number in range(60)]
    xml = ome_xml(inner=planes(times), SizeY=1, SizeT=60, TimeIncrement=1.134)
    header, _ = read(lines, xml)
    assert header.scale["t"] == 1.134
    assert "the planes are 0.001134 s apart" in header.warnings[0]


@pytest.mark.parametrize("unit", ["frame", "reference frame", "pixel", "fortnight"])
def test_units_that_are_none_are_warnings(read: Read, lines: Pixels, unit: str) -> None:
    xml = ome_xml(SizeY=1, SizeT=60, PhysicalSizeX=0.331, PhysicalSizeXUnit=unit,
                  TimeIncrement=2, TimeIncrementUnit=unit)  # fmt: skip
    header, _ = read(lines, xml)
    assert header.scale == {"t": None, "x": None}
    assert len(header.warnings) == 2


def test_a_run_that_was_stopped(read: Read, lines: Pixels) -> None:
    header, pixels = read(lines[:40], ome_xml(SizeY=1, SizeT=60, TimeIncrement=0.001))
    assert header.axes == ("t", "x")
    assert header.scale["t"] == 0.001
    assert header.warnings == ("its OME-XML declares 60 planes, the file holds 40",)
    np.testing.assert_array_equal(pixels, lines[:40, 0])


@pytest.mark.parametrize("inner", ["", "<MetadataOnly/>"])
def test_planes_without_a_page_of_their_own_are_read_in_order(
    read: Read, lines: Pixels, inner: str
) -> None:
    xml = ome_xml(inner=inner, SizeY=1, SizeT=60, TimeIncrement=0.001)
    header, pixels = read(lines, xml)
    assert (header.axes, header.scale["t"]) == (("t", "x"), 0.001)
    assert ["they are read in order" in warning for warning in header.warnings] == [True]
    np.testing.assert_array_equal(pixels, lines[:, 0])


def test_pages_beyond_those_described_are_counted(read: Read, lines: Pixels) -> None:
    header, pixels = read(lines, ome_xml(SizeY=1, SizeT=50))
    assert header.warnings == ("10 pages that its OME-XML does not describe are not read",)
    np.testing.assert_array_equal(pixels, lines[:50, 0])


def test_xml_that_is_cut_short_is_a_warning(read: Read, lines: Pixels) -> None:
    header, _ = read(lines, ome_xml(SizeY=1, SizeT=60, PhysicalSizeX=0.331)[:-20])
    assert header.scale["x"] is None
    assert header.warnings == ("its OME-XML has no end and is not used",)


@pytest.mark.parametrize(("unit", "step", "warnings"), [("reference frame", 1.0, 1), ("s", 0.0, 0)])
def test_times_of_planes_that_are_none(
    read: Read, lines: Pixels, unit: str, step: float, warnings: int
) -> None:
    inner = planes([number * step for number in range(60)], unit)
    header, _ = read(lines, ome_xml(inner=inner, SizeY=1, SizeT=60))
    assert header.scale["t"] is None
    assert [unit in warning for warning in header.warnings] == [True] * warnings


def test_of_a_stopped_run_only_whole_time_points_are_read(read: Read) -> None:
    pages = np.arange(5 * 72, dtype=np.uint16).reshape(5, 9, 8)
    header, pixels = read(pages, ome_xml(SizeC=2, SizeT=9))
    assert header.axes == ("t", "c", "y", "x")
    np.testing.assert_array_equal(pixels, pages[:4].reshape(2, 2, 9, 8))
    assert "declares 18 planes, the file holds 5" in header.warnings[0]
    assert "1 planes of incomplete parts" in header.warnings[1]


def test_every_file_of_a_spread_image_is_read_by_its_pages(read: Read) -> None:
    inner = '<Channel Name="green"/><Channel Name="red"/>' + part(0, C=0) + part(1, C=1)
    for number, name in enumerate(["green", "red"]):
        page = np.full((9, 8), number + 1, np.uint16)
        xml = ome_xml(inner=inner, uuid=UUIDS[number], SizeC=2, PhysicalSizeX=0.331)
        header, pixels = read(page, xml, f"part{number}.ome.tif")
        assert header.axes == ("y", "x")
        assert header.scale["x"] == 0.331
        assert [channel.name for channel in header.channels] == [name]
        assert f"not read here: 'part{1 - number}.ome.tif'" in header.warnings[0]
        np.testing.assert_array_equal(pixels, page)


def test_a_renamed_file_still_belongs_to_its_image(read: Read, lines: Pixels) -> None:
    count = len(lines)
    uuid = f'<UUID FileName="a.ome.tif">{UUIDS[0]}</UUID>'
    inner = f'<TiffData IFD="0" PlaneCount="{count}">{uuid}</TiffData>'
    xml = ome_xml(inner=inner, SizeY=1, SizeT=count, TimeIncrement=0.001134)
    header, pixels = read(lines, xml, "renamed.ome.tif")
    assert (header.axes, header.scale["t"], header.warnings) == (("t", "x"), 0.001134, ())
    np.testing.assert_array_equal(pixels, lines.reshape(count, -1))


def test_a_file_without_uuid_is_known_by_its_name(read: Read) -> None:
    inner = part(0, T=0) + part(1, T=1) + part(2, T=2)
    header, _ = read(np.ones((9, 8), np.uint16), ome_xml(inner=inner, SizeT=3), "part1.ome.tif")
    assert "'part0.ome.tif', 'part2.ome.tif'" in header.warnings[0]


def test_the_image_of_another_position_is_the_one_that_is_in_the_file(read: Read) -> None:
    first = ome_xml(inner='<Channel Name="green"/>' + part(0), uuid=UUIDS[1], PhysicalSizeX=0.5)
    second = ome_xml(inner='<Channel Name="red"/>' + part(1), PhysicalSizeX=0.331)
    image = second[second.index("<Image") : second.index("</OME>")]
    page = np.full((9, 8), 7, np.uint16)
    header, pixels = read(page, first.replace("</OME>", f"{image}</OME>"), "part1.ome.tif")
    assert header.axes == ("y", "x")
    assert header.scale["x"] == 0.331
    assert [channel.name for channel in header.channels] == ["red"]
    assert "not read here: 'part0.ome.tif'" in header.warnings[0]
    assert "of its 2 images only number 2 is read" in header.warnings[1]
    np.testing.assert_array_equal(pixels, page)


def test_of_several_images_the_first_is_read_and_the_others_are_counted(write: Any) -> None:
    path = write(np.ones((2, 9, 8), np.uint16), "two.ome.tif")
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name in ("first", "second"):
            writer.write(np.ones((2, 9, 8), np.uint16), metadata={"Name": name, "axes": "TYX"})
    with open_image(path, TiffReader()) as image:
        warnings = merge_facts(image.shape, image.dtype, image.facts).warnings
    assert any("holds 2 series of images, of which the first is read" in one for one in warnings)


def test_pages_that_no_file_name_describes_come_in_as_they_are(read: Read) -> None:
    pages = np.arange(144, dtype=np.uint16).reshape(2, 9, 8)
    header, pixels = read(pages, ome_xml(inner=part(0)), "renamed.ome.tif")
    assert header.axes == ("z", "y", "x")
    assert "not read here: 'part0.ome.tif'" in header.warnings[0]
    np.testing.assert_array_equal(pixels, pages)


def test_a_stub_names_the_file_that_is_not_read(read: Read) -> None:
    stub = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<BinaryOnly MetadataFile="line.companion.ome" UUID="urn:uuid:x"/></OME>'
    )
    header, pixels = read(np.ones((9, 8), np.uint16), stub)
    assert pixels.shape == (9, 8)
    assert "is in another file, which is not read: 'line.companion.ome'" in header.warnings[0]


def test_pages_in_another_order_than_planes(read: Read) -> None:
    """The second channel comes first in the file, and time runs backwards."""
    pages = np.arange(4 * 72, dtype=np.uint16).reshape(4, 9, 8)
    inner = "".join(
        f'<TiffData IFD="{3 - number}" FirstC="{number % 2}" FirstT="{number // 2}"/>'
        for number in range(4)
    )
    header, pixels = read(pages, ome_xml(inner=inner, SizeC=2, SizeT=3))
    assert header.axes == ("t", "c", "y", "x")
    np.testing.assert_array_equal(pixels, pages[::-1].reshape(2, 2, 9, 8))


def test_old_schemas(read: Read, lines: Pixels) -> None:
    xml = ome_xml(
        namespace="http://www.openmicroscopy.org/Schemas/OME/2008-02",
        image="<CreationDate>2010-07-22T12:13:14</CreationDate>",
        SizeY=1,
        SizeT=60,
        TimeIncrement=0.001134,
    )
    header, _ = read(lines, xml)
    assert header.scale["t"] == 0.001134
    assert header.acquired_local_epoch_ns == 1279800794 * 10**9


@given(
    page_count=st.integers(1, 12),
    sizes=st.fixed_dictionaries({f"Size{axis}": st.integers(-1, 4) for axis in "CZT"}),
    order=st.permutations("CZT"),
    blocks=st.lists(
        st.dictionaries(
            st.sampled_from(["IFD", "FirstC", "FirstZ", "FirstT", "PlaneCount", "NumPlanes"]),
            st.integers(-2, 9),
        ),
        max_size=5,
    ),
)
@example(1, {"SizeC": 0, "SizeZ": -1, "SizeT": 0}, ["Z", "T", "C"], [{"FirstT": 1, "IFD": 0}])
def test_any_blocks_make_a_box_of_pages_or_nothing(
    page_count: int, sizes: dict[str, Any], order: list[str], blocks: list[dict[str, int]]
) -> None:
    inner = "".join(
        "<TiffData " + " ".join(f'{name}="{value}"' for name, value in block.items()) + "/>"
        for block in blocks
    )
    xml = ome_xml(inner=inner, order="XY" + "".join(order), **sizes)
    layout = ome_layout(parse_xml(xml), file_name="a", page_count=page_count, page_shape=(9, 8))
    if layout is not None:
        assert len(layout.pages) == np.prod(layout.shape) // 72
        assert set(layout.pages) <= set(range(page_count))
        assert len(layout.axes) == len(layout.shape)
        assert layout.warnings


@given(st.text(alphabet='<>/="TiffDataPixelsImage01 ', max_size=80))
def test_any_xml_is_a_layout_or_an_error_that_is_named(text: str) -> None:
    try:
        ome_layout(parse_xml(text), file_name="a", page_count=3, page_shape=(9, 8))
    except ValueError:
        return


def test_channels_in_two_files_are_one_image_with_both_names(tmp_path: Path) -> None:
    """As Prairie View writes them: the first file describes both, the second names the first."""
    names = [f"LineScan-003_Cycle00001_Ch{number}_000001.ome.tif" for number in (1, 2)]
    uuids = [f"urn:uuid:{number:08d}-1111-1111-1111-111111111111" for number in (1, 2)]
    blocks = "".join(
        f'<TiffData IFD="0" FirstC="{channel}" PlaneCount="1"><UUID FileName="{names[channel]}">'
        f"{uuids[channel]}</UUID></TiffData>"
        for channel in (0, 1)
    )
    namespace = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
    texts = [
        f'<OME {namespace} UUID="{uuids[0]}"><Image ID="Image:0"><Pixels ID="P:0" Type="uint8" '
        'DimensionOrder="XYCZT" SizeX="6" SizeY="20" SizeC="2" SizeZ="1" SizeT="1">'
        '<Channel ID="C:0" Name="red"/><Channel ID="C:1" Name="green"/>'
        f"{blocks}</Pixels></Image></OME>",
        f'<OME {namespace} UUID="{uuids[1]}"><BinaryOnly MetadataFile="{names[0]}" '
        f'UUID="{uuids[0]}"/></OME>',
    ]
    for name, text in zip(names, texts, strict=True):
        pixels = np.zeros((20, 6), np.uint8)
        tifffile.imwrite(tmp_path / name, pixels, description=text, metadata=None)
    dataset = ZarrDataset(tmp_path / "d.zarr")
    (image_id,) = dataset.refresh_from_folder(tmp_path)
    header: Any = dataset.record(image_id).load_metadata_payload()["header"]
    assert [channel["name"] for channel in header["channels"]] == ["red", "green"]
    assert header["warnings"] == []

    alone = ZarrDataset(tmp_path / "alone.zarr")
    first = alone.refresh_from_folder(tmp_path, options=IngestOptions(channels="off"))[0]
    header = alone.record(first).load_metadata_payload()["header"]
    assert [channel["name"] for channel in header["channels"]] == ["red"]
    assert "parts of the image are in other files" in header["warnings"][0]
    assert names[1] in header["warnings"][0]
