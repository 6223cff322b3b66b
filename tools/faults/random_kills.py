"""Jobs and the command, in separate processes, killed at random times; then run again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile

from faults.commands import Command, start
from faults.draws import seeded
from faults.jobs import Job
from faults.places import Place, Templates
from faults.sweeps import NO_FAULT, run_armed
from faults.verdicts import judge, judge_repeat, reference_states
from kymflow_zarr import NotADatasetError, ZarrDataset

_FILES = 60


def kill_job(
    job: Job, templates: Templates, root: Path, *, trials: int, seed: int
) -> tuple[int, list[str]]:
    """Kill a job at random times.

    Returns:
        How often it was killed before it was done, and what was wrong afterwards.
    """
    place = templates.copy(job.template, root)
    whole_s = _seconds(lambda: run_armed(job, place, NO_FAULT, 0))
    draw = seeded(seed, "random kills", job.name)

    def attempt(place: Place) -> tuple[bool, int]:
        # A child that takes longer is killed.
        timeout_s = draw.random() * whole_s
        end, acknowledged = run_armed(job, place, NO_FAULT, 0, timeout_s=timeout_s)
        return end.hung, acknowledged

    return _kill(job.name, job, templates, root, trials=trials, attempt=attempt)


def kill_command(
    command: Command, templates: Templates, root: Path, *, trials: int, seed: int
) -> tuple[int, list[str]]:
    """Kill a command at random times; returns what `kill_job` does."""
    place = templates.copy(command.job.template, root)
    whole_s = _seconds(lambda: start(command.words(place)).communicate())
    draw = seeded(seed, "random kills", command.name)

    def attempt(place: Place) -> tuple[bool, int]:
        process = start(command.words(place))
        # Most of the time goes into starting: late kills meet it at work.
        _kill_after(draw.uniform(0.6, 1.0) * whole_s, process)
        return process.returncode == -signal.SIGKILL, int(process.returncode == 0)

    return _kill(command.name, command.job, templates, root, trials=trials, attempt=attempt)


def _kill(
    name: str,
    job: Job,
    templates: Templates,
    root: Path,
    *,
    trials: int,
    attempt: Callable[[Place], tuple[bool, int]],
) -> tuple[int, list[str]]:
    """Judge what is left of a job after each attempt, which says: killed, steps acknowledged."""
    states = reference_states(job, templates, root)
    wrong: list[str] = []
    killed = 0
    for trial in range(trials):
        place = templates.copy(job.template, root)
        hit, acknowledged = attempt(place)
        killed += hit
        found = judge(place, states, acknowledged=acknowledged) or judge_repeat(place, job, states)
        wrong += [f"{name}, random kill {trial}: {text}" for text in found]
    return killed, wrong


def _seconds(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


def kill_ingest(root: Path, *, trials: int, seed: int) -> tuple[int, list[str]]:
    """Kill `kymflow ingest` of many images at random times; returns what `kill_job` does."""
    folder, place = root / "recordings", root / "dataset.zarr"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(_FILES):
        tifffile.imwrite(folder / f"{number}.tif", np.full((200, 64), number, np.uint16))
    whole_s = _seconds(lambda: _start(folder, place, durability="batch").communicate())
    draw = seeded(seed, "random kills")
    wrong: list[str] = []
    killed = 0
    for trial in range(trials):
        _remove(place)
        process = _start(folder, place, durability=draw.choice(["record", "batch", "none"]))
        out = _kill_after(draw.uniform(0.2, 1.0) * whole_s, process)
        killed += process.returncode == -signal.SIGKILL
        reported = out.count(b'"status": "ok"') + out.count(b'"status":"ok"')
        wrong += [f"random kill {trial}: {text}" for text in _judge(folder, place, reported)]
    return killed, wrong


def _judge(folder: Path, place: Path, reported: int) -> list[str]:
    wrong = []
    try:
        dataset = ZarrDataset(place, "r")
        present = len(dataset.list_image_ids())
        bad = [problem for problem in dataset.check(deep=True) if not problem.repairable]
        wrong += [f"check: {problem}" for problem in bad]
    except NotADatasetError:
        present = 0
    if present < reported:
        wrong.append(f"{reported} images were reported as ingested, {present} are there")
    process = _start(folder, place, durability="batch")
    process.communicate()
    if process.returncode:
        return [*wrong, f"the repeated command ended with {process.returncode}"]
    again = ZarrDataset(place)
    values = sorted(int(record.load_array()[0, 0]) for record in again.iter_records())
    if values != list(range(_FILES)):
        wrong.append(f"the repeated command left {len(values)} images: {values}")
    again.repair()
    return wrong + [f"check after a repair: {problem}" for problem in again.check(deep=True)]


def _start(folder: Path, place: Path, *, durability: str) -> subprocess.Popen[bytes]:
    return start(["ingest", folder, place, "--json", "--durability", durability])


def _kill_after(delay_s: float, process: subprocess.Popen[bytes]) -> bytes:
    """Kill a process after a while; what it had said by then."""
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    said, _ = process.communicate()
    return said


def _remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
