"""Killed, or refused by the system, at every n-th call that changes a file."""

from __future__ import annotations

import errno
import random
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from faults.draws import seeded
from faults.forks import Counter, End, in_child
from faults.jobs import Durability, Job
from faults.places import Place, Templates
from faults.shim import KILL, SHORT_WRITE, arm, count, disarm
from faults.verdicts import States, judge, judge_repeat, reference_states


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens at one call.

    Attributes:
        name: What it is called in the report.
        number: `KILL`, `SHORT_WRITE` or an ``errno``.
        sticky: Whether all later calls fail, too.
        harmless: Whether the job must continue as if nothing had happened.
    """

    name: str
    number: int
    sticky: bool = False
    harmless: bool = False


CLEAR_ERRORS = frozenset({"OSError", "KymflowZarrError", "KymflowCoreError"})
KILLED = Fault(name="kill", number=KILL)
NO_FAULT = Fault(name="none", number=KILL)
ERRORS = (
    Fault(name="ENOSPC", number=errno.ENOSPC),
    Fault(name="ENOSPC for good", number=errno.ENOSPC, sticky=True),
    Fault(name="EIO", number=errno.EIO),
    Fault(name="EIO for good", number=errno.EIO, sticky=True),
    Fault(name="EINTR", number=errno.EINTR, harmless=True),
    Fault(name="short write", number=SHORT_WRITE, harmless=True),
)


@dataclass(slots=True, kw_only=True)
class Sweep:
    """The result of one job and one kind of fault.

    Attributes:
        job: The job's name.
        fault: The fault's name.
        calls: How many file-changing calls the job makes.
        tried: At how many of them the fault happened.
        violations: What promise was broken at which call.
    """

    job: str
    fault: str
    calls: int = 0
    tried: int = 0
    violations: list[str] = field(default_factory=list)


def sweep(
    jobs: Iterable[Job],
    faults: Iterable[Fault],
    templates: Templates,
    root: Path,
    *,
    points: int,
    seed: int,
) -> Iterator[Sweep]:
    """Try each fault at `points` calls of each job at most, see `chosen`."""
    kinds = list(faults)
    for job in jobs:
        states = reference_states(job, templates, root)
        calls = count_calls(job, templates, root)
        for kind in kinds:
            done = Sweep(job=job.name, fault=kind.name, calls=calls)
            for at in chosen(calls, points, seeded(seed, job.name, kind.name)):
                done.tried += 1
                done.violations += [
                    f"{job.name}, {kind.name} at call {at}: {text}"
                    for text in _try(job, kind, templates, root, states, at, is_last=at == calls)
                ]
            yield done


def count_calls(
    job: Job, templates: Templates, root: Path, durability: Durability = "batch"
) -> int:
    """How many file-changing calls an undisturbed run makes."""
    place = templates.copy(job.template, root)
    end, _ = run_armed(job, place, NO_FAULT, 0, durability)
    if end.value is None:
        raise RuntimeError(f"{job.name} fails without any fault:\n{end.error}")
    return end.value


def chosen(calls: int, points: int, draw: random.Random) -> list[int]:
    """Some of the calls, in order: the first, the last, and others at random, or one of these."""
    if calls <= points:
        return list(range(1, calls + 1))
    ends = [1, calls] if points > 1 else []
    return sorted([*ends, *draw.sample(range(2, calls), points - len(ends))])


def _try(
    job: Job,
    fault: Fault,
    templates: Templates,
    root: Path,
    states: States,
    at: int,
    *,
    is_last: bool,
) -> list[str]:
    place = templates.copy(job.template, root)
    end, acknowledged = run_armed(job, place, fault, at)
    finished = end.value is not None
    # A run may need a call less than the one that was counted: some are made only if a clock ticks.
    wrong = [] if is_last and finished else _judge_end(end, fault)
    reached = len(states.steps) - 1 if finished else acknowledged
    wrong += judge(place, states, acknowledged=reached)
    return wrong + judge_repeat(place, job, states)


def _judge_end(end: End[int], fault: Fault) -> list[str]:
    """Whether the run that the fault happened to ended as it should."""
    if end.hung:
        return ["it hangs"]
    if fault.number == KILL:
        return [] if end.killed_by == signal.SIGKILL else [f"it was not killed: {end.error}"]
    if end.killed_by:
        return [f"it died of signal {end.killed_by}"]
    if end.error and fault.harmless:
        return [f"it failed: {end.error}"]
    if end.error and not CLEAR_ERRORS.intersection(end.kind):
        return [f"no clear error: {end.error}"]
    return []


def run_armed(
    job: Job,
    place: Place,
    fault: Fault,
    at: int,
    durability: Durability = "batch",
    *,
    timeout_s: float = 300.0,
) -> tuple[End[int], int]:
    """Run a job with a fault ahead; how it ended, and how many steps were acknowledged."""
    acknowledged = Counter()
    steps = job.steps(place, durability)

    def work() -> int:
        arm(place.work, at=at, fault=fault.number, sticky=fault.sticky)
        for _ in steps:
            acknowledged.value += 1
        calls = count()
        disarm()
        return calls

    return in_child(work, timeout_s=timeout_s), acknowledged.value
