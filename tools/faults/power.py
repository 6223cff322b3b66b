"""Power cuts at every call, worked out from a log: no root, no second filesystem, no luck needed.

A job runs once while all its changes are logged. Then each moment of that run is looked at: what
would be on the disk had the power gone then (`disk_model`), and does that keep the promises?
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from faults.disk_model import Change, Disk, Loss, read_log
from faults.draws import seeded
from faults.forks import in_child
from faults.jobs import Durability, Job
from faults.places import Place, Templates
from faults.shim import allow_syncfs, arm, disarm, log_to, mark
from faults.sweeps import Sweep, chosen
from faults.verdicts import States, judge, judge_detected, judge_repeat, reference_states

_LOSSES: tuple[Loss, ...] = ("most", "data", "random")
_ACKNOWLEDGED = "acknowledged"


def sweep_cuts(
    jobs: Iterable[Job],
    templates: Templates,
    root: Path,
    *,
    durability: Durability,
    points: int,
    seed: int,
) -> Iterator[Sweep]:
    """Cut the power at `points` moments of each job at most, in each way."""
    for job in jobs:
        states = reference_states(job, templates, root, durability)
        log = logged_run(job, templates, root, durability)
        for loss in _LOSSES:
            draw = seeded(seed, job.name, durability, loss)
            moments = chosen(len(log), points, draw)
            yield _sweep(job, durability, loss, log, moments, templates, root, states, draw)


def logged_run(
    job: Job,
    templates: Templates,
    root: Path,
    durability: Durability = "batch",
    *,
    has_syncfs: bool = True,
) -> list[Change]:
    """All changes of an undisturbed run, on a system that may have no ``syncfs``."""
    place = templates.copy(job.template, root)
    file = root / "log"

    def work() -> None:
        log = os.open(file, os.O_WRONLY | os.O_CREAT)
        arm(place.work, at=0)
        log_to(log)
        allow_syncfs(has_syncfs)
        for _ in job.steps(place, durability):
            mark(_ACKNOWLEDGED)
        log_to(-1)
        allow_syncfs(True)
        disarm()

    end = in_child(work)
    if end.error or end.killed_by or end.hung:
        raise RuntimeError(f"{job.name} fails without any fault:\n{end.error}")
    with file.open("rb") as stream:
        return list(read_log(stream))


def _sweep(
    job: Job,
    durability: Durability,
    loss: Loss,
    log: Sequence[Change],
    moments: Iterable[int],
    templates: Templates,
    root: Path,
    states: States,
    draw: random.Random,
) -> Sweep:
    done = Sweep(job=job.name, fault=f"power cut, {durability}, loses {loss}", calls=len(log))
    disk = Disk(templates.copy(job.template, root).work)
    acknowledged = 0
    applied = 0
    for moment in moments:
        for change in log[applied:moment]:
            disk.apply(change)
            acknowledged += change.what == "MARK" and change.path == _ACKNOWLEDGED
        applied = moment
        done.tried += 1
        place = write_out(disk, templates, root, loss, draw)
        if durability == "none":
            wrong = judge_detected(place, job, states, acknowledged=acknowledged)
        else:
            wrong = judge(place, states, acknowledged=acknowledged)
            wrong += judge_repeat(place, job, states, durability=durability)
        done.violations += [f"{job.name}, {done.fault}, after call {moment}: {w}" for w in wrong]
    return done


def write_out(
    disk: Disk, templates: Templates, root: Path, loss: Loss, draw: random.Random
) -> Place:
    """A place with what a cut now would leave."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    place = templates.place(root)
    disk.write_out(place.work, loss, draw)
    return place
