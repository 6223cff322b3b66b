"""What benchmarks say of growth and change is right; that all of them run, `.ci/run` shows."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# Their clock goes on by what they say, so that the machine has no say in it.
PLANTED = """
import time

from bench_job import Benchmark

SIZES = (100, 400)
clock = 0.0
time.perf_counter = time.process_time = lambda: clock


def prepare(folder, count):
    (folder / "size").write_text(str(count))


def linear(inputs, scratch):
    take(int((inputs / "size").read_text()))


def quadratic(inputs, scratch):
    take(int((inputs / "size").read_text()) ** 2 / 50)


def take(seconds):
    global clock
    clock += seconds


BENCHMARKS = tuple(
    Benchmark(name=name, sizes=SIZES, small=SIZES, prepare=prepare, work=work, floor=floor)
    for name, work, floor in (
        ("follows the work", linear, linear),
        ("scans all for each", quadratic, linear),
        ("no worse than its floor", quadratic, quadratic),
    )
)
"""


@pytest.fixture
def planted(root: Path, tmp_path: Path) -> Path:
    """The tool, in a workspace whose only benchmarks have known shapes."""
    shutil.copytree(root / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("faults"))
    benchmarks = tmp_path / "packages" / "one" / "benchmarks"
    benchmarks.mkdir(parents=True)
    (benchmarks / "shapes.py").write_text(PLANTED, encoding="utf-8")
    return tmp_path


def bench(root: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-X", "utf8", str(root / "tools" / "bench.py"), *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


def test_a_small_run_fails_on_growth_beyond_the_floors_and_names_it(planted: Path) -> None:
    code, out = bench(planted, "--small")
    assert code == 1
    (line,) = [line for line in out.splitlines() if "times as much" in line]
    assert line == "scans all for each: a unit costs 4.0 times as much at 400 as before"
    assert out.count("once more: ") == 1


def test_a_small_run_of_what_follows_the_work_is_well(planted: Path) -> None:
    code, out = bench(planted, "--small", "follows", "no worse")
    assert code == 0
    assert out.splitlines()[-1] == "cost follows the work"
    assert "scans" not in out


def test_the_report_says_what_was_measured_and_where(planted: Path) -> None:
    output = planted / "report.json"
    code, _ = bench(planted, "follows", "--size=100", "--rounds=3", f"--output={output}")
    assert code == 0
    report: dict[str, Any] = json.loads(output.read_text("utf-8"))
    assert {"python", "platform", "cores", "libraries", "started_utc"} <= report.keys()
    (result,) = report["results"]
    assert (result["name"], result["size"], result["unit"]) == ("follows the work", 100, "image")
    assert len(result["work_s"]) == len(result["floor_s"]) == 3
    assert result["ratio"] == 1.0


def test_costs_beyond_their_limits_are_reported(planted: Path) -> None:
    benchmarks = planted / "packages" / "one" / "benchmarks" / "shapes.py"
    limited = PLANTED.replace("floor=floor)", "floor=floor, most_ratio=2.0)")
    benchmarks.write_text(limited, encoding="utf-8")
    code, out = bench(planted, "scans", "--rounds=3", f"--output={planted / 'report.json'}")
    assert code == 0  # a time, or a ratio, is for people to judge
    assert out.splitlines()[-1] == "scans all for each at 400: ratio 8.00 > 2; growth 4.00 > 1.2"


@pytest.mark.slow
def test_the_scale_of_a_dataset_is_measured(root: Path, tmp_path: Path) -> None:
    scale = root / "packages" / "kymflow-core" / "benchmarks" / "scale"
    for command in (
        ["many_images.py", "--images=20", f"--folder={tmp_path}"],
        ["object_store.py", "--images=10"],
    ):
        done = subprocess.run(
            [sys.executable, str(scale / command[0]), *command[1:]],
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        jobs = [line.split("|")[1].strip() for line in done.stdout.splitlines() if "|" in line]
        assert {"load the manifest", "`check`"} < set(jobs)
    assert list(tmp_path.iterdir()) == []
