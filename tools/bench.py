"""Measure what kymflow costs: `hatch run bench`.

Each main job is measured next to its floor, the same bytes with the least code, in the same run and
in turns. So a ratio means the same on a laptop and on a busy server, where a time means little.
A full run takes about half an hour; `--small` shows in a minute that everything runs and that cost
follows the work, and fails only if it does not.

    hatch run bench                          all benchmarks
    hatch run bench ingest                   those whose file or name contains a word
    hatch run bench check --size 100000 --rounds 1
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench_job import Benchmark, load_benchmarks
from bench_measure import in_new_process, measure_peak, measure_time
from workspace import ROOT

_MEMORY = Path("/dev/shm")  # noqa: S108 - the names in there are chosen by tempfile
_LIBRARIES = ("zarr", "numcodecs", "numpy", "pandas", "pyarrow", "tifffile")
_MIB = 2**20
# Enough for noise and fixed costs, far below the 10 of a job that scans all for each one.
_SHAPE = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One benchmark at one size.

    Attributes:
        file: The benchmark's file, relative to the repository.
        name: Its name.
        size: How many units.
        unit: What they are.
        work_s: Seconds of the job, round by round.
        floor_s: Seconds of the floor in the same rounds; empty where there is none.
        ratio: Median of job / floor over the rounds; None without a floor.
        spread: Quartiles of job / floor; of job / median job without a floor.
        unit_us: Median microseconds a unit.
        growth: ``unit_us`` over that of the next smaller size; None at the smallest.
        floor_growth: The same of the floor.
        peak_mib: Peak of memory beyond the interpreter's own with imports; None if not known.
        most_ratio: What may be.
        most_growth: What may be.
        most_peak_mib: What may be.
    """

    file: str
    name: str
    size: int
    unit: str
    work_s: list[float]
    floor_s: list[float]
    ratio: float | None
    spread: tuple[float, float]
    unit_us: float
    growth: float | None
    floor_growth: float | None
    peak_mib: float | None
    most_ratio: float | None
    most_growth: float | None
    most_peak_mib: float | None

    @property
    def missed(self) -> tuple[str, ...]:
        """What is beyond what may be, in words."""
        pairs = {
            "ratio": (self.ratio, self.most_ratio),
            "growth": (self.growth, self.most_growth),
            "memory": (self.peak_mib, self.most_peak_mib),
        }
        return tuple(
            f"{what} {value:.2f} > {most:g}"
            for what, (value, most) in pairs.items()
            if value is not None and most is not None and value > most
        )


def result(
    benchmark: Benchmark,
    *,
    file: str,
    size: int,
    taken: Mapping[str, list[float]],
    smaller: Result | None,
    peak: int | None,
    last: bool,
) -> Result:
    """Sum up the seconds of ``"work"`` and ``"floor"``, and the peak, as measured at one size.

    The next smaller size tells the growth; targets are for the last size, the largest.
    """
    work, floor = taken["work"], taken.get("floor", [])
    middle = statistics.median(work)
    ratios = [a / b for a, b in zip(work, floor, strict=True)] if floor else []
    return Result(
        file=file,
        name=benchmark.name,
        size=size,
        unit=benchmark.unit,
        work_s=work,
        floor_s=floor,
        ratio=statistics.median(ratios) if ratios else None,
        spread=_quartiles(ratios or [value / middle for value in work]),
        unit_us=1e6 * middle / size,
        growth=None if smaller is None else _growth(work, size, smaller.work_s, smaller.size),
        floor_growth=None
        if smaller is None or not floor
        else _growth(floor, size, smaller.floor_s, smaller.size),
        peak_mib=None if peak is None else peak / _MIB,
        most_ratio=benchmark.most_ratio if last else None,
        most_growth=benchmark.most_growth if last else None,
        most_peak_mib=benchmark.most_peak_mib if last else None,
    )


def _growth(at: list[float], size: int, before: list[float], smaller: int) -> float:
    """Cost of a unit at one size over that at another, from rounds that followed each other."""
    return statistics.median(
        (one / size) / (other / smaller) for one, other in zip(at, before, strict=True)
    )


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def short(one: Result) -> str:
    """One result as a line, to be shown as soon as it is there."""
    ratio = "" if one.ratio is None else f"{one.ratio:6.2f} x floor"
    allowed = "" if one.most_ratio is None else f" (may be {one.most_ratio:g})"
    spread = f"[{one.spread[0]:.2f} .. {one.spread[1]:.2f}]"
    growth = "" if one.growth is None else f"growth {one.growth:.2f}"
    if one.growth is not None and one.floor_growth is not None:
        growth += f" (floor {one.floor_growth:.2f})"
    peak = "" if one.peak_mib is None else f"{one.peak_mib:.0f} MiB"
    return (
        f"  {one.size:>10,d} {one.unit:<6} {one.unit_us:>11,.2f} us each  "
        f"{ratio + allowed:<26} {spread:<16} {growth:<26} {peak:>8}"
    ).rstrip()


def beyond(results: Iterable[Result]) -> Iterator[str]:
    """What is beyond what may be: a line each, or one that says that there is nothing."""
    found = [
        f"{one.name} at {one.size:,d}: {'; '.join(one.missed)}" for one in results if one.missed
    ]
    yield from found or ["everything is within what it may cost"]


def bad_shapes(results: Iterable[Result]) -> list[str]:
    """The jobs whose cost a unit grows with the size, well beyond noise and beyond their floor's.

    This is what a small run on any machine can tell. Times are for people to judge.
    """
    return [
        f"{one.name}: a unit costs {one.growth:.1f} times as much at {one.size:,d} as before"
        for one in results
        if one.growth is not None
        and one.most_growth is not None
        and one.growth > _SHAPE * max(1.0, one.floor_growth or 1.0)
    ]


def find(words: Sequence[str]) -> Iterator[tuple[Path, Benchmark]]:
    """The benchmarks of all packages whose file or name contains one of some words."""
    for file in sorted(ROOT.glob("packages/*/benchmarks/*.py")):
        for benchmark in load_benchmarks(file):
            title = f"{file.stem} {benchmark.name}"
            if not words or any(word in title for word in words):
                yield file, benchmark


def run(
    file: Path,
    benchmark: Benchmark,
    *,
    sizes: Sequence[int],
    rounds: int,
    small: bool,
    folder: Path | None,
) -> Iterator[Result]:
    """Measure one benchmark, size by size; its memory, too, in separate processes.

    A small run looks at growth only, and may run beside other work: it counts seconds of
    processors, leaves memory out, stays in this process, and writes to no disk if it can do
    without.
    """
    name = file.relative_to(ROOT).as_posix()
    with tempfile.TemporaryDirectory(dir=folder, prefix="kymflow-bench-") as made:
        place = Path(made)
        job = (file, benchmark.name)
        if small:
            taken = measure_time(*job, sizes, rounds, place, small=True)
        else:
            taken = in_new_process(measure_time, *job, sizes, rounds, place, small=False)
        smaller: Result | None = None
        for size in sizes:
            peak = None if small else in_new_process(measure_peak, *job, place / str(size))
            smaller = result(
                benchmark,
                file=name,
                size=size,
                taken=taken[size],
                smaller=smaller,
                peak=peak,
                last=size == sizes[-1],
            )
            yield smaller


def rounds_of(benchmark: Benchmark, sizes: Sequence[int], *, small: bool) -> int:
    """How often to repeat; of one size, a small run has no growth to find."""
    if not small:
        return benchmark.rounds
    return min(3, benchmark.rounds) if len(sizes) > 1 else 1


def facts(*, small: bool) -> dict[str, Any]:
    """What is worth knowing about a run."""
    return {
        "started_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "small": small,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "libraries": {name: _version(name) for name in _LIBRARIES},
    }


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def main() -> int:
    """Run what the arguments ask for; 1 if something cannot be, 0 otherwise."""
    parser = argparse.ArgumentParser(
        prog="hatch run bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="only what contains one of these words")
    parser.add_argument("--small", action="store_true", help="small sizes; fail on growth only")
    parser.add_argument("--size", type=int, action="append", help="instead of the sizes it has")
    parser.add_argument("--rounds", type=int, help="instead of as many as it has")
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "build" / "bench.json",
        help="the report (default: %(default)s)",
    )
    parser.add_argument(
        "--folder", type=Path, default=None, help="a folder on the disk to measure, up to 20 GB"
    )
    arguments = parser.parse_args()
    in_memory = arguments.small and _MEMORY.is_dir()
    folder = arguments.folder or (_MEMORY if in_memory else None)
    chosen = list(find(arguments.words))
    if not chosen:
        parser.error("no benchmark contains any of these words")
    started = facts(small=arguments.small)
    results: list[Result] = []
    for file, benchmark in chosen:
        sizes = arguments.size or (benchmark.small if arguments.small else benchmark.sizes)
        rounds = arguments.rounds or rounds_of(benchmark, sizes, small=arguments.small)
        measured: list[Result] = []
        # Another program may have taken the machine meanwhile: what fails is looked at twice.
        for attempt in ("", "once more: "):
            print(f"{attempt}{file.parents[1].name}: {benchmark.name}", flush=True)
            measured = []
            for one in run(
                file,
                benchmark,
                sizes=sizes,
                rounds=rounds,
                small=arguments.small,
                folder=folder,
            ):
                print(short(one), flush=True)
                measured.append(one)
            if not (arguments.small and bad_shapes(measured)):
                break
        results += measured
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    report = {**started, "results": [asdict(one) for one in results]}
    arguments.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"\nwritten to {arguments.output}")
    if arguments.small:
        shapes = bad_shapes(results)
        print("\n".join(["", *(shapes or ["cost follows the work"])]))
        return 1 if shapes else 0
    print("\n".join(["", *beyond(results)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
