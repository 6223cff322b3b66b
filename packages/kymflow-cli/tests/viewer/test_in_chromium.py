"""The page in a real browser: a person looks, decides, and what they decided is in the dataset."""

from __future__ import annotations

import csv
import os
import random
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kymflow.cli.demo_images import DEMO_SCENES, synthesize
from kymflow.cli.viewer import ViewServer
from kymflow.core.analysis import load_results, run_analysis
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.decisions import add_note, read_decisions, set_fields
from kymflow.core.metadata import load_metadata
from kymflow_zarr import ZarrDataset

playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

pytestmark = pytest.mark.slow

TOKEN = "the-token-of-this-test"

Serve = Callable[..., AbstractContextManager[ViewServer]]
Open = Callable[..., Any]


@pytest.fixture
def page(open_page: Open, server: ViewServer) -> Any:
    """The page of `lab` with the recording ``flow.tif``, drawn."""
    opened = open_page(server.address)
    expect(opened.locator("#file")).to_have_text("flow.tif")
    wait_until_drawn(opened)
    return opened


@pytest.fixture
def free_port() -> int:
    """A port that no connection is given meanwhile: systems take those from above 32767."""
    while True:
        port = random.randrange(10_000, 32_000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def expect(locator: Any) -> Any:
    return playwright.expect(locator)


def wait_until_drawn(page: Any) -> None:
    """Wait until the recording is read, for many greys in the kymograph and for a velocity."""
    expect(page.locator("#facts")).not_to_be_empty()
    page.wait_for_function(
        """() => {
          const canvas = document.querySelector("#kymograph canvas");
          const { width, height } = canvas;
          const line = new OffscreenCanvas(width, 1).getContext("2d", { willReadFrequently: true });
          line.drawImage(canvas, 0, -height / 2);
          const { data } = line.getImageData(0, 0, width, 1);
          const greys = new Set();
          for (let at = 0; at < data.length; at += 4) if (data[at + 3] === 255) greys.add(data[at]);
          return greys.size > 30;
        }"""
    )
    expect(number(page, "median")).to_have_text(re.compile(r"\d"))


def number(page: Any, name: str) -> Any:
    """One of the numbers under the charts."""
    return page.locator("#numbers div").filter(has_text=name).locator("dd")


def choose(page: Any, file: str) -> None:
    page.get_by_role("treeitem").filter(has_text=file).click()
    expect(page.locator("#file")).to_have_text(file)


def drag(page: Any, place: Any, *, start: tuple[float, float], stop: tuple[float, float]) -> None:
    """Drag with the mouse over an element; positions are shares of its width and height."""
    box = place.bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, stop)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=8)
    page.mouse.up()


def test_it_opens_with_the_first_recording_drawn(page: Any) -> None:
    expect(page).to_have_title(re.compile("lab.zarr"))
    expect(page.locator("#count")).to_have_text("3 recordings")
    assert number(page, "median (mm/s)").inner_text() == "0.4"
    expect(page.locator("#shown")).to_have_text("0 to 3 s")
    rows = page.get_by_role("treeitem")
    assert [row.inner_text().split("\n")[0] for row in rows.all()] == [
        "▾",
        "flow.tif",
        "stall.tif",
        "▾",
        "todo.tif",
    ]


def test_the_list_is_filtered_and_sorted(page: Any) -> None:
    page.locator("#filter").fill("mouse2 todo")
    expect(page.locator("#count")).to_have_text("1 of 3 recordings")
    page.locator("#filter").fill("")
    page.locator("#sort").select_option("velocity")
    names = page.get_by_role("treeitem").locator(".name")
    expect(names).to_have_text(["flow.tif", "stall.tif", "todo.tif"])


def test_the_tree_is_of_animals_when_it_is_asked_for(
    page: Any, lab: ZarrDataset, image_ids: dict[str, str]
) -> None:
    for name, animal in (("flow", "m10"), ("stall", "m2")):
        set_fields(lab.record(image_ids[name]), {"animal": animal})
    page.locator("#sort").select_option("animal")
    names = page.get_by_role("treeitem").locator(".name")
    expect(names).to_have_text(["m2", "stall.tif", "m10", "flow.tif", "no animal", "todo.tif"])
    page.get_by_role("treeitem").filter(has_text="m10").first.click()
    expect(names).to_have_text(["m2", "stall.tif", "m10", "no animal", "todo.tif"])


def test_zooming_and_panning_move_all_charts(page: Any) -> None:
    shown = page.locator("#shown")
    page.locator("#kymograph .u-over").hover()
    page.mouse.wheel(0, -700)
    expect(shown).not_to_have_text("0 to 3 s")
    zoomed = shown.inner_text()

    drag(page, page.locator("#kymograph .u-over"), start=(0.7, 0.5), stop=(0.3, 0.5))
    expect(shown).not_to_have_text(zoomed)
    before, after = (
        [float(value) for value in re.findall(r"[\d.]+", text)]
        for text in (zoomed, shown.inner_text())
    )
    assert after[0] > before[0]
    assert after[1] - after[0] == pytest.approx(before[1] - before[0], rel=0.02)

    page.locator("#velocity .u-over").dblclick()
    expect(shown).to_have_text("0 to 3 s")


def test_dragging_a_border_gives_the_velocity_between_the_borders(
    page: Any, lab: ZarrDataset, image_ids: dict[str, str]
) -> None:
    over = page.locator("#kymograph .u-over")

    drag(page, over, start=(0.5, 0.999), stop=(0.5, 0.8))

    expect(number(page, "borders")).to_have_text("2.5 to 12 µm")
    record = lab.record(image_ids["flow"])
    (roi,) = load_metadata(record).rois
    assert (roi.dim1_start, roi.dim1_stop) == (10, 48)
    (result,) = load_results(record, VELOCITY).results
    median = result.values["median_mm_s"]
    assert isinstance(median, float)
    assert float(number(page, "median (mm/s)").inner_text()) == pytest.approx(median, rel=0.01)


def test_borders_for_the_whole_folder(
    page: Any, lab: ZarrDataset, image_ids: dict[str, str]
) -> None:
    page.get_by_label("borders also for this folder").check()
    drag(page, page.locator("#kymograph .u-over"), start=(0.5, 0.999), stop=(0.5, 0.8))
    expect(number(page, "borders")).to_have_text("2.5 to 12 µm")
    (roi,) = load_metadata(lab.record(image_ids["stall"])).rois
    assert (roi.dim1_start, roi.dim1_stop) == (10, 48)


def test_a_stall_is_marked_by_dragging_moved_and_removed(
    page: Any, lab: ZarrDataset, image_ids: dict[str, str]
) -> None:
    record = lab.record(image_ids["flow"])

    drag(page, page.locator("#velocity .u-over"), start=(0.25, 0.5), stop=(0.5, 0.5))
    stop = page.get_by_label("To", exact=True).first
    expect(stop).to_have_value(re.compile(r"\d"))
    (mark,) = read_decisions(record).marks
    assert (mark.start_s, mark.stop_s) == pytest.approx((0.75, 1.5), abs=0.02)

    stop.fill("2")
    stop.press("Tab")
    expect(page.locator("body")).not_to_have_class(re.compile("busy"))
    (mark,) = read_decisions(record).marks
    assert mark.stop_s == pytest.approx(2)

    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("button", name="Remove")).to_have_count(0)
    assert read_decisions(record).marks == ()


def test_a_stall_that_was_found_is_confirmed(
    page: Any, lab: ZarrDataset, image_ids: dict[str, str]
) -> None:
    choose(page, "stall.tif")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_role("button", name="Confirm")).to_have_count(0)
    (mark,) = read_decisions(lab.record(image_ids["stall"])).marks
    assert (mark.start_s, mark.stop_s) == pytest.approx((1.2, 2.7), abs=0.05)


def test_all_of_it_with_the_keyboard_alone(
    page: Any, lab: ZarrDataset, image_ids: dict[str, str]
) -> None:
    keyboard = page.keyboard
    record = lab.record(image_ids["stall"])
    keyboard.press("n")
    expect(page.locator("#file")).to_have_text("stall.tif")
    wait_until_drawn(page)

    keyboard.press("r")
    keyboard.type("moved")
    keyboard.press("Enter")
    row = page.get_by_role("treeitem").filter(has_text="stall.tif")
    expect(row.locator(".dot")).to_have_attribute("aria-label", "rejected")
    verdict = read_decisions(record).verdict
    assert verdict is not None
    assert (verdict.verdict, verdict.reason) == ("rejected", "moved")

    keyboard.press("z")
    expect(row.locator(".dot")).to_have_attribute("aria-label", "open")
    assert read_decisions(record).verdict is None

    keyboard.press("a")
    expect(row.locator(".dot")).to_have_attribute("aria-label", "accepted")

    keyboard.press("x")
    keyboard.type("no capillary")
    keyboard.press("Enter")
    expect(row.locator(".dot")).to_have_attribute("aria-label", "excluded")
    keyboard.press("x")
    expect(row.locator(".dot")).to_have_attribute("aria-label", "accepted")

    keyboard.press("1")
    for _ in range(4):
        keyboard.press("ArrowUp")
    expect(number(page, "borders")).to_have_text("1 to 12 µm")
    keyboard.press("z")
    expect(number(page, "borders")).to_have_text("0 to 12 µm")
    assert load_metadata(record).rois == ()

    keyboard.press("s")
    keyboard.type("0.5")
    keyboard.press("Tab")
    keyboard.type("0.75")
    keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove")).to_have_count(1)
    (mark,) = read_decisions(record).marks
    assert (mark.start_s, mark.stop_s) == pytest.approx((0.5, 0.75))

    keyboard.press("p")
    expect(page.locator("#file")).to_have_text("flow.tif")
    keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    keyboard.press("Escape")
    expect(page.get_by_role("dialog")).not_to_be_visible()


def test_rejecting_needs_a_reason(page: Any, lab: ZarrDataset, image_ids: dict[str, str]) -> None:
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_label("Reason")).to_be_focused()
    assert read_decisions(lab.record(image_ids["flow"])).verdict is None


def test_notes_and_fields_are_kept(page: Any, lab: ZarrDataset, image_ids: dict[str, str]) -> None:
    record = lab.record(image_ids["flow"])
    page.get_by_label("New note").fill("motion at 2 s")
    page.get_by_label("New note").press("Enter")
    expect(page.get_by_text("motion at 2 s")).to_be_visible()
    assert [note.text for note in read_decisions(record).notes] == ["motion at 2 s"]

    page.get_by_text("Fields", exact=True).click()
    for name, value in (("condition", "baseline"), ("depth", "120.5")):
        page.get_by_label(name, exact=True).fill(value)
        page.get_by_label(name, exact=True).press("Tab")
        expect(page.locator("body")).not_to_have_class(re.compile("busy"))
    experiment = load_metadata(record).experiment
    assert (experiment.condition, experiment.depth) == ("baseline", 120.5)


def test_while_a_recording_is_read_nothing_of_the_last_one_can_be_written_on(page: Any) -> None:
    page.get_by_text("Fields", exact=True).click()
    # Never answered, so held; `unroute_all` lets it go on.
    page.route(re.compile("/api/recordings/[^/]+$"), lambda _: None)
    choose(page, "stall.tif")
    expect(page.locator("#decisions")).to_be_empty()
    page.keyboard.press("s")  # a new stall has nowhere to go yet
    page.keyboard.press("r")
    page.keyboard.type("moved")
    page.unroute_all()
    expect(page.get_by_label("condition", exact=True)).to_be_visible()
    expect(page.get_by_label("Reason")).to_have_value(
        "moved"
    )  # that was meant for the one being read


def test_what_another_program_does_is_shown(page: Any, lab: ZarrDataset) -> None:
    row = page.get_by_role("treeitem").filter(has_text="todo.tif")
    expect(row.locator(".value")).to_have_text("")
    for _ in run_analysis(lab, VELOCITY):
        pass
    expect(row.locator(".value")).to_have_text(re.compile(r"mm/s"))


def test_what_was_never_computed_is_computed_from_the_page(page: Any) -> None:
    choose(page, "todo.tif")
    expect(number(page, "state")).to_have_text("missing")
    page.get_by_role("button", name="Compute").click()
    expect(number(page, "state")).to_have_text("current")
    expect(number(page, "median (mm/s)")).to_have_text(re.compile("1[.]2"))
    expect(page.get_by_role("button", name="Compute")).not_to_be_visible()


def test_a_second_tab_follows(page: Any, open_page: Open, server: ViewServer) -> None:
    second = open_page(server.address)
    wait_until_drawn(second)
    page.keyboard.press("a")
    dot = second.get_by_role("treeitem").filter(has_text="flow.tif").locator(".dot")
    expect(dot).to_have_attribute("aria-label", "accepted")
    expect(second.get_by_role("button", name="Accept")).to_have_attribute("aria-pressed", "true")


def test_a_browser_that_is_killed_loses_nothing_that_was_saved(
    server: ViewServer,
    lab: ZarrDataset,
    image_ids: dict[str, str],
    chromium: Any,
    chromium_path: str,
) -> None:
    process = chromium.browser_type.launch(executable_path=chromium_path, args=["--no-sandbox"])
    page = process.new_page()
    page.goto(server.address)
    wait_until_drawn(page)
    page.keyboard.press("a")
    expect(page.get_by_role("button", name="Accept")).to_have_attribute("aria-pressed", "true")
    process.close()

    verdict = read_decisions(lab.record(image_ids["flow"])).verdict
    assert verdict is not None
    assert verdict.verdict == "accepted"
    lab.validate()


def test_the_server_goes_and_comes_back(
    lab: ZarrDataset, open_page: Open, image_ids: dict[str, str], free_port: int
) -> None:
    record = lab.record(image_ids["flow"])
    with other_process(lab, free_port) as server:
        page = open_page(f"http://127.0.0.1:{free_port}/#{TOKEN}")
        wait_until_drawn(page)
        server.kill()
        server.wait()
        page.keyboard.press("a")
        expect(page.locator("#connection")).to_be_visible()
        expect(page.locator("#said")).to_contain_text("not saved")
    assert read_decisions(record).verdict is None

    with other_process(lab, free_port):
        expect(page.locator("#connection")).not_to_be_visible()
        page.keyboard.press("a")
        expect(page.get_by_role("button", name="Accept")).to_have_attribute("aria-pressed", "true")
        assert read_decisions(record).verdict is not None


@contextmanager
def other_process(dataset: ZarrDataset, port: int) -> Iterator[subprocess.Popen[str]]:
    """A server in a separate process, which can be killed."""
    code = (
        "import sys; from kymflow.cli.viewer import ViewServer\n"
        "from kymflow_zarr import ZarrDataset\n"
        "dataset = ZarrDataset(sys.argv[1], mode='r+')\n"
        "server = ViewServer(dataset, port=int(sys.argv[2]), token=sys.argv[3])\n"
        "print('ready', flush=True); server.serve_forever()"
    )
    command = [sys.executable, "-c", code, dataset.location, str(port), TOKEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def test_the_address_of_an_earlier_server_says_what_to_do(
    open_page: Open, server: ViewServer
) -> None:
    page = open_page(f"http://127.0.0.1:{server.server_port}/#another")
    expect(page.locator("#said")).to_contain_text("open the one that kymflow view printed")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")
def test_hostile_names_notes_and_fields_stay_text(
    tmp_path: Path, serve: Serve, open_page: Open, made_lab: Path
) -> None:
    attack = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    folder = tmp_path / "<b>folder"
    folder.mkdir()
    name = "<img src=x onerror=alert(1)>.tif"
    shutil.copy(made_lab.parent / "recordings" / "mouse2" / "todo.tif", folder / name)
    dataset = ZarrDataset(tmp_path / "hostile.zarr")
    (image_id,) = dataset.refresh_from_folder(folder)
    record = dataset.record(image_id)
    payload = record.load_metadata_payload()
    record.save_metadata_payload({**payload, "experiment_metadata": {"condition": attack}})
    add_note(record, attack, author=attack)

    with serve(dataset) as server:
        page = open_page(server.address)
        expect(page.locator("#file")).to_have_text(name)
        expect(page.locator("#decisions li")).to_contain_text(attack)
        expect(page.get_by_label("condition", exact=True)).to_have_value(attack)
        assert page.locator("main img, nav img, script:not([type=module])").count() == 0


def test_the_browser_itself_refuses_markup_made_of_text(chromium: Any, server: ViewServer) -> None:
    page = chromium.new_page()
    page.goto(server.address)
    refused = page.evaluate(
        """() => {
          try {
            document.querySelector("#facts").innerHTML = "<b>x</b>";
          } catch (error) {
            return error.name;
          }
          return "";
        }"""
    )
    page.close()
    assert refused == "TypeError"


def test_no_recording_at_all(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    with serve(ZarrDataset(tmp_path / "empty.zarr")) as server:
        page = open_page(server.address)
        expect(page.locator("#count")).to_have_text("0 recordings")
        expect(page.locator("#nothing")).to_contain_text("kymflow ingest")
        expect(page.locator("#nothing")).to_be_visible()


def test_groups_are_seen_and_a_point_opens_its_recording(page: Any, lab: ZarrDataset) -> None:
    page.get_by_text("Fields", exact=True).click()
    for name, condition in (("flow", "baseline"), ("stall", "drug")):
        choose(page, f"{name}.tif")  # its fields are unfolded, as those of the last one were
        page.get_by_label("condition", exact=True).fill(condition)
        page.get_by_label("condition", exact=True).press("Tab")
        expect(page.locator("body")).not_to_have_class(re.compile("busy"))

    page.get_by_role("button", name="Groups").click()
    figure = page.get_by_role("group", name=re.compile("Velocity by condition"))
    expect(figure).to_have_attribute(
        "aria-label", re.compile(r"baseline: 1 recordings, median 0.4.*drug: 1 recordings")
    )
    page.get_by_role("button", name=re.compile("flow.tif")).press("Enter")
    expect(page.locator("#file")).to_have_text("flow.tif")
    expect(page.locator("#recording")).to_be_visible()
    expect(figure).not_to_be_visible()


def test_the_table_that_is_shown_is_saved_as_csv(page: Any, tmp_path: Path) -> None:
    page.locator("#filter").fill("mouse1")
    expect(page.locator("#count")).to_have_text("2 of 3 recordings")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    download.value.save_as(tmp_path / "recordings.csv")
    with (tmp_path / "recordings.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["flow.tif", "stall.tif"]
    assert float(rows[0]["velocity"]) == pytest.approx(0.4, rel=0.02)


def test_two_recordings_are_compared_on_one_scale(page: Any) -> None:
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Compared with flow.tif")).to_be_visible()
    expect(page.locator("#shown")).to_have_text("0 to 3 s")
    choose(page, "stall.tif")
    expect(page.locator("#shown")).to_have_text("0 to 3.5 s")
    choose(page, "todo.tif")
    # As long as the longer one.
    expect(page.locator("#shown")).to_have_text("0 to 3 s")
    page.keyboard.press("b")
    expect(page.get_by_role("heading", name="Compared with")).not_to_be_visible()


def test_what_is_on_the_screen_is_saved_as_svg(page: Any, tmp_path: Path) -> None:
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as SVG").click()
    assert download.value.suggested_filename == "flow.tif.svg"
    download.value.save_as(tmp_path / "figure.svg")
    assert "<svg" in (tmp_path / "figure.svg").read_text(encoding="utf-8")


def test_what_cannot_be_analyzed_says_why(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    dataset = ZarrDataset(tmp_path / "stack.zarr")
    dataset.add_image(np.ones((4, 30, 20), np.uint16), axes=("z", "y", "x"))
    with serve(dataset) as server:
        page = open_page(server.address)
        expect(page.locator("#problem")).to_contain_text("it has 4 slices")
        expect(page.locator("#charts")).not_to_be_visible()
        dot = page.get_by_role("treeitem").locator(".dot")
        expect(dot).to_have_attribute("aria-label", "failed")


def test_one_of_two_channels_is_drawn_and_has_its_own_velocity(
    tmp_path: Path, serve: Serve, open_page: Open
) -> None:
    scenes = (replace(DEMO_SCENES[at], lines=1200, pixels=48) for at in (0, 2))
    dataset = ZarrDataset(tmp_path / "channels.zarr")
    dataset.add_image(np.stack([synthesize(scene) for scene in scenes]), axes=("c", "t", "x"))
    for outcome in run_analysis(dataset, VELOCITY):
        assert outcome.error is None
    with serve(dataset) as server:
        page = open_page(server.address)
        wait_until_drawn(page)
        # Neither line period nor pixel size is known.
        expect(page.locator("#shown")).to_have_text("lines 0 to 1200")
        expect(number(page, "median (px/line)")).to_have_text(re.compile(r"^1\.[56]"))
        page.locator("#region").select_option("channel 2, whole picture")
        expect(number(page, "median (px/line)")).to_have_text(re.compile(r"^-3"))
        expect(page.locator("#channel")).to_have_value("2")
        wait_until_drawn(page)
