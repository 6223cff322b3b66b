"""What was measured, as a table, as JSON, against an earlier run, and against what may be."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench_job import Benchmark

_MIB = 2**20
_VERSION = 1
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
    """Sum up what was measured at one size.

    Args:
        benchmark: The benchmark.
        file: Its file.
        size: The size.
        taken: Seconds by ``"work"`` and ``"floor"``.
        smaller: The result at the next smaller size.
        peak: Peak memory in bytes.
        last: Whether this is the largest size, which the targets are for.
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


def write_report(path: Path, results: Iterable[Result], facts: Mapping[str, Any]) -> None:
    """Store results with what is known of the machine."""
    document = {
        "version": _VERSION,
        **facts,
        "results": [asdict(one) for one in results],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def read_report(path: Path) -> list[Result]:
    """The results of an earlier run.

    Raises:
        ValueError: The file is not a report of this version.
    """
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise ValueError(f"{str(path)!r} is not a report of version {_VERSION}; measure again")
    return [Result(**{**item, "spread": tuple(item["spread"])}) for item in document["results"]]


def compare(old: Iterable[Result], new: Iterable[Result]) -> Iterator[str]:
    """What changed since an earlier run: a line for each benchmark and size that both have."""
    before = {(one.file, one.name, one.size): one for one in old}
    for one in new:
        then = before.get((one.file, one.name, one.size))
        if then is None:
            continue
        parts = [f"{then.unit_us:,.2f} -> {one.unit_us:,.2f} us each"]
        if then.ratio is not None and one.ratio is not None:
            # Two runs share no rounds: a change counts where the quartiles part.
            apart = one.spread[0] > then.spread[1] or one.spread[1] < then.spread[0]
            change = f"{100 * (one.ratio / then.ratio - 1):+.0f} %"
            parts.append(
                f"ratio {then.ratio:.2f} -> {one.ratio:.2f} ({change if apart else 'noise'})"
            )
        if then.peak_mib is not None and one.peak_mib is not None:
            parts.append(f"memory {then.peak_mib:.0f} -> {one.peak_mib:.0f} MiB")
        yield f"{one.name} at {one.size:,d}: {', '.join(parts)}"
