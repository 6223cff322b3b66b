"""Real filesystems in a file: their power is cut by shutting them down under a running job.

Needs root, ``mount`` with loop devices, and ``mkfs`` of the filesystem.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal, TypeAlias

from faults.draws import seeded
from faults.jobs import Durability, Job
from faults.places import Templates
from faults.shim import UnavailableError
from faults.sweeps import KILLED, Sweep, chosen, count_calls, run_armed
from faults.verdicts import States, judge, judge_detected, judge_repeat, reference_states

Filesystem: TypeAlias = Literal["ext4", "xfs"]
Flush: TypeAlias = Literal["journal flushed", "journal not flushed"]

FLUSHES: tuple[Flush, ...] = ("journal flushed", "journal not flushed")
_SHUTDOWN: Final = 0x8004587D  # EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are the same number
_FLAGS: Final = {"journal flushed": 1, "journal not flushed": 2}
_SIZES: Final = {"ext4": 48 * 2**20, "xfs": 304 * 2**20}  # the smallest that mkfs.xfs makes
_MAKE: Final = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
}


def require_filesystem(kind: Filesystem) -> None:
    """Refuse where such a filesystem cannot be mounted.

    Raises:
        UnavailableError: The message says what is missing.
    """
    require_root()
    if shutil.which(_MAKE[kind][0], path=_path()) is None:
        raise UnavailableError(f"{_MAKE[kind][0]} is not installed")
    if not Path("/dev/loop-control").exists():
        raise UnavailableError("there are no loop devices")


def require_root() -> None:
    """Refuse where nothing can be mounted.

    Raises:
        UnavailableError: The message says what is missing.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        raise UnavailableError("mounting needs Linux and root")


class LoopDisk:
    """A filesystem in a file, copied from a prepared one for each trial.

    Args:
        kind: Which filesystem.
        folder: Where the files and the mount point lie.
    """

    def __init__(self, kind: Filesystem, folder: Path) -> None:
        self._base = folder / f"{kind}.base"
        self._image = folder / f"{kind}.image"
        self.top = folder / f"{kind}.mounted"
        self.top.mkdir(parents=True, exist_ok=True)
        with self._base.open("wb") as file:
            file.truncate(_SIZES[kind])
        _run(*_MAKE[kind], str(self._base))

    def prepare(self, templates: Templates, job: Job) -> None:
        """Put the dataset that a job starts from on the prepared filesystem."""
        with _mounted(self._base, self.top):
            templates.copy(job.template, self.top / "trial")

    @contextmanager
    def trial(self) -> Iterator[None]:
        """A fresh copy, mounted for the block."""
        _run("cp", "--sparse=always", str(self._base), str(self._image))
        try:
            _run("mount", "-o", "loop", str(self._image), str(self.top))
            yield
        finally:
            _unmount(self.top)

    def cut_power(self, flush: Flush) -> None:
        """Shut the filesystem down as it is, and mount it again."""
        folder = os.open(self.top, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _FLAGS[flush]))
        finally:
            os.close(folder)
        _unmount(self.top)
        _run("mount", "-o", "loop", str(self._image), str(self.top))


def sweep_disk(
    kind: Filesystem,
    jobs: Iterable[Job],
    templates: Templates,
    root: Path,
    *,
    durability: Durability,
    points: int,
    seed: int,
) -> Iterator[Sweep]:
    """Cut the power of a mounted filesystem at some calls of each job.

    Args:
        kind: Which filesystem.
        jobs: The jobs.
        templates: The datasets to start from.
        root: The folder to work in.
        durability: How datasets are opened.
        points: At how many calls of a job, at most, for each way of cutting.
        seed: Of the random numbers.

    Raises:
        UnavailableError: It cannot be mounted here.
    """
    require_filesystem(kind)
    disk = LoopDisk(kind, root)
    for job in jobs:
        calls = count_calls(job, templates, root / "reference")
        disk.prepare(templates, job)
        states = reference_states(job, templates, root / "reference", durability)
        for flush in FLUSHES:
            name = f"power cut, {durability}, {kind}, {flush}"
            done = Sweep(job=job.name, fault=name, calls=calls)
            # One more than there are: the cut after everything was acknowledged.
            for at in chosen(calls + 1, points, seeded(seed, job.name, name)):
                done.tried += 1
                with disk.trial():
                    wrong = _try(disk, job, templates, states, durability, flush, at)
                done.violations += [f"{job.name}, {name} at call {at}: {w}" for w in wrong]
            yield done


def _try(
    disk: LoopDisk,
    job: Job,
    templates: Templates,
    states: States,
    durability: Durability,
    flush: Flush,
    at: int,
) -> list[str]:
    place = templates.place(disk.top / "trial")
    end, acknowledged = run_armed(job, place, KILLED, at, durability)
    if end.error or end.hung:
        return [end.error or "it hangs"]
    disk.cut_power(flush)
    reached = len(states.steps) - 1 if end.value is not None else acknowledged
    if durability == "none":
        return judge_detected(place, job, states, acknowledged=reached)
    return judge(place, states, acknowledged=reached) + judge_repeat(
        place, job, states, durability=durability
    )


@contextmanager
def small_filesystem(folder: Path, *, size_bytes: int) -> Iterator[None]:
    """A filesystem in memory of exactly this size, mounted for the block."""
    folder.mkdir(parents=True, exist_ok=True)
    _run("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder))
    try:
        yield
    finally:
        _unmount(folder)


def grow(folder: Path, *, size_bytes: int) -> None:
    """Make room on a `small_filesystem`."""
    _run("mount", "-o", f"remount,size={size_bytes}", str(folder))


@contextmanager
def _mounted(image: Path, top: Path) -> Iterator[None]:
    _run("mount", "-o", "loop", str(image), str(top))
    try:
        yield
    finally:
        _unmount(top)


def _unmount(top: Path) -> None:
    # Not by looking at the folder itself: one that was shut down answers with an error.
    mounted = Path("/proc/self/mounts").read_text(encoding="utf-8")
    if any(line.split()[1] == str(top) for line in mounted.splitlines()):
        _run("umount", str(top))


def _run(*command: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(
        command, env=env | {"PATH": _path()}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
