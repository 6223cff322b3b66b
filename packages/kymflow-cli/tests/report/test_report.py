"""The verb: which images it shows, where it writes, and what it says when something is wrong."""

from __future__ import annotations

import dataclasses
import errno
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import pytest

from kymflow.cli.errors import OutputFileError, UnknownNameError
from kymflow.cli.opening import find_image
from kymflow.cli.results import Item
from kymflow.cli.verbs.analyze import analyze
from kymflow.cli.verbs.ingest import ingest
from kymflow.cli.verbs.report import report
from kymflow.core.analysis import find_region
from kymflow.core.decisions import add_note, exclude, mark_interval, reject
from kymflow.core.metadata import load_metadata, save_metadata
from kymflow_zarr import NotADatasetError, ZarrDataset

if TYPE_CHECKING:
    ParsedPage = Any

Kymflow = Callable[..., tuple[int, str, str]]
KymflowJson = Callable[..., tuple[int, list[dict[str, Any]]]]
Parse = Callable[[Path | str], "ParsedPage"]

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\x1b[2J\u202egnp\n\"'&amp;{{7*7}}"


def figure_text(element: Any) -> str:
    """What a figure shows, for those who do not see it; empty if it is not a figure."""
    return str(element.attributes.get("alt") or element.attributes.get("aria-label", "")) * (
        element.tag in {"img", "svg"}
    )


def titles(page: ParsedPage) -> list[str]:
    return [element.text for element in page.all("h2")][1:]


def test_the_page_lies_beside_the_dataset(dataset: str, kymflow: Kymflow, parse: Parse) -> None:
    code, out, err = kymflow("report", dataset)
    place = Path(dataset).with_name("k-report.html")
    assert (code, out) == (0, f"3 images in {place}, 3 without results\n")
    assert f"kymflow analyze {dataset} ANALYSIS" in err
    assert titles(parse(place)) == ["a.tif", "b.tif", "c.tiff"]
    assert sorted(path.name for path in place.parent.iterdir()) == [
        "images",
        "k-report.html",
        "k.zarr",
    ]


def test_it_needs_no_dataset_that_can_be_written(dataset: str, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path(dataset).rglob("*")}
    report(dataset, tmp_path / "page.html")
    assert before == {path: path.stat().st_mtime_ns for path in Path(dataset).rglob("*")}


def test_a_dataset_without_images(tmp_path: Path, parse: Parse) -> None:
    ZarrDataset(tmp_path / "empty.zarr")
    result = report(str(tmp_path / "empty.zarr"))
    assert (result.ok, result.shown, result.images) == (True, 0, 0)
    page = parse(Path(result.report))
    assert "There is no image yet." in page.text
    assert not page.all("table")


def test_doubts_about_calibration_are_on_the_page(
    tmp_path: Path, folder: Path, parse: Parse
) -> None:
    (folder / "a.json").write_text('{"header": {"scale": {"t": 1.134}, "unit": {"t": "Hz"}}}')
    (folder / "b.json").write_text("[")
    shutil.copy(folder / "b.tif", folder / "copy of b.tif")
    ingest(folder, str(tmp_path / "k.zarr"))
    page = parse(Path(report(str(tmp_path / "k.zarr")).report))
    said = {
        name.text: text.text
        for name, text in zip(
            [element for element in page.within("doubts") if element.tag == "dt"],
            [element for element in page.within("doubts") if element.tag == "dd"],
            strict=True,
        )
    }
    assert "a.tif: the metadata payload's step along 't', '1.134' 'Hz', cannot" in said["a.tif"]
    assert said["b.tif"].startswith("b.json: ")
    assert said["copy of b.tif"] == "it has the same pixels as b.tif"


def test_the_limit_says_what_it_leaves_out(dataset: str, kymflow: Kymflow, parse: Parse) -> None:
    code, out, err = kymflow("report", dataset, "--limit", "2")
    assert code == 0
    assert out.startswith("2 images in ")
    assert "2 of 3 images are shown; for others: --images, --limit, --pages" in err
    page = parse(Path(dataset).with_name("k-report.html"))
    assert titles(page) == ["a.tif", "b.tif"]
    (scope,) = page.all("p", class_="scope")
    assert scope.text.startswith("2 of 3 images are shown: the first by name of their files.")
    result = report(dataset)
    assert result.left_out == 0
    assert not parse(Path(result.report)).all("p", class_="scope")


def test_many_images_have_a_page_each(lab: Path, lab_page: ParsedPage, parse: Parse) -> None:
    result = report(str(lab), lab.with_name("my lab.html"), pages=True, workers=1)
    assert (result.shown, result.left_out) == (3, 0)
    summary = parse(Path(result.report))
    assert not summary.all("article")
    links = [element.attributes["href"] for element in summary.all("a")]
    assert len(links) == 3
    for link, name in zip(links, ("roi.tif", "stall.tif", "todo.tif"), strict=True):
        place = lab.parent / unquote(link)
        page = parse(place)
        assert [element.text for element in page.all("h2")] == [name]
        assert len(page.all("img")) == len(
            [e for e in lab_page.all("img") if name in e.attributes["alt"]]
        )
        assert not page.all("script")
        (back,) = page.all("a")
        assert (place.parent / unquote(back.attributes["href"])).samefile(result.report)
    files = [*lab.parent.glob("my lab-images/*.html"), Path(result.report)]
    assert result.size_bytes == sum(path.stat().st_size for path in files)


def test_images_are_chosen_by_id_prefix_and_file(
    dataset: str, kymflow_json: KymflowJson, parse: Parse
) -> None:
    opened = ZarrDataset(dataset, mode="r")
    b, c = find_image(opened, "b"), find_image(opened, "c")
    for names in ([c, "b.tif"], [c[:8], b[:8], "c.tiff"], ["c", "b"]):
        code, records = kymflow_json("report", dataset, "--images", *names)
        assert code == 0
        assert [record["image_id"] for record in records[:-1]] == [c, b]
        page = parse(Path(records[-1]["report"]))
        assert titles(page) == ["c.tiff", "b.tif"]
        (scope,) = page.all("p", class_="scope")
        assert scope.text == "2 of 3 images are shown, as asked for."
    place = Path(dataset).with_name("none.html")
    with pytest.raises(UnknownNameError, match="there is no image 'nope'"):
        report(dataset, place, images=("b", "nope"))
    assert not place.exists()


def test_json_has_a_record_per_image_and_a_summary(lab: Path, kymflow_json: KymflowJson) -> None:
    place = lab.with_name("json.html")
    code, records = kymflow_json("report", lab, place)
    assert code == 0
    assert [(Path(r["source"]).name, r["regions"], r["status"]) for r in records[:-1]] == [
        ("roi.tif", 2, "ok"),
        ("stall.tif", 1, "ok"),
        ("todo.tif", 0, "ok"),
    ]
    summary = records[-1]
    assert summary["report"] == str(place)
    assert summary["size_bytes"] == place.stat().st_size
    assert [summary[name] for name in ("images", "shown", "left_out", "without_results")] == [
        3,
        3,
        0,
        1,
    ]
    assert (summary["damaged"], summary["ok"], summary["exit_code"]) == (0, True, 0)


@pytest.mark.parametrize("name", ["page.txt", "page", "k.zarr/page.html", "no/page.html", "d.html"])
def test_places_that_a_page_cannot_go_to(dataset: str, kymflow: Kymflow, name: str) -> None:
    place = Path(dataset).parent / name
    (Path(dataset).parent / "d.html").mkdir()
    before = sorted(Path(dataset).parent.rglob("*"))
    with pytest.raises(OutputFileError):
        report(dataset, place)
    code, out, err = kymflow("report", dataset, place)
    assert (code, out) == (2, "")
    assert err.splitlines()[1].startswith("hint: ")
    assert sorted(Path(dataset).parent.rglob("*")) == before


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_no_dataset_no_page(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "k.zarr"
    if kind == "folder":
        place.mkdir()
    with pytest.raises(NotADatasetError):
        report(str(place), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_an_old_page_is_replaced_whole_or_not_at_all(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "page.html"
    place.write_text("old", encoding="utf-8")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="no space left"):
            report(dataset, place)
    assert place.read_text(encoding="utf-8") == "old"
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob(".*.part"))

    report(dataset, place)
    assert place.read_text(encoding="utf-8").endswith("</html>")


def test_progress_is_reported_image_by_image(dataset: str) -> None:
    class Listener:
        def __init__(self) -> None:
            self.heard: list[object] = []

        def begin(self, activity: str, total: int | None) -> None:
            self.heard.append((activity, total))

        def step(self, done: int = 1) -> None:
            self.heard.append(done)

        def tell(self, item: Item) -> None:
            self.heard.append(item.type)

        def note(self, lines: Iterable[str]) -> None:
            self.heard.extend(lines)

    listener = Listener()
    report(dataset, progress=listener)
    assert listener.heard == [("drawing", 3), *["image", 1] * 3]


@pytest.mark.slow
def test_several_processes_draw_the_same_page(lab: Path, lab_page: ParsedPage) -> None:
    place = lab.with_name("two.html")
    assert report(str(lab), place, workers=2).ok

    def from_the_summary_on(html: str) -> str:
        return html[html.index("<main>") :]

    assert from_the_summary_on(place.read_text(encoding="utf-8")) == from_the_summary_on(
        lab_page.html
    )


# --- what is wrong ----------------------------------------------------------------------------


@pytest.fixture
def copied(lab: Path, tmp_path: Path) -> Path:
    """A dataset with results that may be harmed."""
    return Path(shutil.copytree(lab, tmp_path / "lab.zarr"))


@pytest.mark.parametrize(
    ("damage", "pictures", "says"),
    [
        ("data/c.0.0", 1, "channel 1 cannot be read"),
        ("analysis/metadata.json", 0, "its metadata cannot be read"),
        ("analysis/velocity/trace.parquet", 2, "a table of its velocity cannot be read"),
        ("analysis/velocity/summary.json", 2, "its velocity cannot be read"),
        ("zarr.json", 0, "the image cannot be read"),
    ],
)
def test_what_is_damaged_says_so_and_the_rest_is_there(
    copied: Path, kymflow: Kymflow, parse: Parse, damage: str, pictures: int, says: str
) -> None:
    image_id = find_image(ZarrDataset(copied, mode="r"), "stall")
    place = copied / "images" / image_id / damage
    for file in [path for path in place.rglob("*") if path.is_file()] or [place]:
        data = bytearray(file.read_bytes())
        data[len(data) // 2 :] = b"\x00damaged" * 3
        file.write_bytes(data)

    code, out, err = kymflow("report", copied)

    assert code == 1
    assert "1 image could not be read in full" in err
    assert "3 images in " in out
    assert "1 damaged" in out
    page = parse(copied.with_name("lab-report.html"))
    harmed = page.within(f"image-{image_id}")
    assert any(e.text.startswith("Damaged:") and says in e.text for e in harmed if e.tag == "p")
    shown = [alt for element in harmed if (alt := figure_text(element))]
    assert len(shown) <= pictures
    if pictures > 1:
        assert any("Kymograph" in alt for alt in shown)
    # The others are whole.
    assert "roi.tif" in titles(page)
    assert sum("roi.tif" in figure_text(element) for element in page.elements) == 3


def test_regions_with_the_same_borders_are_shown_once(
    copied: Path, parse: Parse, kymflow_json: KymflowJson
) -> None:
    record = ZarrDataset(copied).record(find_image(ZarrDataset(copied), "roi"))
    payload = record.load_metadata_payload()
    rois = payload["rois"]
    assert isinstance(rois, list)
    first, second = rois
    assert isinstance(first, dict)
    twin = {**first, "id": 7, "name": "again"}
    record.save_metadata_payload({**payload, "rois": [first, second, twin]})
    assert analyze(str(copied), "velocity", image=("roi",), workers=1).ok

    _, records = kymflow_json("report", copied, "--images", "roi")

    assert records[0]["regions"] == 3
    page = parse(Path(records[-1]["report"]))
    titles = [element.text for element in page.all("h3") if "Velocity" in element.text]
    assert titles == ["Velocity, ROI 1 “vessel”, 7 “again”", "Velocity, ROI 2"]
    assert page.text.count("the same borders, and so the same result") == 1
    (row,) = [element for element in page.all("tr") if "roi.tif" in element.text]
    assert "ROI 1, 7ROI 2" in row.text
    # Moved since, it is one of its own again.
    record.save_metadata_payload({**payload, "rois": [first, second, {**twin, "dim0_stop": 300}]})
    page = parse(Path(report(str(copied), images=("roi",)).report))
    titles = [element.text for element in page.all("h3") if "Velocity" in element.text]
    assert titles == [
        "Velocity, ROI 1 “vessel”",
        "Velocity, ROI 2",
        "Velocity, ROI 7 “again”",
    ]


def test_results_of_earlier_regions_are_marked(copied: Path, parse: Parse) -> None:
    record = ZarrDataset(copied).record(find_image(ZarrDataset(copied), "roi"))
    payload = record.load_metadata_payload()
    rois = payload["rois"]
    assert isinstance(rois, list)
    first = rois[0]
    assert isinstance(first, dict)
    record.save_metadata_payload({**payload, "rois": [{**first, "dim0_stop": 300}]})

    page = parse(Path(report(str(copied), images=("roi",)).report))

    (article,) = [e for e in page.all("article") if "roi.tif" in e.text]
    assert article.text.count("have changed since this was computed") == 1
    assert article.text.count("This region no longer exists") == 1
    assert "outdated" in page.text
    assert analyze(str(copied), "velocity", image=("roi",), workers=1).ok
    again = parse(Path(report(str(copied), images=("roi",)).report))
    assert "have changed since" not in again.text
    assert "outdated" not in again.text


def test_results_of_an_earlier_calibration_are_marked(copied: Path, parse: Parse) -> None:
    record = ZarrDataset(copied).record(find_image(ZarrDataset(copied), "stall"))
    metadata = load_metadata(record)
    twice = {axis: 2 * step for axis, step in metadata.header.scale.items()}
    corrected = dataclasses.replace(metadata.header, scale=twice)
    save_metadata(record, dataclasses.replace(metadata, header=corrected))

    page = parse(Path(report(str(copied), images=("stall",)).report))

    assert page.text.count("the version of the analysis have changed since") == 1
    assert "outdated" in page.text
    assert analyze(str(copied), "velocity", image=("stall",), missing=True, workers=1).analyzed
    again = parse(Path(report(str(copied), images=("stall",)).report))
    assert "have changed since" not in again.text
    assert "outdated" not in again.text


def test_what_people_decided_is_on_the_page(copied: Path, parse: Parse) -> None:
    dataset = ZarrDataset(copied)
    record = dataset.record(find_image(dataset, "stall"))
    reject(record, HOSTILE, "Ada")
    add_note(record, "sneezed", "Bob")
    exclude(record, "moved", "Ada")
    region = find_region(record, load_metadata(record))
    mark_interval(record, region, 0.1, 0.2, author="Ada")

    page = parse(Path(report(str(copied), images=("stall",)).report))

    for text in (
        "moved (Ada)",
        "sneezed (Bob)",
        "rejected by Ada",
        "stall from 0.1 to 0.2 s (Ada)",
    ):
        assert text in page.text
    # What came from people is never a script: all there are is the page's own.
    assert all(HOSTILE not in script.text for script in page.all("script"))


def test_fields_that_tell_images_apart_are_columns(
    copied: Path, kymflow: Kymflow, parse: Parse
) -> None:
    for names, condition in ((("roi", "stall"), "before"), (("todo",), "after <b>")):
        fields = (f"condition={condition}", "species=mouse", f"note={'long ' * 9}{condition}")
        asked = [word for field in fields for word in ("--set", field)]
        assert kymflow("metadata", copied, *names, *asked)[0] == 0
    assert kymflow("exclude", copied, "todo", "--reason", "motion")[0] == 0

    kymflow("report", copied)

    page = parse(copied.with_name("lab-report.html"))
    columns = [e.text for e in page.within("summary") if e.tag == "th" and "class" in e.attributes]
    assert columns[0] == "condition"
    assert "species" not in columns
    assert "note" not in columns
    cells = [e.text.strip() for e in page.within("summary") if e.tag == "td"]
    rows = [cells[at : at + len(cells) // 3] for at in range(0, len(cells), len(cells) // 3)]
    assert [row[0] for row in rows] == ["before", "before", "after <b>"]
    assert [row[-1] for row in rows] == ["", "", "excluded"]


def test_images_that_are_not_kymographs_are_reported(dataset: str, parse: Parse) -> None:
    opened = ZarrDataset(dataset)
    line = opened.add_image(np.zeros(7, np.uint8), axes=("t",))
    stack = opened.add_image(np.zeros((3, 8, 6), np.uint8), axes=("z", "t", "x"))
    pixels = np.random.default_rng(5).integers(1, 4096, (2, 64, 8)).astype(np.uint16)
    noise = opened.add_image(pixels, axes=("c", "t", "x"))
    assert analyze(dataset, "velocity", image=(noise.image_id,), workers=1).failed == 0

    result = report(dataset)

    page = parse(Path(result.report))
    assert (result.shown, result.damaged) == (6, 0)
    (article,) = [e for e in page.all("article") if stack.image_id in e.text]
    assert "It cannot be analyzed: it has 3 slices" in article.text
    (article,) = [e for e in page.all("article") if line.image_id in e.text]
    assert "It cannot be analyzed: its axes are ('t',)" in article.text
    (both,) = [e for e in page.all("article") if noise.image_id in e.text]
    assert "Channel 1. Kymograph." in both.text
    assert "Channel 2. Kymograph." in both.text
    assert "line periodunknown" in both.text
    assert both.text.count("not searched without a line period") == 2
    assert "0 stalls" not in both.text
    assert not any("0 stalls" in e.attributes["alt"] for e in page.all("img"))


@pytest.mark.slow
def test_hostile_names_are_text_and_nothing_else(
    dataset: str, kymflow: Kymflow, kymflow_json: KymflowJson, folder: Path, parse: Parse
) -> None:
    opened = ZarrDataset(dataset)
    record = opened.record(find_image(opened, "a.tif"))
    payload = record.load_metadata_payload()
    payload["experiment_metadata"] = {"note": HOSTILE, "species": HOSTILE, HOSTILE: HOSTILE}
    payload["rois"] = [
        {
            "id": 1,
            "name": HOSTILE,
            "dim0_start": 0,
            "dim0_stop": 60,
            "dim1_start": 0,
            "dim1_stop": 16,
        }
    ]
    record.save_metadata_payload(payload)
    name = HOSTILE.replace("/", "") + ".tif"
    try:
        shutil.copy(folder / "b.tif", folder / name)
    except OSError:
        pytest.skip("this file system has no such names")
    hostile = opened.ingest_image(folder / name)
    assert analyze(dataset, "velocity", workers=1).ok

    code, out, err = kymflow("report", dataset)

    assert code == 0
    assert "\x1b" not in out + err
    page = parse(Path(dataset).with_name("k-report.html"))
    (script,) = page.all("script")
    assert "alert" not in script.text
    assert {e.attributes.get("src", "")[:10] for e in page.all("img")} == {"data:image"}
    for element in page.elements:
        assert not any(attribute.startswith("on") for attribute in element.attributes)
    for char in ("\x1b", "\u202e"):
        assert char not in page.html
    assert "49" not in titles(page)[0]
    shown = name.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e").replace("\n", "\\n")
    assert shown in titles(page)
    assert page.text.count("alert(1)</script>") >= 4
    _, records = kymflow_json("report", dataset, "--images", hostile.image_id)
    assert name in {Path(record["source"]).name for record in records[:-1]}
