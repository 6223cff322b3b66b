"""What stands on the page, and that it needs nothing from outside and runs nothing of others."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kymflow.cli.opening import find_image
from kymflow_zarr import ZarrDataset

if TYPE_CHECKING:
    ParsedPage = Any

MAY_BE_LOADED = {"href", "src", "srcset", "action", "data", "poster", "background", "cite"}


def rows_of(page: ParsedPage) -> dict[str, list[str]]:
    """The cells of the summary by the image's name."""
    rows: dict[str, list[str]] = {}
    name = ""
    for element in page.within("summary"):
        if element.tag == "th" and element.attributes.get("scope") == "row":
            name = element.text.strip()
            rows[name] = []
        if element.tag == "td":
            rows[name].append(element.text.strip())
    return rows


def without_pictures(page: ParsedPage) -> str:
    return re.sub(r"data:image/png;base64,[\w+/=]+", "", page.html)


def test_the_summary_comes_first_with_a_row_per_image(lab_page: ParsedPage) -> None:
    headings = [element.text for element in lab_page.all("h2")]
    assert headings == ["Summary", "roi.tif", "stall.tif", "todo.tif"]
    rows = rows_of(lab_page)
    assert list(rows) == headings[1:]
    recorded, size, regions, median, unknown, stalled, state = rows["roi.tif"]
    assert recorded == "2023-11-1422:13:20"
    assert "600 lines \N{MULTIPLICATION SIGN} 40 pixels" in size
    assert "0.600 s, 10.0 µm" in size
    assert regions == "ROI 1ROI 2"
    assert [float(text) for text in re.findall(r"([\d.]+) mm/s", median)] == pytest.approx(
        [0.4, 0.4], rel=0.1
    )
    assert unknown.count("%") == 2
    assert stalled.count("%") == 2
    assert state == ""
    (share,) = re.findall(r"([\d.]+) %", rows["stall.tif"][5])
    assert 39 < float(share) < 47  # 1.5 of 3.5 s
    assert rows["todo.tif"][3:] == ["\N{EN DASH}"] * 3 + ["no results"]


def test_rows_lead_to_sections(lab_page: ParsedPage) -> None:
    ids = [e.attributes["id"] for e in lab_page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    links = [element.attributes["href"] for element in lab_page.all("a")]
    assert len(links) == 6
    assert {link.removeprefix("#") for link in links} == set(ids)


def test_it_loads_nothing_and_runs_its_own_script_only(lab_page: ParsedPage) -> None:
    (script,) = lab_page.all("script")
    assert script.attributes == {}
    for element in lab_page.elements:
        assert element.tag not in {"iframe", "object", "embed", "link", "base", "form"}
        assert not any(name.startswith("on") for name in element.attributes)
        assert "style" not in element.attributes
        for name in MAY_BE_LOADED & element.attributes.keys():
            assert element.attributes[name].startswith(("#", "data:image/png;base64,"))
    (style,) = lab_page.all("style")
    assert "url(" not in style.text
    assert "@import" not in style.text
    assert "http:" not in without_pictures(lab_page)
    assert "https:" not in without_pictures(lab_page)


def test_the_policy_allows_pictures_and_this_very_style_and_script_alone(
    lab_page: ParsedPage,
) -> None:
    (meta,) = [meta for meta in lab_page.all("meta") if "http-equiv" in meta.attributes]
    assert meta.attributes["http-equiv"] == "Content-Security-Policy"
    (style,) = lab_page.all("style")
    (script,) = lab_page.all("script")
    styled, run = (
        base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        for element in (style, script)
    )
    assert dict(
        directive.strip().split(" ", 1) for directive in meta.attributes["content"].split(";")
    ) == {
        "default-src": "'none'",
        "img-src": "data:",
        "style-src": f"'sha256-{styled}'",
        "script-src": f"'sha256-{run}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    # It comes before all that it is about.
    assert lab_page.html.index("Content-Security-Policy") < lab_page.html.index("<style>")


def test_every_figure_decodes_and_says_what_it_shows(
    lab_page: ParsedPage, decode: Callable[[str], Any]
) -> None:
    plots = lab_page.all("img")
    framed = [svg for svg in lab_page.all("svg") if "role" in svg.attributes]
    # Velocities of three regions; kymographs, and one detail: the others are drawn line by line.
    assert (len(plots), len(framed)) == (3, 3 + 1)
    for plot in plots:
        pixels = decode(plot.attributes["src"])
        width, height = (int(plot.attributes[side]) for side in ("width", "height"))
        assert pixels.shape[1] / pixels.shape[0] == pytest.approx(width / height, rel=0.02)
        assert pixels[0, 0, 3] == 0  # the page is seen through it, be it light or dark
    for image in lab_page.all("image"):
        assert decode(image.attributes["href"]).size
    alts = [plot.attributes["alt"] for plot in plots]
    alts += [svg.attributes["aria-label"] for svg in framed]
    assert min(map(len, alts)) > 40
    assert any("Kymograph of roi.tif" in alt and "2 regions" in alt for alt in alts)
    assert any("Velocity in channel 1 of stall.tif: velocity median 0." in alt for alt in alts)
    texts = [text.text for text in lab_page.all("text")]
    assert texts.count("position (µm)") == 4
    assert texts.count("ROI 1") == texts.count("ROI 2") == 1


def test_numbers_can_be_traced(lab: Path, lab_page: ParsedPage) -> None:
    from kymflow.core.analysis import load_results
    from kymflow.core.analysis.velocity import VELOCITY

    opened = ZarrDataset(lab, mode="r")
    record = opened.record(find_image(opened, "roi"))
    section = next(
        element
        for element in lab_page.all("article")
        if element.attributes["id"] == f"image-{record.image_id}"
    )
    assert str(lab.parent / "images" / "roi.tif") in section.text
    assert record.pixels_digest in section.text
    summaries = load_results(record, VELOCITY).results
    assert len(summaries) == 2
    for summary in summaries:
        assert summary.params_hash in section.text
    assert "window_lines: 16" in section.text
    assert "dim0_start: 100, dim0_stop: 400" in section.text
    assert "Velocity, ROI 1 “vessel”" in section.text
    (header,) = lab_page.all("header")
    assert str(lab) in header.text
    assert "kymflow-cli" in header.text


def test_what_has_no_result_says_so(lab_page: ParsedPage) -> None:
    section = lab_page.all("article")[2]
    assert "No results yet; run kymflow analyze." in section.text


def test_it_is_no_larger_than_it_must_be(lab_page: ParsedPage) -> None:
    assert len(lab_page.html) < 7 * 120_000
    assert len(without_pictures(lab_page)) < 50_000


def test_it_is_made_for_dark_screens_phones_and_paper(lab_page: ParsedPage) -> None:
    (style,) = lab_page.all("style")
    for rule in ("prefers-color-scheme: dark", "max-width: 46rem", "@media print", "@page"):
        assert rule in style.text
    assert lab_page.all("meta", name="viewport")
    assert lab_page.all("meta", name="color-scheme", content="light dark")
    assert lab_page.all("html", lang="en")
