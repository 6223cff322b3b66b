"""Makes the picture of `docs/view.md`, and measures how long a person waits for the page.

Run it where kymflow-cli and Playwright are installed, and Chromium is on the path::

    python packages/kymflow-cli/examples/view_in_chromium.py
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import tifffile
from playwright.sync_api import sync_playwright

from kymflow.cli.app import run
from kymflow.cli.demo_images import DEMO_SCENES, LINE_INTERVAL_S, PIXEL_SIZE_UM, synthesize

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "pictures" / "view.png"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
ROUNDS = 5
STEPS = 40

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

PAN = """async (steps) => {
  const over = document.querySelector("#kymograph .u-over");
  over.setPointerCapture = () => {};
  const { left, top } = over.getBoundingClientRect();
  const send = (type, x) =>
    over.dispatchEvent(new PointerEvent(type, { clientX: left + x, clientY: top + 50, button: 0 }));
  const times = [];
  send("pointerdown", 500);
  for (let step = 1; step <= steps; step += 1) {
    send("pointermove", 500 - 4 * step);
    await new Promise(requestAnimationFrame);
    const start = performance.now();
    const { port1, port2 } = new MessageChannel();
    await new Promise((resolve) => { port1.onmessage = resolve; port2.postMessage(0); });
    times.push(performance.now() - start);
  }
  send("pointerup", 300);
  return times;
}"""
"""How long each frame takes while the kymograph is dragged, in ms."""

WATCH = """() => {
  const { fetch } = window;
  let start = 0;
  document.addEventListener("pointerup", () => { start = performance.now(); }, { capture: true });
  window.curve = new Promise((resolve) => {
    window.fetch = async (...asked) => {
      const answer = await fetch(...asked);
      if (String(asked[0]).includes("/trace")) {
        window.fetch = fetch;
        requestAnimationFrame(() =>
          requestAnimationFrame(() => resolve(performance.now() - start)));
      }
      return answer;
    };
  });
}"""
"""Measure from the next release of the button to the new curve."""


def main() -> int:
    """Take the picture, and measure."""
    browser = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if browser is None:
        print("there is no Chromium; install it and run this again", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, chdir(folder), sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for command in (
            "demo",
            "ingest kymflow-demo/tiffs lab.zarr",
            "analyze lab.zarr velocity",
            "reject lab.zarr capillary_fast --reason moved",
            "accept lab.zarr capillary_with_stall",
        ):
            if run(command.split()) != 0:
                return 1
        take_picture(chromium)
        make_long(Path("long"))
        run(["ingest", "long", "long.zarr"])
        run(["analyze", "long.zarr", "velocity"])
        found = defaultdict[str, list[float]](list)
        for _ in range(ROUNDS):
            for name, milliseconds in measure(chromium):
                found[name].append(milliseconds)
        for name, values in found.items():
            print(f"{name}: median {statistics.median(values):.1f} ms of {len(values)}")
    return 0


def take_picture(chromium: Browser) -> None:
    """The page with a recording that stalls."""
    with opened(chromium, "lab.zarr", {"width": 1300, "height": 1000}) as (page, _):
        page.get_by_role("treeitem").filter(has_text="capillary_with_stall").click()
        page.get_by_text("Confirm").click()
        page.get_by_text("Remove").wait_for()
        page.wait_for_function(DRAWN)
        page.screenshot(path=PICTURE)


def measure(chromium: Browser) -> Iterator[tuple[str, float]]:
    """The times of one round, in ms."""
    begun = time.perf_counter()
    with opened(chromium, "long.zarr", {"width": 1400, "height": 900}) as (page, loaded):
        yield "command to page", (loaded - begun) * 1000
        yield "page to first kymograph", page.wait_for_function(DRAWN, polling="raf").json_value()
        page.wait_for_timeout(5000)  # the analysis is compiled meanwhile
        page.keyboard.press("+")
        for milliseconds in page.evaluate(PAN, STEPS):
            yield "pan step", milliseconds
        for shift in (-20, 20):
            box = page.locator(".border").first.bounding_box()
            assert box is not None
            x, y = box["x"] + 300, box["y"] + box["height"] / 2
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x, y + shift, steps=3)
            page.evaluate(WATCH)
            page.mouse.up()
            yield "border to new curve", page.evaluate("window.curve")


@contextmanager
def opened(
    chromium: Browser, dataset: str, size: Mapping[str, int]
) -> Iterator[tuple[Page, float]]:
    """The page of a dataset, and when it was loaded."""
    command = [sys.executable, "-m", "kymflow.cli", "view", dataset, "--no-browser", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - ours
        assert server.stdout is not None
        address = json.loads(server.stdout.readline())["address"]
        context = chromium.new_context(viewport={"width": size["width"], "height": size["height"]})
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.goto(address)
        yield page, time.perf_counter()
        context.close()
        server.send_signal(signal.SIGINT)


def make_long(folder: Path) -> None:
    """A recording of 30,000 lines."""
    folder.mkdir()
    scene = dataclasses.replace(DEMO_SCENES[0], lines=30_000, pixels=38)
    tifffile.imwrite(
        folder / "long.tif",
        synthesize(scene),
        imagej=True,
        resolution=(1 / PIXEL_SIZE_UM, 1.0),
        metadata={
            "axes": "YX",
            "unit": "um",
            "finterval": LINE_INTERVAL_S,
            "kymflow_axes": "t,x",
        },
    )


if __name__ == "__main__":
    sys.exit(main())
