"""Makes the picture of `docs/view.md`.

Run it where kymflow-cli and Playwright are installed, and Chromium is on the path::

    python packages/kymflow-cli/examples/view_in_chromium.py
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from kymflow.cli.app import run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "view.png"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")

DRAWN = """() => {
  const canvas = document.querySelector("#kymograph canvas");
  if (!canvas || !document.querySelector("#numbers dd")) return 0;
  const line = new OffscreenCanvas(canvas.width, 1).getContext("2d", { willReadFrequently: true });
  line.drawImage(canvas, 0, -canvas.height / 2);
  const { data } = line.getImageData(0, 0, canvas.width, 1);
  const greys = new Set(data.filter((_, at) => at % 4 === 0 && data[at + 3] === 255));
  return greys.size > 30 ? performance.now() : 0;
}"""
"""When the kymograph is on the screen, in ms since the page was asked for."""


def main() -> int:
    """Take the picture."""
    commands = (
        "demo",
        "ingest kymflow-demo/tiffs lab.zarr",
        "analyze lab.zarr velocity",
        "reject lab.zarr capillary_fast --reason moved",
        "accept lab.zarr capillary_with_stall",
    )
    with launched() as chromium:
        if any(run(command.split()) for command in commands):
            return 1
        take_picture(chromium)
    return 0


@contextmanager
def launched() -> Iterator[Browser]:
    """Headless Chromium, and a new folder to work in."""
    path = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if path is None:
        sys.exit("there is no Chromium; install it and run this again")
    with tempfile.TemporaryDirectory() as folder, chdir(folder), sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=path, args=["--no-sandbox"])


def take_picture(chromium: Browser) -> None:
    """The page with a recording that stalls."""
    with opened(chromium, "lab.zarr", {"width": 1300, "height": 1000}) as page:
        page.get_by_role("treeitem").filter(has_text="capillary_with_stall").click()
        page.get_by_text("Confirm").click()
        page.get_by_text("Remove").wait_for()
        page.wait_for_function(DRAWN)
        page.screenshot(path=PICTURE)


@contextmanager
def opened(chromium: Browser, dataset: str, size: ViewportSize) -> Iterator[Page]:
    """The page of a dataset, as `kymflow view` serves it."""
    with served(dataset) as (_, address):
        context = chromium.new_context(viewport=size)
        page = context.new_page()
        page.set_default_timeout(600_000)
        page.goto(address)
        yield page
        context.close()


@contextmanager
def served(dataset: str) -> Iterator[tuple[int, str]]:
    """The process and the address of `kymflow view`."""
    command = [sys.executable, "-m", "kymflow.cli", "view", dataset, "--no-browser", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - ours
        assert server.stdout is not None
        try:
            yield server.pid, json.loads(server.stdout.readline())["address"]
        finally:
            server.send_signal(signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main())
