"""What a benchmark is: a job, its floor, and what the job may cost at most.

Files ``packages/*/benchmarks/*.py`` list theirs in ``BENCHMARKS``. `bench` finds and runs them.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Prepare: TypeAlias = Callable[[Path, int], None]
"""Makes the inputs of a given size in an empty folder; not measured."""

Run: TypeAlias = Callable[[Path, Path], object]
"""Does the work: the folder of inputs, which it leaves as they are, and an empty scratch folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One job of the product next to the least that it must cost.

    Attributes:
        name: What is done, in a few words; unique in its file.
        unit: What the size counts: ``"image"``, ``"row"``, ``"MiB"``.
        sizes: The sizes to measure, ascending; the last two tell how cost grows.
        small: The sizes that show in seconds that it runs and grows as it should.
        prepare: Makes the inputs.
        work: The job.
        floor: The same bytes with the least code; None where only memory or growth is looked at.
        most_ratio: What the job may cost at most, as a multiple of the floor.
        most_growth: How much more a unit may cost at most at the last size than at the one before;
            None where cost is not meant to follow the size.
        most_peak_mib: What the job may need at most beyond the interpreter with its imports.
        rounds: How often job and floor are repeated, in turn.
    """

    name: str
    sizes: tuple[int, ...]
    small: tuple[int, ...]
    prepare: Prepare
    work: Run
    floor: Run | None = None
    unit: str = "image"
    most_ratio: float | None = None
    most_growth: float | None = 1.2
    most_peak_mib: float | None = None
    rounds: int = 5


def load_benchmarks(file: Path) -> tuple[Benchmark, ...]:
    """The benchmarks that a file lists.

    Raises:
        TypeError: It lists none.
    """
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise TypeError(f"{str(file)!r} cannot be imported; give a Python file")
    # Processes that a benchmark starts import it by name.
    sys.path.append(str(file.parent))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found = vars(module).get("BENCHMARKS")
    if not isinstance(found, tuple) or not all(isinstance(item, Benchmark) for item in found):
        raise TypeError(f"{str(file)!r} has no tuple BENCHMARKS; list its benchmarks there")
    return found


def load_benchmark(file: Path, name: str) -> Benchmark:
    """The benchmark of a file that has a name."""
    (found,) = (benchmark for benchmark in load_benchmarks(file) if benchmark.name == name)
    return found
