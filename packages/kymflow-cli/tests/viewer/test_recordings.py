"""What the server says of recordings: the list, one of them, its tiles, and new borders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kymflow.cli.viewer.tiles import TILE_COLUMNS, Tile, TileCache, read_tile
from kymflow.core.analysis import load_result_table, run_analysis
from kymflow.core.analysis.velocity import VELOCITY, VelocityParams
from kymflow.core.decisions import Decisions, read_decisions
from kymflow.core.metadata import load_metadata
from kymflow_zarr import ZarrDataset

Ask = Callable[..., Any]


def rows_of(ask: Ask, since: int = 0) -> tuple[int, dict[str, Any]]:
    """The list when all of it was looked at: its version, and the rows by file."""
    rows: dict[str, Any] = {}
    while True:
        changes = ask(f"/api/recordings?since={since}").json()
        rows |= {row["file"]: row for row in changes["rows"]}
        since = changes["version"]
        if not changes["pending"]:
            return since, rows


def borders(pixels: list[int], *, roi: int | None = None, folder: bool = False) -> dict[str, Any]:
    """New borders as the page sends them."""
    return {"channel": 1, "roi": roi, "pixels": pixels, "folder": folder}


def test_the_list_has_each_recording_with_its_state_and_velocity(ask: Ask) -> None:
    _, rows = rows_of(ask)

    assert sorted(rows) == ["flow.tif", "stall.tif", "todo.tif"]
    assert rows["flow.tif"]["folder"].endswith("mouse1")
    assert rows["flow.tif"]["shape"] == [3000, 48]
    assert [rows[f"{name}.tif"]["state"] for name in ("flow", "stall", "todo")] == [
        "current",
        "current",
        "missing",
    ]
    assert rows["flow.tif"]["velocity"] == pytest.approx(0.4, rel=0.02)
    assert rows["flow.tif"]["unit"] == "mm/s"
    assert rows["todo.tif"]["velocity"] is None


def test_only_what_has_changed_is_sent_again(
    ask: Ask, lab: ZarrDataset, image_ids: dict[str, str]
) -> None:
    version, _ = rows_of(ask)
    version, rows = rows_of(ask, version)
    assert rows == {}

    outcomes = run_analysis(lab, VELOCITY)
    assert sorted(one.status for one in outcomes) == ["ok", "skipped", "skipped"]
    version, rows = rows_of(ask, version)
    assert {file: row["state"] for file, row in rows.items()} == {"todo.tif": "current"}

    lab.delete_image(image_ids["stall"])
    new = lab.add_image(np.ones((40, 8), np.uint16), axes=("t", "x"))
    changes = ask(f"/api/recordings?since={version}").json()
    assert changes["gone"] == [image_ids["stall"]]
    assert [row["file"] for row in changes["rows"]] == [new.image_id]


def test_a_damaged_recording_is_listed_as_failed_and_stops_no_other(
    ask: Ask, lab: ZarrDataset, image_ids: dict[str, str]
) -> None:
    record = lab.record(image_ids["stall"])
    payload = record.load_metadata_payload()
    record.save_metadata_payload({**payload, "rois": "none"})

    _, rows = rows_of(ask)

    assert rows["stall.tif"]["state"] == "failed"
    assert "rois" in rows["stall.tif"]["reason"]
    assert rows["flow.tif"]["state"] == "current"
    assert ask(f"/api/recordings/{image_ids['stall']}").status == 409

    record.save_metadata_payload(payload)
    _, rows = rows_of(ask)
    assert rows["stall.tif"]["state"] == "current"


def test_a_recording_has_axes_regions_and_stalls(ask: Ask, image_ids: dict[str, str]) -> None:
    recording = ask(f"/api/recordings/{image_ids['stall']}").json()

    assert (recording["lines"], recording["pixels"]) == (3500, 48)
    assert recording["seconds_per_line"] == pytest.approx(0.001)
    assert recording["um_per_pixel"] == pytest.approx(0.25)
    (region,) = recording["regions"]
    assert (region["channel"], region["roi"], region["state"]) == (1, None, "current")
    (stall,) = (stretch for stretch in region["stretches"] if stretch["kind"] == "stall")
    assert (stall["start"], stall["stop"]) == pytest.approx((1200, 2700), abs=20)


def test_a_trace_is_what_the_analysis_stored(
    ask: Ask, lab: ZarrDataset, image_ids: dict[str, str]
) -> None:
    stored = load_result_table(lab.record(image_ids["flow"]), VELOCITY, "trace")

    body = ask(f"/api/recordings/{image_ids['flow']}/trace?channel=1").body

    line, velocity, smooth, px_per_line, evidence, alias = np.frombuffer(body).reshape(6, -1)
    np.testing.assert_array_equal(line, stored["center_line"])
    np.testing.assert_array_equal(velocity, stored["velocity_mm_s"])
    np.testing.assert_array_equal(px_per_line, stored["velocity_px_per_line"])
    np.testing.assert_array_equal(evidence, stored["r2adj"])
    np.testing.assert_array_equal(alias == 1, stored["status"] == "alias")
    assert np.isnan(smooth[np.isnan(velocity)]).all()
    assert np.nanmedian(smooth) == pytest.approx(0.4, rel=0.02)


def test_new_borders_give_the_velocity_between_them(
    ask: Ask, lab: ZarrDataset, image_ids: dict[str, str]
) -> None:
    path = f"/api/recordings/{image_ids['flow']}/borders"

    answer = ask(path, body=borders([4, 30])).json()

    (region,) = answer["regions"]
    assert (region["roi"], region["pixels"], region["state"]) == (1, [4, 30], "current")
    assert region["values"]["median_mm_s"] == pytest.approx(0.4, rel=0.05)
    (roi,) = load_metadata(lab.record(image_ids["flow"])).rois
    assert (roi.dim0_start, roi.dim0_stop, roi.dim1_start, roi.dim1_stop) == (0, 3000, 4, 30)

    (region,) = ask(path, body=borders([6, 30], roi=1)).json()["regions"]
    assert (region["roi"], region["pixels"], region["state"]) == (1, [6, 30], "current")
    trace = ask(f"/api/recordings/{image_ids['flow']}/trace?channel=1&roi=1")
    assert trace.status == 200


def test_new_borders_keep_the_parameters_that_a_person_chose(
    ask: Ask, lab: ZarrDataset, image_ids: dict[str, str]
) -> None:
    chosen = VelocityParams(window_lines=32)
    ids = [image_ids["flow"]]
    assert [
        one.status
        for one in run_analysis(lab, VELOCITY, params=chosen, image_ids=ids, overwrite=True)
    ] == ["ok"]

    path = f"/api/recordings/{image_ids['flow']}/borders"
    (region,) = ask(path, body=borders([4, 30])).json()["regions"]

    assert region["values"]["window_lines"] == 32


def test_the_figure_is_an_svg_of_what_is_asked_for(ask: Ask, image_ids: dict[str, str]) -> None:
    path = f"/api/recordings/{image_ids['stall']}/figure?channel=1"

    drawn = ask(f"{path}&first=1000&stop=2000")

    assert drawn.headers["Content-Type"] == "image/svg+xml"
    figure = ElementTree.fromstring(drawn.body)
    assert figure.tag == "{http://www.w3.org/2000/svg}svg"
    assert list(figure.iter("{http://www.w3.org/2000/svg}image"))
    for wrong in ("&first=0&stop=99999", "&first=5&stop=5", "&roi=7&first=0&stop=100"):
        refused = ask(f"{path}{wrong}")
        assert refused.status in {400, 404, 409}
        assert refused.json()["error"]


@pytest.mark.parametrize(
    ("pixels", "says"), [([30, 30], "must end at pixel 31"), ([-1, 9], "must begin at pixel 0")]
)
def test_borders_that_do_not_fit_are_refused(
    ask: Ask, image_ids: dict[str, str], pixels: list[int], says: str
) -> None:
    path = f"/api/recordings/{image_ids['flow']}/borders"
    refused = ask(path, body=borders(pixels))
    assert refused.status == 409
    assert says in refused.json()["error"]


def test_borders_too_narrow_to_measure_say_so(ask: Ask, image_ids: dict[str, str]) -> None:
    path = f"/api/recordings/{image_ids['flow']}/borders"
    (region,) = ask(path, body=borders([4, 5])).json()["regions"]
    assert region["state"] == "failed"
    assert region["reason"]


def test_borders_for_the_folder_reach_the_recordings_of_the_same_width_in_it(
    ask: Ask, lab: ZarrDataset, image_ids: dict[str, str]
) -> None:
    path = f"/api/recordings/{image_ids['flow']}"
    body = borders([4, 30], folder=True)

    assert ask(f"{path}/borders", body=body).status == 200

    rois = {name: load_metadata(lab.record(image_ids[name])).rois for name in image_ids}
    assert [(roi.dim1_start, roi.dim1_stop) for roi in rois["stall"]] == [(4, 30)]
    assert rois["todo"] == ()
    (region,) = ask(f"/api/recordings/{image_ids['stall']}").json()["regions"]
    assert region["state"] == "current"


def test_a_damaged_recording_of_the_folder_keeps_its_borders_and_stops_no_other(
    ask: Ask, lab: ZarrDataset, image_ids: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    record = lab.record(image_ids["stall"])
    record.save_metadata_payload({**record.load_metadata_payload(), "rois": "none"})

    path = f"/api/recordings/{image_ids['flow']}/borders"
    (region,) = ask(path, body=borders([4, 30], folder=True)).json()["regions"]

    assert region["pixels"] == [4, 30]
    assert record.load_metadata_payload()["rois"] == "none"
    assert image_ids["stall"] in caplog.text


def test_each_decision_is_kept_and_undone(
    ask: Ask, lab: ZarrDataset, image_ids: dict[str, str]
) -> None:
    path = f"/api/recordings/{image_ids['flow']}"

    def decide(what: str, **body: object) -> Any:
        answer = ask(f"{path}/{what}", body=body)
        assert answer.status == 200, answer.body
        return answer.json()

    decided = decide("verdict", verdict="rejected", reason="moved")["decisions"]
    assert decided["verdict"]["reason"] == "moved"
    _, rows = rows_of(ask)
    assert rows["flow.tif"]["decision"] == "rejected"

    decide("exclude", reason="not a capillary")
    _, rows = rows_of(ask)
    assert rows["flow.tif"]["decision"] == "excluded"
    assert decide("include")["decisions"]["exclusion"] is None

    decide("note", text="motion at 2 s")
    interval = {"channel": 1, "roi": None, "start_s": 0.5, "stop_s": 0.75, "kind": "stall"}
    (mark,) = decide("mark", **interval)["decisions"]["marks"]
    (moved,) = decide("move-mark", mark=mark["id"], start_s=0.5, stop_s=1)["decisions"]["marks"]
    assert (moved["start_line"], moved["stop_line"]) == pytest.approx((500, 1000))
    assert decide("remove-mark", mark=mark["id"])["decisions"]["marks"] == []
    decide("borders", **borders([4, 30]))
    decided = decide("field", name="condition", value="baseline")
    assert decided["fields"]["condition"] == "baseline"

    for _ in range(8):
        decide("undo")
    undone = decide("undo")
    assert undone["decisions"] == ask(f"/api/recordings/{image_ids['todo']}").json()["decisions"]
    (region,) = undone["regions"]
    assert (region["roi"], region["pixels"], region["state"]) == (None, [0, 48], "current")
    refused = ask(f"{path}/undo", body={})
    assert refused.status in {404, 409}
    assert refused.json()["error"]


@pytest.mark.parametrize(
    "change", ["borders", "verdict", "exclude", "note", "mark", "move-mark", "remove-mark", "field"]
)
def test_a_change_that_lacks_something_is_refused(
    ask: Ask, lab: ZarrDataset, image_ids: dict[str, str], change: str
) -> None:
    refused = ask(f"/api/recordings/{image_ids['flow']}/{change}", body={"verdict": "perhaps"})
    assert refused.status == 400
    assert read_decisions(lab.record(image_ids["flow"])) == Decisions()


@pytest.fixture(scope="module")
def pixels(tmp_path_factory: pytest.TempPathFactory) -> tuple[ZarrDataset, str, Any]:
    """A recording that needs several tiles, with pixels that are not finite."""
    values = np.random.default_rng(1).normal(100.0, 20.0, (5 * TILE_COLUMNS + 77, 3))
    values[TILE_COLUMNS : TILE_COLUMNS + 40] = np.nan
    dataset = ZarrDataset(tmp_path_factory.mktemp("tiles") / "d.zarr")
    record = dataset.add_image(values.astype(np.float32), axes=("t", "x"))
    return dataset, record.image_id, values.astype(np.float32)


@given(level=st.integers(0, 13), data=st.data())
def test_every_line_counts_at_every_level(
    pixels: tuple[ZarrDataset, str, Any], level: int, data: st.DataObject
) -> None:
    dataset, image_id, values = pixels
    width = TILE_COLUMNS << level
    index = data.draw(st.integers(0, (len(values) - 1) // width))

    tile = read_tile(dataset, Tile(image_id=image_id, channel=1, z=0, level=level, index=index))

    lines = values[index * width : (index + 1) * width]
    for column in {0, len(tile) // 2, len(tile) - 1}:
        block = lines[column << level : (column + 1) << level]
        known = np.isfinite(block).any(axis=0)
        assert (np.isfinite(tile[column]) == known).all()
        if known.all():
            np.testing.assert_allclose(tile[column], np.nanmean(block, axis=0), rtol=1e-4)


def test_the_tiles_in_memory_are_bounded(pixels: tuple[ZarrDataset, str, Any]) -> None:
    dataset, image_id, _ = pixels
    tiles = [Tile(image_id=image_id, channel=1, z=0, level=0, index=i) for i in range(5)]
    cache = TileCache(most_bytes=3 * TILE_COLUMNS * 3 * 4)

    read = [cache.get(dataset, tile) for tile in tiles]

    for tile, data in zip(tiles[2:], read[2:], strict=True):
        assert cache.get(dataset, tile) is data
    assert cache.get(dataset, tiles[0]) is not read[0]
    assert cache.get(dataset, tiles[0]) == read[0]
