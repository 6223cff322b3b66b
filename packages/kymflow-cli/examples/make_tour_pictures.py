"""Makes the pictures of `docs/tour.md`: the tour's report, seen in a headless Chromium.

Run it where kymflow-cli is installed, whose version they show, and Chromium is on the path::

    python packages/kymflow-cli/examples/make_tour_pictures.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import numpy as np

from kymflow.cli.app import run

PICTURES = Path(__file__).resolve().parents[1] / "docs" / "pictures"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH = 1140
TALLEST = 3000
MARGIN = 24


def main() -> int:
    """Go the way of the tour, and take its pictures."""
    browser = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if browser is None:
        print("there is no Chromium; install it and run this again", file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for command in (
            "demo",
            "ingest kymflow-demo/tiffs lab.zarr",
            "analyze lab.zarr velocity",
            "report lab.zarr",
        ):
            if run(command.split()) != 0:
                return 1
        # Where this folder lies is of no interest.
        html = Path("lab-report.html").read_text(encoding="utf-8").replace(f"{Path.cwd()}/", "")
        summary = part(html, "<header>", "<article")
        shoot(browser, summary, "report-summary.png", head=html)
        article = part(html, "<h2><bdi>capillary_with_stall", "</article>")
        shoot(browser, part(article, "<h2>", "<h3>Detail"), "report-image.png", head=html)
        article = part(html, "<h2><bdi>arteriole_pulsatile", "</article>")
        detail = part(article, "<h3>Detail", "</section>")
        shoot(browser, detail, "report-detail-dark.png", head=html, dark=True)
    return 0


def part(html: str, start: str, stop: str) -> str:
    """The page from one text up to another."""
    first = html.index(start)
    return html[first : html.index(stop, first)]


def shoot(browser: str, body: str, name: str, *, head: str, dark: bool = False) -> None:
    """Take a picture of a part of a page.

    Args:
        browser: The browser.
        body: The part.
        name: The picture's name.
        head: The page, for its style.
        dark: Whether to take it as on a dark screen.
    """
    from matplotlib.image import imread, imsave

    page = Path("part.html")
    page.write_text(f"{head[: head.index('<header>')]}{body}", encoding="utf-8")
    subprocess.run(  # noqa: S603 - a browser that was found on the path
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--hide-scrollbars",
            "--virtual-time-budget=5000",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--user-data-dir={Path('browser').resolve()}",
            f"--window-size={WIDTH},{TALLEST}",
            f"--screenshot={page.with_suffix('.png').resolve()}",
            page.resolve().as_uri(),
        ],
        check=True,
        capture_output=True,
    )
    pixels = imread(page.with_suffix(".png"))[..., :3]
    # What is below the part is empty.
    used = np.flatnonzero((pixels != pixels[-1, 0]).any(axis=(1, 2)))
    top = max(0, int(used[0]) - MARGIN)
    imsave(PICTURES / name, pixels[top : int(used[-1]) + MARGIN])


if __name__ == "__main__":
    sys.exit(main())
