"""The workbook: what is in it, and that nothing in it is run."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from kymflow.cli.errors import OutputFileError, UnknownNameError
from kymflow.cli.verbs.export import export
from kymflow.cli.workbook import Sheet, write_workbook
from kymflow.core.decisions import exclude, set_fields
from kymflow_zarr import ZarrDataset

pytest.importorskip("xlsxwriter")

Kymflow = Callable[..., tuple[int, str, str]]
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def sheets(place: Path) -> dict[str, list[list[str]]]:
    """The texts of all cells, by sheet; no cell is a formula."""
    with zipfile.ZipFile(place) as book:
        names = [
            sheet.attrib["name"]
            for sheet in ET.fromstring(book.read("xl/workbook.xml")).iter(f"{MAIN}sheet")
        ]
        found = {}
        for number, name in enumerate(names, start=1):
            root = ET.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))
            assert not list(root.iter(f"{MAIN}f"))
            assert not list(root.iter(f"{MAIN}hyperlink"))
            found[name] = [cells_of(row) for row in root.iter(f"{MAIN}row")]
    return found


def cells_of(row: ET.Element) -> list[str]:
    """The texts of a row, one that is missing as an empty one."""
    texts: list[str] = []
    for cell in row:
        letters = cell.attrib["r"].rstrip("0123456789")
        at = 0
        for letter in letters:
            at = 26 * at + ord(letter) - ord("A") + 1
        texts += [""] * (at - 1 - len(texts))
        texts.append("".join(cell.itertext()))
    return texts


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="No space left"):
        write_workbook([Sheet(name="one", columns=("a",), rows=[(1,)])], Path("/dev/full"))


@pytest.fixture(scope="module")
def analyzed(made_dataset: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    place = shutil.copytree(made_dataset, tmp_path_factory.mktemp("analyzed") / "k.zarr")
    opened = ZarrDataset(place)
    set_fields(opened.find("a"), {"condition": "=HYPERLINK(1)", "note": "\x1b[2J\nhttp://x.y"})
    exclude(opened.find("b"), reason="out of focus")
    return str(place)


def test_results_images_metadata_parameters_and_exclusions(
    analyzed: str, tmp_path: Path, kymflow: Kymflow
) -> None:
    place = tmp_path / "lab.xlsx"
    code, out, _ = kymflow("export", analyzed, "--xlsx", place)
    assert code == 0
    assert out.endswith(f"sheets in {place}\n")
    found = sheets(place)
    assert {"images", "velocity", "velocity_intervals", "parameters", "columns"} <= set(found)
    header, *rows = found["images"]
    assert header[0] == "file"
    assert [row[0] for row in rows] == ["a.tif", "b.tif", "c.tiff"]
    texts = [text for row in rows for text in row]
    assert "=HYPERLINK(1)" in texts
    assert "\\x1b[2J\nhttp://x.y" in texts
    assert "out of focus" in texts
    header, *rows = found["velocity"]
    assert [row[0] for row in rows] == ["a.tif", "c.tiff"]
    assert "median_mm_s" in header
    assert any("window_lines" in text for row in found["parameters"] for text in row)
    assert ["velocity", "median_mm_s", "mm/s", "median velocity"] in found["columns"]


def test_numbers_are_numbers(analyzed: str, tmp_path: Path) -> None:
    place = tmp_path / "lab.xlsx"
    export(analyzed, xlsx=place)
    header, first, *_ = sheets(place)["velocity"]
    row = dict(zip(header, first, strict=False))
    rows = ZarrDataset(analyzed).load_table("kym_velocity").set_index("image_id")
    stored = rows.loc[row["image_id"]]
    assert float(row["median_px_per_line"]) == pytest.approx(stored["median_px_per_line"])
    assert int(row["n_windows"]) == stored["n_windows"]


@pytest.mark.parametrize("name", ["lab.csv", "no/lab.xlsx", "k.zarr/lab.xlsx"])
def test_places_that_a_workbook_cannot_go_to(analyzed: str, name: str) -> None:
    place = Path(analyzed).parent / name
    with pytest.raises(OutputFileError):
        export(analyzed, xlsx=place)
    assert not place.exists()


def test_groups_that_are_not_there_are_refused(analyzed: str, tmp_path: Path) -> None:
    place = tmp_path / "groups.xlsx"
    with pytest.raises(UnknownNameError, match="there is no field 'folder_l' of the images"):
        export(analyzed, xlsx=place, group_by="folder_l")
    with pytest.raises(UnknownNameError, match="there is no group 'before' of field 'folder_1'"):
        export(analyzed, xlsx=place, group_by="folder_1", baseline="before")
    assert not place.exists()


def test_a_place_is_needed(analyzed: str) -> None:
    with pytest.raises(UnknownNameError, match="--xlsx"):
        export(analyzed)
