"""Measure what kymflow costs: `hatch run bench`.

Each main job is measured next to its floor, the same bytes with the least code, in the same run and
in turns. So a ratio means the same on a laptop and on a busy server, where a time means little.
A full run takes about half an hour; `--small` shows in a minute that everything runs and that cost
follows the work, and fails only if it does not.

    hatch run bench                          all benchmarks
    hatch run bench ingest                   those whose file or name contains a word
    hatch run bench --compare OLD.json       and what changed since
    hatch run bench check --size 100000 --rounds 1
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench_child import measure_time
from bench_job import Benchmark, load_benchmarks
from bench_report import (
    Result,
    bad_shapes,
    beyond,
    compare,
    read_report,
    result,
    short,
    write_report,
)
from workspace import ROOT

_CHILD = Path(__file__).with_name("bench_child.py")
_MEMORY = Path("/dev/shm")  # noqa: S108 - the names in there are chosen by tempfile
_LIBRARIES = ("zarr", "numcodecs", "numpy", "pandas", "pyarrow", "tifffile")


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
    """Measure one benchmark, size by size; its memory, too, in processes of their own.

    A small run looks at growth only: it leaves memory out, stays in this process, and neither waits
    for the disk, which others may keep busy, nor writes to one if it can do without.
    """
    name = file.relative_to(ROOT).as_posix()
    with tempfile.TemporaryDirectory(dir=folder, prefix="kymflow-bench-") as made:
        place = Path(made)
        if small:
            taken = measure_time(benchmark, sizes, rounds, place, settle=False)
        else:
            options = ("--rounds", str(rounds), "--settle")
            taken = child("time", file, benchmark, place, sizes, *options)
        smaller: Result | None = None
        for size in sizes:
            smaller = result(
                benchmark,
                file=name,
                size=size,
                taken=taken[str(size)],
                smaller=smaller,
                peak=None if small else child("peak", file, benchmark, place, [size]),
                last=size == sizes[-1],
            )
            yield smaller


def child(
    what: str, file: Path, benchmark: Benchmark, folder: Path, sizes: Sequence[int], *options: str
) -> Any:
    """What a process of its own measures."""
    command = [sys.executable, str(_CHILD), what, str(file), benchmark.name, str(folder)]
    done = subprocess.run(
        [*command, *map(str, sizes), *options], check=True, stdout=subprocess.PIPE, encoding="utf-8"
    )
    return json.loads(done.stdout.splitlines()[-1])


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
    parser.add_argument("--list", action="store_true", help="list the benchmarks and stop")
    parser.add_argument("--compare", type=Path, metavar="OLD.json", help="an earlier report")
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
    old = None if arguments.compare is None else read_report(arguments.compare)
    chosen = list(find(arguments.words))
    if not chosen:
        parser.error("no benchmark contains any of these words; see --list")
    started = facts(small=arguments.small)
    results: list[Result] = []
    for file, benchmark in chosen:
        if arguments.list:
            print(f"{file.parents[1].name}: {benchmark.name}")
            continue
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
    if arguments.list:
        return 0
    write_report(arguments.output, results, started)
    print(f"\nwritten to {arguments.output}")
    if old is not None:
        print("\n".join(["", "since the earlier run:", *compare(old, results)]))
    if arguments.small:
        shapes = bad_shapes(results)
        print("\n".join(["", *(shapes or ["cost follows the work"])]))
        return 1 if shapes else 0
    print("\n".join(["", *beyond(results)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
