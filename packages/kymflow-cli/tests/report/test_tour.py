"""The tour: its pictures, and the same way with real recordings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kymflow_zarr import ZarrDataset

TOUR = Path(__file__).parents[2] / "docs" / "tour.md"

Kymflow = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def tour() -> str:
    if not TOUR.is_file():
        pytest.skip("the docs are not in this distribution")
    return TOUR.read_text(encoding="utf-8")


def words(text: str) -> str:
    """A line whatever the widths of its columns."""
    return re.sub(r"\s+", " ", text).strip()


def test_its_pictures_are_there_and_made_by_the_script(tour: str) -> None:
    script = TOUR.parents[1] / "examples" / "make_tour_pictures.py"
    made = set(re.findall(r'"(report-[\w-]+\.png)"', script.read_text(encoding="utf-8")))
    shown = re.findall(r"!\[([^\]]+)\]\(pictures/([\w-]+\.png)\)", tour)
    assert {name for _, name in shown} == made
    assert made == {path.name for path in (TOUR.parent / "pictures").glob("report-*")}
    for alt, name in shown:
        assert len(alt) > 20
        data = (TOUR.parent / "pictures" / name).read_bytes()
        assert data.startswith(b"\x89PNG")
        assert len(data) < 400_000


@pytest.fixture
def recordings() -> Path:
    """Real kymographs, where they are at hand."""
    for folder in Path(__file__).resolve().parents:
        found = folder / "shared" / "data" / "kymographs"
        if found.is_dir():
            return found
    pytest.skip("there are no real recordings here")


@pytest.mark.slow
def test_the_same_way_with_real_recordings(
    recordings: Path, kymflow: Kymflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("duckdb")
    monkeypatch.chdir(tmp_path)

    def ask(*arguments: object) -> str:
        code, out, err = kymflow(*(str(argument) for argument in arguments))
        assert code == 0, err
        return words(out)

    assert ask("ingest", recordings, "real.zarr") == "4 new images in real.zarr"
    assert ask("analyze", "real.zarr", "velocity") == "velocity: 4 images analyzed"
    ask("index", "real.zarr")
    assert re.search(r"velocity \S+ 4 0 0 0", ask("status", "real.zarr"))
    question = (
        "SELECT parse_filename(source_primary_path) AS file, round(median_mm_s, 1) AS v "
        "FROM kym_velocity JOIN sources USING (image_id) ORDER BY file, roi_id"
    )
    # The lab's own tool found 1.6, 1.4, 0.8 and -1.4 mm/s in its way.
    assert ask("query", "real.zarr", question) == words(
        """file v
        20250722_A89_0002.tif 1.6
        20250722_A89_0002.tif 1.6
        20250722_A89_0003.tif 1.4
        20250722_A89_0003.tif 1.4
        20250722_A89_0004.tif 0.8
        20250722_A89_0004.tif 0.8
        Capillary2.tif -1.4"""
    )
    assert ask("report", "real.zarr") == "4 images in real-report.html"
    page = Path("real-report.html").read_text(encoding="utf-8")
    # Four kymographs, four regions (six of the seven ROIs are pairs of the same borders), four
    # details and the paths over them.
    assert page.count("data:image/png;base64,") == 4 + 4 + 4 + 4
    assert "2025-07-22" in page
    assert "4 images in files" in ask("export", "real.zarr", "files")
    assert ask("ingest", "files", "again.zarr") == "4 new images in again.zarr"
    again, real = ZarrDataset("again.zarr", mode="r"), ZarrDataset("real.zarr", mode="r")
    for record in real.iter_records():
        twin = again.record(record.image_id)
        assert twin.pixels_digest == record.pixels_digest
        assert twin.load_json("velocity/summary") == record.load_json("velocity/summary")
    assert ask("check", "again.zarr", "--deep") == "again.zarr: all is well"
