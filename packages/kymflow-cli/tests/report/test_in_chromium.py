"""The page in a real browser: it looks as it should, nothing is blocked, nothing leaves it."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kymflow.cli.opening import find_image
from kymflow.cli.verbs.report import report
from kymflow.core.metadata import create_roi, image_extent, load_metadata, save_metadata
from kymflow.core.themes import DARK, LIGHT, Theme
from kymflow_zarr import ZarrDataset

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
SAYS_NO = re.compile(
    r"Refused|violates|Content Security Policy|blocked|net::ERR|Failed to load", re.I
)

IN_THE_DARK = {LIGHT.blue: "#4cace2", LIGHT.green: "#4eb49a", LIGHT.vermilion: "#e07c2d"}
"""Colours of figures as the style of the page inverts them."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here"),
]

Look = Callable[..., "Shot"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shot:
    """What a browser shows, and what it has to say of it."""

    pixels: NDArray[np.uint8]
    console: str

    def count(self, colour: str) -> int:
        wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
        return int((np.abs(self.pixels.astype(int) - wanted) <= 3).all(axis=-1).sum())


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Open a page in a new, empty browser, and take a picture."""

    def shoot(page: Path, *, theme: Theme = LIGHT, width: int = 1200, height: int = 5200) -> Shot:
        from matplotlib.image import imread

        assert CHROMIUM is not None
        picture = tmp_path / "shot.png"
        profile = tmp_path / "profile"
        done = subprocess.run(
            [
                CHROMIUM,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--no-first-run",
                "--hide-scrollbars",
                "--force-color-profile=srgb",
                "--virtual-time-budget=5000",
                "--enable-logging=stderr",
                f"--blink-settings=preferredColorScheme={0 if theme is DARK else 1}",
                f"--user-data-dir={profile}",
                f"--window-size={width},{height}",
                f"--screenshot={picture}",
                page.resolve().as_uri(),
            ],
            env={**os.environ, "HOME": str(tmp_path)},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=180,
            check=True,
        )
        shutil.rmtree(profile, ignore_errors=True)
        lines = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        pixels = np.round(imread(picture)[..., :3] * 255).astype(np.uint8)
        return Shot(pixels=pixels, console="\n".join(lines))

    return shoot


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_it_looks_as_it_should(lab_report: Path, look: Look, theme: Theme) -> None:
    shot = look(lab_report, theme=theme)

    assert shot.console == ""
    assert tuple(shot.pixels[0, 0]) == tuple(int(theme.ground[at : at + 2], 16) for at in (1, 3, 5))
    # The figures are there; on a dark page they are inverted, with their hues.
    for colour in (LIGHT.blue, LIGHT.green, LIGHT.vermilion):
        as_drawn, inverted = shot.count(colour), shot.count(IN_THE_DARK[colour])
        assert (inverted if theme is DARK else as_drawn) > 500
        assert (as_drawn if theme is DARK else inverted) < 100
    # The kymographs: wide stretches of many greys.
    grey = (np.ptp(shot.pixels.astype(int), axis=-1) == 0) & (shot.pixels[..., 0] > 40)
    grey &= shot.pixels[..., 0] < 230
    assert (grey.sum(axis=1) > 300).sum() > 3 * 120
    assert len(np.unique(shot.pixels[..., 0][grey])) > 100


def test_on_a_phone_nothing_sticks_out(lab_report: Path, look: Look) -> None:
    shot = look(lab_report, width=500, height=3000)
    assert shot.console == ""
    assert shot.pixels.shape[1] == 500
    # Figures and tables scroll in their own boxes: the margin of the page stays empty.
    margin = shot.pixels[:, -12:].reshape(-1, 3)
    assert (margin == 255).all()
    assert shot.count(LIGHT.blue) > 300


def test_on_a_laptop_the_state_of_each_image_is_seen_in_full(
    lab: Path, look: Look, tmp_path: Path
) -> None:
    copied = tmp_path / "lab.zarr"
    shutil.copytree(lab, copied)
    opened = ZarrDataset(copied)
    opened.add_image(np.ones((3, 3000, 64), np.uint16), axes=("c", "t", "x"))
    record = opened.record(find_image(opened, "roi"))
    metadata, extent = load_metadata(record), image_extent(record)
    save_metadata(
        record, dataclasses.replace(metadata, rois=create_roi(metadata.rois, extent))
    )  # one more, so "some regions without results"

    shot = look(Path(report(str(copied), workers=1).report), width=1200, height=520)

    badge = (np.abs(shot.pixels.astype(int) - (0xFD, 0xF3, 0xD6)) <= 3).all(axis=-1)
    assert badge.sum() > 1000
    page_right = (1200 + 68 * 16) // 2 - 24
    assert np.flatnonzero(badge.any(axis=0)).max() < page_right - 8


SUMMARY = """<!DOCTYPE html><section id="summary"><div><table>
<thead><tr><th>image</th><th>velocity</th><th class="label">day</th></tr></thead><tbody>
<tr><th>b10.tif</th><td>10.5 mm/s</td><td>10</td></tr>
<tr><th>a.tif</th><td>\u20131</td><td>2</td></tr>
<tr><th>b2.tif</th><td>\u22120.4 mm/s</td><td>10</td></tr>
<tr><th>c.tif</th><td>1,200 mm/s</td><td>2</td></tr>
</tbody></table></div></section><script>SCRIPT</script><script>DRIVE
document.title = Array.from(document.querySelectorAll("tbody tr"))
  .filter((row) => !row.hidden).map((row) => row.cells[0].textContent).join(" ");
</script>"""
CLICK = "document.querySelectorAll('thead button')[COLUMN].click();"
FILTER = (
    "const field = document.querySelector('input'); field.value = 'TIF b'; "
    "field.dispatchEvent(new Event('input'));"
)

GROUP = (
    "const choice = document.querySelector('select'); choice.selectedIndex = 1; "
    "choice.dispatchEvent(new Event('change'));"
)


@pytest.mark.parametrize(
    ("drive", "order"),
    [
        (CLICK.replace("COLUMN", "0"), "a.tif b2.tif b10.tif c.tif"),
        (CLICK.replace("COLUMN", "1"), "b2.tif b10.tif c.tif a.tif"),
        (2 * CLICK.replace("COLUMN", "1"), "c.tif b10.tif b2.tif a.tif"),
        (FILTER, "b10.tif b2.tif"),
        (GROUP, "2 (2 images) a.tif c.tif 10 (2 images) b10.tif b2.tif"),
        (GROUP + FILTER, "10 (2 images) b10.tif b2.tif"),
        (
            GROUP + CLICK.replace("COLUMN", "0"),
            "2 (2 images) a.tif c.tif 10 (2 images) b2.tif b10.tif",
        ),
    ],
    ids=["names", "numbers", "descending", "filter", "groups", "filtered groups", "sorted groups"],
)
def test_the_summary_sorts_filters_and_groups(tmp_path: Path, drive: str, order: str) -> None:
    script = (files("kymflow.cli.report") / "page.js").read_text(encoding="utf-8")
    html = SUMMARY.replace("\u20131", "\u2013").replace("SCRIPT", script).replace("DRIVE", drive)
    page = tmp_path / "summary.html"
    page.write_text(html, encoding="utf-8")
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--virtual-time-budget=2000", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--dump-dom", page.as_uri()),
        ],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=True,
    )
    assert f"<title>{order}</title>" in done.stdout


@pytest.fixture
def visits() -> Iterator[tuple[str, list[str]]]:
    """A web server on this machine: its address, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_hostile_text_neither_runs_nor_calls_home(
    dataset: str, look: Look, visits: tuple[str, list[str]]
) -> None:
    address, asked = visits
    attack = (
        f"</dd><img src={address}/img><script>fetch('{address}/script')</script>"
        f"<style>@import url({address}/style)</style><iframe src={address}/frame></iframe>"
    )
    record = ZarrDataset(dataset).record(find_image(ZarrDataset(dataset), "a"))
    payload = record.load_metadata_payload()
    record.save_metadata_payload({**payload, "experiment_metadata": {"note": attack}})
    page = Path(report(dataset, workers=1).report)

    shot = look(page, height=1200)

    assert shot.console == ""
    assert asked == []

    # The same text as markup: the page's policy stops it, and the browser says so. Without the
    # policy it calls home, so this test would see it.
    html = page.read_text(encoding="utf-8")
    page.write_text(html.replace("</main>", f"{attack}</main>"), encoding="utf-8")
    assert SAYS_NO.search(look(page, height=1200).console)
    assert asked == []
    policy = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    page.write_text(policy.replace("</main>", f"{attack}</main>"), encoding="utf-8")
    look(page, height=1200)
    assert {"/img", "/script", "/style", "/frame"} <= set(asked)


def test_a_broken_picture_would_be_seen(lab_report: Path, look: Look, tmp_path: Path) -> None:
    html = lab_report.read_text(encoding="utf-8")
    page = tmp_path / "page.html"
    page.write_text(
        re.sub(r"data:image/png;base64,[\w+/=]{99}", "data:image/png;base64,", html),
        encoding="utf-8",
    )
    assert look(page).count(LIGHT.blue) < 100
