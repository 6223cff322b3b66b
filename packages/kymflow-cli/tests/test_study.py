"""The page about a study: every command on it is run, on recordings whose velocity is known."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from kymflow.cli.demo_images import Scene, synthesize
from kymflow.core import KymDataset
from kymflow.core.decisions import read_decisions
from kymflow_zarr import ZarrDataset

PAGE = Path(__file__).parents[1] / "docs" / "study.md"
BEFORE_MM_S = {f"m{number}": 0.4 + 0.1 * number for number in range(1, 7)}
AFTER = 0.6
STALLED = ("m5", "day2")

Kymflow = Callable[..., tuple[int, str, str]]


def velocity_mm_s(animal: str, day: str) -> float:
    return BEFORE_MM_S[animal] * (AFTER if day == "day2" else 1.0)


def recording(animal: str, day: str, seed: int = 0) -> NDArray[np.uint16]:
    scene = Scene(
        name=animal,
        velocity_mm_s=velocity_mm_s(animal, day),
        stall_s=(0.5, 1.0) if (animal, day) == STALLED else None,
        lines=1500,
        pixels=64,
        seed=100 * int(animal[1:]) + 10 * (day == "day2") + seed,
    )
    return synthesize(scene)


def record_day(folder: Path, day: str) -> None:
    for animal in BEFORE_MM_S:
        (folder / animal / day).mkdir(parents=True)
        tifffile.imwrite(folder / animal / day / "run1.tif", recording(animal, day))


def record_first_day(folder: Path) -> None:
    """With a copy, a file that was cut off, two channels and a stack among the files."""
    record_day(folder, "day1")
    whole = (folder / "m2/day1/run1.tif").read_bytes()
    (folder / "m2/day1/run1 copy.tif").write_bytes(whole)
    (folder / "m4/day1/broken.tif").write_bytes(whole[:4])
    own = recording("m3", "day1", seed=1)
    for name, axes, pixels in (
        ("m3/day1/two_channels.tif", "CYX", np.stack([own, own // 2])),
        ("m6/day1/stack.tif", "ZYX", np.stack([recording("m6", "day1", seed=2)] * 2)),
    ):
        tifffile.imwrite(folder / name, pixels, imagej=True, metadata={"axes": axes})


def commands(text: str) -> Iterator[tuple[list[str], str]]:
    """Each command with the answer that the page quotes; "" where it quotes none."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            line, _, answer = part.partition("\n")
            yield shlex.split(line)[1:], answer


@pytest.mark.slow
def test_the_page_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kymflow: Kymflow
) -> None:
    for name in ("duckdb", "matplotlib", "xlsxwriter"):
        pytest.importorskip(name)
    if not PAGE.is_file():
        pytest.skip("the docs are not in this distribution")
    monkeypatch.chdir(tmp_path)
    record_first_day(tmp_path / "recordings")
    sexes = "".join(f"{animal},{'wt' if animal < 'm4' else 'ko'},f\n" for animal in BEFORE_MM_S)
    (tmp_path / "animals.csv").write_text(f"animal,genotype,sex\n{sexes}", encoding="utf-8")
    assert len(list(commands(PAGE.read_text(encoding="utf-8")))) == 20
    first, _, rest = PAGE.read_text(encoding="utf-8").partition("## The second day arrives")

    def run(text: str) -> None:
        for words, answer in commands(text):
            drawn = words[0] == "update" and Path("study-report.html").exists()  # once is enough
            alone = words[0] in {"analyze", "update"}  # starting processes would take longest
            more = [*(["--no-report"] if drawn else []), *(["--workers", "1"] if alone else [])]
            _, out, err = kymflow(*words, *more)
            pattern = re.escape(answer).replace("…", ".*")
            assert not answer or re.fullmatch(pattern, out), (words, out, err)

    run(first)
    record_day(tmp_path / "recordings", "day2")
    run(rest)

    dataset = ZarrDataset(tmp_path / "study.zarr", mode="r")
    assert_velocities_are_those_of_the_generator(KymDataset(dataset))
    assert (tmp_path / "days.svg").stat().st_size > 1000
    assert (tmp_path / "study.xlsx").is_file()
    assert read_decisions(dataset.find("m5/day2/run1.tif")).marks == ()
    assert kymflow("update", "study.zarr", "--no-report")[0] == 1, "the broken file is still there"
    assert "0 new images, 1 failed" in kymflow("update", "study.zarr", "--no-report")[1]


def assert_velocities_are_those_of_the_generator(kym: KymDataset) -> None:
    for label in ("", "long"):
        rows = kym.velocities(label=label)
        assert len(rows) == 14, "15 images without the copy"
        assert "run1 copy.tif" not in set(rows["file"])
        for row in rows.to_dict("records"):
            expected = velocity_mm_s(row["animal"], row["day"])
            tolerance = 0.1 if (row["animal"], row["day"]) == STALLED else 0.03
            assert row["median_mm_s"] == pytest.approx(expected, rel=tolerance), row["file"]
