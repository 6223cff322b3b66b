"""One benchmark, measured in a process of its own; `bench` starts it.

Job and floor take turns, size by size and round by round, so that whatever else the machine does
meets both alike. Before each turn the disk's queue is emptied if asked, and what a turn has written
stays until all is done: no turn pays for another's writes, nor for removing them. (ext4 takes ten
times as long to create files while inodes have been freed within the last seconds.)
The peak of memory is taken in a further process that does the job once and nothing before it.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench_job import Benchmark, Run, load_benchmarks


def measure_time(
    benchmark: Benchmark, sizes: Sequence[int], rounds: int, folder: Path, *, settle: bool
) -> dict[str, dict[str, list[float]]]:
    """Seconds of job and floor in each round, by size; the inputs stay in `folder`."""
    for size in sizes:
        inputs = folder / str(size)
        inputs.mkdir()
        benchmark.prepare(inputs, size)
    runs = {"work": benchmark.work}
    if benchmark.floor is not None:
        runs["floor"] = benchmark.floor
    for run in runs.values():  # imports, and what is made once in a process
        seconds(run, folder / str(sizes[0]), settle=settle)
    taken: dict[str, dict[str, list[float]]] = {
        str(size): {name: [] for name in runs} for size in sizes
    }
    for _ in range(rounds):
        for size in sizes:
            for name, run in runs.items():
                taken[str(size)][name].append(seconds(run, folder / str(size), settle=settle))
    return taken


def seconds(run: Run, inputs: Path, *, settle: bool) -> float:
    """How long one run takes, in a scratch folder of its own."""
    scratch = Path(tempfile.mkdtemp(dir=inputs.parent))
    gc.collect()
    if settle and hasattr(os, "sync"):
        os.sync()
    start = time.perf_counter()
    run(inputs, scratch)
    return time.perf_counter() - start


def measure_peak(benchmark: Benchmark, inputs: Path) -> int | None:
    """Bytes that the job needs at its peak beyond those of the interpreter with its imports."""
    before = peak_bytes()
    benchmark.work(inputs, Path(tempfile.mkdtemp(dir=inputs.parent)))
    after = peak_bytes()
    return None if before is None or after is None else after - before


def peak_bytes() -> int | None:
    """The most memory that this process has held; None where the system does not tell."""
    if sys.platform == "linux":
        # Not getrusage(): there a process starts with the peak of the one that started it.
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


def main() -> None:
    """Measure what the arguments name, and print it as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["time", "peak"])
    parser.add_argument("file", type=Path)
    parser.add_argument("name")
    parser.add_argument("folder", type=Path, help="where inputs are made, or were")
    parser.add_argument("sizes", type=int, nargs="+")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--settle", action="store_true", help="empty the disk's queue before turns")
    arguments = parser.parse_args()
    (benchmark,) = (item for item in load_benchmarks(arguments.file) if item.name == arguments.name)
    if arguments.what == "time":
        taken = measure_time(
            benchmark, arguments.sizes, arguments.rounds, arguments.folder, settle=arguments.settle
        )
        print(json.dumps(taken))
    else:
        print(json.dumps(measure_peak(benchmark, arguments.folder / str(arguments.sizes[-1]))))


if __name__ == "__main__":
    main()
