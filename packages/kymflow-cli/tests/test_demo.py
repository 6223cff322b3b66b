"""The demo, and the kymographs that it makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kymflow.cli.demo_images import (
    DEMO_SCENES,
    LINE_INTERVAL_S,
    PIXEL_SIZE_UM,
    Scene,
    synthesize,
)
from kymflow.cli.verbs.demo import DemoResult, demo
from kymflow_zarr import ZarrDataset


def test_the_demo_does_everything_and_a_second_run_ingests_nothing(
    tmp_path: Path, kymflow: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, err = kymflow("demo", tmp_path / "here")
    assert code == 0
    place = tmp_path / "here" / "demo.zarr"
    assert str(place) in out
    assert all(scene.name in out for scene in DEMO_SCENES)
    assert f"kymflow info {place}" in err
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "here" / "tiffs").iterdir()}
    assert len(files) == len(DEMO_SCENES)

    again = demo(tmp_path / "here")

    assert (again.taken_in, again.images) == (0, len(DEMO_SCENES))
    assert files == {path: path.stat().st_mtime_ns for path in files}
    assert len(ZarrDataset(place).load_table("kym_image_summary")) == len(DEMO_SCENES)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """A demo, to look at."""
    return demo(tmp_path_factory.mktemp("shown"))


def test_the_demo_finds_the_velocities_that_it_made(shown: DemoResult) -> None:
    rows = {str(item.row["kymograph"]): item.row for item in shown.items}
    for scene in DEMO_SCENES:
        row = rows[scene.name]
        assert row["made_with_mm_s"] == scene.velocity_mm_s
        if scene.stall_s is None:
            assert row["median_mm_s"] == pytest.approx(scene.velocity_mm_s, rel=0.03)
            assert row["share_stalled"] == pytest.approx(0, abs=0.01)
        else:
            stalled = (scene.stall_s[1] - scene.stall_s[0]) / (scene.lines * LINE_INTERVAL_S)
            assert row["share_stalled"] == pytest.approx(stalled, abs=0.02)


def test_demo_images_know_their_calibration(shown: DemoResult) -> None:
    for record in ZarrDataset(shown.dataset, mode="r").iter_records():
        header = record.load_metadata_payload()["header"]
        assert isinstance(header, dict)
        assert record.get_axes() == ("t", "x")
        assert header["scale"] == {"t": LINE_INTERVAL_S, "x": PIXEL_SIZE_UM}
        assert header["unit"] == {"t": "s", "x": "um"}


@pytest.mark.parametrize("velocity", [0.25, 1.0, -0.5])
def test_cells_move_at_the_speed_they_say(velocity: float) -> None:
    image = synthesize(
        Scene(name="test", velocity_mm_s=velocity, lines=2000, pixels=200, seed=3)
    ).astype(float)
    image -= image.mean(axis=0)
    lines = 10
    expected = round(velocity * 1000 * lines * LINE_INTERVAL_S / PIXEL_SIZE_UM)

    def similarity(shift: int) -> float:
        later = np.roll(image[lines:], -shift, axis=1)[:, 60:-60]
        return float((image[:-lines, 60:-60] * later).mean())

    assert max(range(-60, 61), key=similarity) == expected


def test_a_stall_stands_still() -> None:
    scene = next(scene for scene in DEMO_SCENES if scene.stall_s is not None)
    assert scene.stall_s is not None
    start, stop = (round(second / LINE_INTERVAL_S) for second in scene.stall_s)
    image = synthesize(scene).astype(float)

    def likeness(first: int, last: int) -> float:
        """How like each other lines are that are 25 lines apart, while cells move by 15 µm."""
        pairs = (np.corrcoef(image[k], image[k + 25])[0, 1] for k in range(first, last - 25))
        return float(np.mean(list(pairs)))

    assert likeness(start, stop) > 0.7
    assert abs(likeness(0, start)) < 0.2
    assert abs(likeness(stop, len(image))) < 0.2


def test_a_scene_is_the_same_each_time_and_noise_is_that_of_photons() -> None:
    scene = dataclasses.replace(DEMO_SCENES[0], velocity_mm_s=0.0, lines=3000)
    image = synthesize(scene)
    assert (image == synthesize(scene)).all()
    photons = image / 12.0
    ratio = photons.var(axis=0) / photons.mean(axis=0)
    assert np.allclose(ratio, 1.0, atol=0.15)
