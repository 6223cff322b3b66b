"""Measures how long a person waits for the page of `kymflow view`, and counts a day's work on it.

Run it where kymflow-cli and Playwright are installed, and Chromium is on the path::

    python packages/kymflow-cli/examples/measure_view.py [--lines N --pixels N | --list N | --job]
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from view_in_chromium import DRAWN, launched, served

from kymflow.cli.app import run
from kymflow.cli.demo_images import DEMO_SCENES, save_kymograph, synthesize
from kymflow_zarr import ZarrDataset

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

ROUNDS = 5
STEPS = 40
PATIENCE_MS = 600_000

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


SCROLL = """async (steps) => {
  const list = document.querySelector("#list");
  const times = [];
  for (let step = 1; step <= steps; step += 1) {
    list.scrollTop = (step * list.scrollHeight) / (steps + 1);
    await new Promise(requestAnimationFrame);
    const start = performance.now();
    const { port1, port2 } = new MessageChannel();
    await new Promise((resolve) => { port1.onmessage = resolve; port2.postMessage(0); });
    times.push(performance.now() - start);
  }
  return times;
}"""
"""How long each frame takes while the list is scrolled, in ms."""

FILTER = """async () => {
  const filter = document.querySelector("#filter");
  filter.value = "7";
  const start = performance.now();
  filter.dispatchEvent(new Event("input"));
  await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""
"""How long it takes until the list is filtered, in ms."""


def main() -> int:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--lines", type=int, default=30_000)
    parser.add_argument("--pixels", type=int, default=38)
    parser.add_argument("--list", type=int, metavar="N", help="measure a list of N recordings")
    parser.add_argument("--job", action="store_true", help="count the work on 50 recordings")
    asked = parser.parse_args()
    with launched() as chromium:
        if asked.list:
            found = measure_list(chromium, asked.list)
        elif asked.job:
            found = do_job(chromium)
        else:
            found = measure_recording(chromium, asked.lines, asked.pixels)
        values = defaultdict[str, list[float]](list)
        for name, value in found:
            values[name].append(value)
    for name, several in values.items():
        print(f"{name}: median {statistics.median(several):.1f} of {len(several)}")
    return 0


def measure_recording(chromium: Browser, lines: int, pixels: int) -> Iterator[tuple[str, float]]:
    """Open a long recording, pan, and move its borders, several times."""
    make_recording(Path("long") / "long.tif", lines=lines, pixels=pixels)
    run(["ingest", "long", "long.zarr"])
    run(["analyze", "long.zarr", "velocity"])
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        with served("long.zarr") as (process, address):
            page = open_page(chromium, address)
            yield "command to page (ms)", (time.perf_counter() - begun) * 1000
            drawn = page.wait_for_function(DRAWN, polling="raf").json_value()
            yield "page to first kymograph (ms)", drawn
            page.wait_for_timeout(5000)  # the analysis is compiled meanwhile
            page.keyboard.press("+")
            for milliseconds in page.evaluate(PAN, STEPS):
                yield "pan step (ms)", milliseconds
            for shift in (-20, 20):
                page.evaluate(WATCH)
                drag_border(page, page.locator(".border").first, shift)
                yield "border to new curve (ms)", page.evaluate("window.curve")
            yield "server (MiB)", memory_of(process)
            yield "tab (MiB)", page.evaluate("performance.memory.usedJSHeapSize") / 2**20
            page.context.close()


def measure_list(chromium: Browser, number: int) -> Iterator[tuple[str, float]]:
    """A list of many recordings: until it is there, a step of scrolling, a filter."""
    dataset = ZarrDataset("many.zarr", durability="none")
    pixels = np.arange(64, dtype=np.uint16).reshape(8, 8)
    for _ in range(number):
        dataset.add_image(pixels, axes=("t", "x"))
    for _ in range(ROUNDS):
        with served("many.zarr") as (process, address):
            begun = time.perf_counter()
            page = open_page(chromium, address)
            page.wait_for_function(
                f"() => document.querySelector('#count').textContent.includes('{number:,}')"
            )
            yield "page to list (ms)", (time.perf_counter() - begun) * 1000
            for milliseconds in page.evaluate(SCROLL, STEPS):
                yield "step of scrolling (ms)", milliseconds
            yield "filter (ms)", page.evaluate(FILTER)
            yield "server (MiB)", memory_of(process)
            yield "tab (MiB)", page.evaluate("performance.memory.usedJSHeapSize") / 2**20
            page.context.close()


def do_job(chromium: Browser) -> Iterator[tuple[str, float]]:
    """Borders for 50 recordings of five folders, three rejects, two stalls, and the results.

    Yields:
        How often a key or a button of the mouse is pressed, and the time, without thinking.
    """
    for number in range(50):
        file = Path("job") / f"mouse{number // 10}" / f"run{number}.tif"
        make_recording(file, lines=5000, pixels=48)
    run(["ingest", "job", "job.zarr", "--recursive"])
    run(["analyze", "job.zarr", "velocity"])
    with served("job.zarr") as (_, address):
        page = open_page(chromium, address)
        page.wait_for_function(DRAWN)
        begun, pressed = time.perf_counter(), 0
        for number in range(50):
            if number:
                page.keyboard.press("n")
                pressed += 1
            page.wait_for_function(
                f"() => document.querySelector('#file').textContent === 'run{number}.tif'"
            )
            page.wait_for_function(DRAWN)
            if number % 10 == 0:  # the first of a folder
                for border, shift in ((0, -20), (1, 20)):
                    page.get_by_label("borders also for this folder").check()
                    drag_border(page, page.locator(".border").nth(border), shift)
                    page.wait_for_function("() => !document.body.classList.contains('busy')")
                    pressed += 2
            if number in {3, 17, 41}:
                for key in ("r", *"moved", "Enter"):
                    page.keyboard.press(key)
                    pressed += 1
            if number in {8, 29}:
                box = page.locator("#velocity .u-over").bounding_box()
                assert box is not None
                page.mouse.move(box["x"] + 200, box["y"] + 20)
                page.mouse.down()
                page.mouse.move(box["x"] + 300, box["y"] + 20, steps=3)
                page.mouse.up()
                page.get_by_role("button", name="Remove").wait_for()
                pressed += 1
        with page.expect_download():
            page.get_by_role("button", name="Save as CSV").click()
        pressed += 1
        yield "keys and buttons pressed", pressed
        yield "all of it (s)", time.perf_counter() - begun
        page.context.close()


def open_page(chromium: Browser, address: str) -> Page:
    """The page in a new profile."""
    page = chromium.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    return page


def drag_border(page: Page, border: Locator, shift: float) -> None:
    """Drag a border of the vessel up or down, in pixels of the screen."""
    border.wait_for()
    box = border.bounding_box()
    assert box is not None
    x, y = box["x"] + 300, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + shift, steps=3)
    page.mouse.up()


def memory_of(process: int) -> float:
    """The most memory that a process has had, in MiB; NaN where the system does not say."""
    status = Path("/proc") / str(process) / "status"
    if not status.exists():
        return float("nan")
    (most,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(most.split()[1]) / 1024


def make_recording(file: Path, *, lines: int, pixels: int) -> None:
    """A recording; a long one repeats its first 20,000 lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    scene = dataclasses.replace(DEMO_SCENES[0], lines=min(lines, 20_000), pixels=pixels)
    save_kymograph(file, np.resize(synthesize(scene), (lines, pixels)))


if __name__ == "__main__":
    sys.exit(main())
