"""The tour: every command in it runs, and answers what it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kymflow_zarr import ZarrDataset

TOUR = Path(__file__).parents[2] / "docs" / "tour.md"

Kymflow = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def tour() -> str:
    if not TOUR.is_file():
        pytest.skip("the docs are not in this distribution")
    return TOUR.read_text(encoding="utf-8")


def steps_of(tour: str) -> list[tuple[str, list[str]]]:
    """Each command, and the lines that it answers."""
    steps: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", tour, re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line.removeprefix("$ "), []))
            else:
                steps[-1][1].append(line)
    return steps


def words(text: str) -> str:
    """A line whatever the widths of its columns."""
    return re.sub(r"\s+", " ", text).strip()


def test_each_command_answers_what_the_tour_says(
    tour: str, kymflow: Kymflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("duckdb")
    monkeypatch.chdir(tmp_path)
    steps = steps_of(tour)
    assert len(steps) > 12
    verbs = {shlex.split(command)[1] for command, _ in steps}
    assert {"ingest", "analyze", "index", "status", "query", "report", "export"} <= verbs
    for command, said in steps:
        program, *arguments = shlex.split(command)
        assert program == "kymflow"
        code, out, err = kymflow(*arguments)
        assert code == 0, f"{command}\n{err}"
        assert said, f"{command}: the tour does not say what it answers"
        answered = out.rstrip("\n").splitlines()
        assert len(answered) == len(said), f"{command}\n{out}"
        for line, wanted in zip(answered, said, strict=True):
            pattern = re.escape(words(wanted.replace("\\", "/"))).replace("…", ".*")
            assert re.fullmatch(pattern, words(line.replace("\\", "/"))), f"{command}\n{out}"
    assert (tmp_path / "lab-report.html").stat().st_size > 500_000
    run_python(tour)


def run_python(tour: str) -> None:
    """The Python in the tour, in the folder where the commands have run."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    (code,) = re.findall(r"^```python\n(.*?)^```", tour, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, "tour.md", "exec"), names)
    assert len(pyplot.get_fignums()) == 4
    assert names["ax"].get_xlabel() == "time (s)"
    pyplot.close("all")


def test_its_pictures_are_there_and_made_by_the_script(tour: str) -> None:
    script = TOUR.parents[1] / "examples" / "make_tour_pictures.py"
    made = set(re.findall(r'"(report-[\w-]+\.png)"', script.read_text(encoding="utf-8")))
    shown = re.findall(r"!\[([^\]]+)\]\(pictures/([\w-]+\.png)\)", tour)
    assert {name for _, name in shown} == made
    assert made == {path.name for path in (TOUR.parent / "pictures").iterdir()}
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
    assert "velocity 4 0" in ask("status", "real.zarr")
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
    # details, each for two themes.
    assert page.count("data:image/webp;base64,") == 2 * (4 + 4 + 4)
    assert "2025-07-22" in page
    assert "4 images in files" in ask("export", "real.zarr", "files")
    assert ask("ingest", "files", "again.zarr") == "4 new images in again.zarr"
    again, real = ZarrDataset("again.zarr", mode="r"), ZarrDataset("real.zarr", mode="r")
    for record in real.iter_records():
        twin = again.record(record.image_id)
        assert twin.pixels_digest == record.pixels_digest
        assert twin.load_json("velocity/summary") == record.load_json("velocity/summary")
    assert ask("check", "again.zarr", "--deep") == "again.zarr: all is well"
