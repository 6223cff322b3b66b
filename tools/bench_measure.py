"""Seconds and memory of one benchmark, in a new process if need be.

Job and floor take turns, size by size and round by round, so that whatever else the machine does
meets both alike. Before each turn the disk's queue is emptied if asked, and what a turn has written
stays until all is done: no turn pays for another's writes, nor for removing them. (ext4 takes ten
times as long to create files while inodes have been freed within the last seconds.)
A small run counts the processors' seconds, as it runs beside tests.
The peak of memory is measured in a further process that does the job once and nothing before it.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from bench_job import Run, load_benchmark

_P = ParamSpec("_P")
_R = TypeVar("_R")


def in_new_process(work: Callable[_P, _R], *args: _P.args, **options: _P.kwargs) -> _R:
    """Call a function in a process that has done nothing before."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as executor:
        return executor.submit(work, *args, **options).result()


def measure_time(
    file: Path, name: str, sizes: Sequence[int], rounds: int, folder: Path, *, small: bool
) -> dict[int, dict[str, list[float]]]:
    """Seconds of job and floor in each round, by size; the inputs stay in `folder`."""
    benchmark = load_benchmark(file, name)
    for size in sizes:
        inputs = folder / str(size)
        inputs.mkdir()
        benchmark.prepare(inputs, size)
    runs = {"work": benchmark.work}
    if benchmark.floor is not None:
        runs["floor"] = benchmark.floor
    if len(sizes) > 1 or not small:  # imports, and what is made once in a process
        for run in runs.values():
            seconds(run, folder / str(sizes[0]), small=small)
    taken: dict[int, dict[str, list[float]]] = {size: {what: [] for what in runs} for size in sizes}
    for _ in range(rounds):
        for size in sizes:
            for what, run in runs.items():
                taken[size][what].append(seconds(run, folder / str(size), small=small))
    return taken


def seconds(run: Run, inputs: Path, *, small: bool) -> float:
    """How long one run takes, in its own scratch folder; of a small one, on all processors."""
    scratch = Path(tempfile.mkdtemp(dir=inputs.parent))
    clock = time.process_time if small else time.perf_counter
    gc.collect()
    if not small and hasattr(os, "sync"):
        os.sync()
    start = clock()
    run(inputs, scratch)
    return clock() - start


def measure_peak(file: Path, name: str, inputs: Path) -> int | None:
    """Bytes that the job needs at its peak beyond those of the interpreter with its imports."""
    benchmark = load_benchmark(file, name)
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
