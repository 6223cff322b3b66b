"""Real filesystems in a file: their power is cut by shutting them down under a running job.

A layered filesystem (an overlay, say, or NTFS in a file) lies over such a one, which is what is
shut down. Needs root, ``mount`` with loop devices, and the programs that make or mount the
filesystem.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from faults.draws import seeded
from faults.jobs import Durability, Job
from faults.places import Templates
from faults.shim import UnavailableError
from faults.sweeps import KILLED, Sweep, chosen, count_calls, run_armed
from faults.verdicts import States, judge, judge_detected, judge_repeat, reference_states

Flush: TypeAlias = Literal["journal flushed", "journal not flushed"]

FLUSHES: tuple[Flush, ...] = ("journal flushed", "journal not flushed")
_SHUTDOWN: Final = 0x8004587D  # EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are the same number
_FLAGS: Final = {"journal flushed": 1, "journal not flushed": 2}
_SECONDS_TO_LET_GO: Final = 30.0
_LAYER_FILE: Final = "layer"
_LAYER_BYTES: Final = 48 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Filesystem:
    """A filesystem to try.

    Attributes:
        make: The command that makes it in a file, whose name comes last.
        size_bytes: Of that file.
        layer: The command that mounts a layer over a folder, if there is one.
        make_layer: The command that makes such a layer in a file, whose name comes last; empty
            where it lies over the folder itself.
        is_lasting: Whether what it acknowledges outlasts a cut; if not, all that is asked is that
            nothing wrong is read.
    """

    make: tuple[str, ...] = ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0")
    size_bytes: int = 48 * 2**20
    layer: Callable[[Path, Path], tuple[str, ...]] | None = None
    make_layer: tuple[str, ...] = ()
    is_lasting: bool = True


def _overlay(*command: str) -> Callable[[Path, Path], tuple[str, ...]]:
    def mount(below: Path, top: Path) -> tuple[str, ...]:
        for name in ("lower", "upper", "work"):
            (below / name).mkdir(exist_ok=True)
        folders = f"lowerdir={below}/lower,upperdir={below}/upper,workdir={below}/work"
        return (*command, "-o", folders, str(top))

    return mount


def _in_a_file(*command: str) -> Callable[[Path, Path], tuple[str, ...]]:
    return lambda below, top: (*command, str(below / _LAYER_FILE), str(top))


FILESYSTEMS: Final = {
    "ext4": Filesystem(),
    # The smallest that mkfs.xfs makes.
    "xfs": Filesystem(make=("mkfs.xfs", "-q", "-f"), size_bytes=304 * 2**20),
    "overlay": Filesystem(layer=_overlay("mount", "-t", "overlay", "overlay")),
    "fuse-overlayfs": Filesystem(layer=_overlay("fuse-overlayfs")),
    # It does not pass on the flush of a folder.
    "bindfs": Filesystem(
        layer=lambda below, top: ("bindfs", str(below), str(top)), is_lasting=False
    ),
    "ntfs-3g": Filesystem(
        size_bytes=128 * 2**20,
        layer=_in_a_file("ntfs-3g"),
        make_layer=("mkntfs", "--quick", "--quiet", "--force"),
    ),
    "exfat": Filesystem(
        size_bytes=128 * 2**20,
        layer=_in_a_file("mount", "-t", "exfat-fuse", "-o", "loop"),
        make_layer=("mkfs.exfat",),
    ),
}


def require_filesystem(name: str) -> None:
    """Refuse where such a filesystem cannot be mounted.

    Raises:
        UnavailableError: The message says what is missing.
    """
    require_root()
    kind = FILESYSTEMS[name]
    programs = [kind.make[0], *kind.make_layer[:1]]
    if kind.layer is not None:
        programs.append(kind.layer(Path(), Path())[0])
    for program in programs:
        if shutil.which(program, path=_path()) is None:
            raise UnavailableError(f"{program} is not installed")
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
    """One of `FILESYSTEMS` in a file, copied from a prepared one in a folder for each trial.

    Attributes:
        top: Where to work: the filesystem, or the layer over it.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._kind = FILESYSTEMS[name]
        self._base = folder / f"{name}.base"
        self._image = folder / f"{name}.image"
        self._below = folder / f"{name}.mounted"
        self.top = self._below if self._kind.layer is None else folder / f"{name}.layer"
        for mount_point in {self._below, self.top}:
            mount_point.mkdir(parents=True, exist_ok=True)
        with self._base.open("wb") as file:
            file.truncate(self._kind.size_bytes)
        _run(*self._kind.make, str(self._base))
        if self._kind.make_layer:
            with self._mounted(self._base, layered=False):
                layer = self._below / _LAYER_FILE
                with layer.open("wb") as file:
                    file.truncate(_LAYER_BYTES)
                _run(*self._kind.make_layer, str(layer))

    def prepare(self, templates: Templates, job: Job) -> None:
        """Put the dataset that a job starts from on the prepared filesystem."""
        with self._mounted(self._base):
            templates.copy(job.template, self.top / "trial")

    @contextmanager
    def trial(self) -> Iterator[None]:
        """A fresh copy, mounted for the block."""
        _run("cp", "--sparse=always", str(self._base), str(self._image))
        with self._mounted(self._image):
            yield

    def cut_power(self, flush: Flush) -> None:
        """Shut the filesystem down as it is, and mount it again."""
        folder = os.open(self._below, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, _SHUTDOWN, struct.pack("I", _FLAGS[flush]))
        finally:
            os.close(folder)
        self._unmount()
        self._mount(self._image)

    @contextmanager
    def _mounted(self, image: Path, *, layered: bool = True) -> Iterator[None]:
        try:
            self._mount(image, layered=layered)
            yield
        finally:
            self._unmount()

    def _mount(self, image: Path, *, layered: bool = True) -> None:
        _run("mount", "-o", "loop", str(image), str(self._below))
        if layered and self._kind.layer is not None:
            _run(*self._kind.layer(self._below, self.top))

    def _unmount(self) -> None:
        for mount_point in dict.fromkeys((self.top, self._below)):
            _unmount(mount_point)


def sweep_disk(
    filesystem: str,
    jobs: Iterable[Job],
    templates: Templates,
    root: Path,
    *,
    durability: Durability,
    points: int,
    seed: int,
) -> Iterator[Sweep]:
    """Cut the power of one of `FILESYSTEMS` at `points` calls of each job at most, in each way.

    Raises:
        UnavailableError: It cannot be mounted here.
    """
    require_filesystem(filesystem)
    is_promised = durability != "none" and FILESYSTEMS[filesystem].is_lasting
    disk = LoopDisk(filesystem, root)
    for job in jobs:
        disk.prepare(templates, job)
        with disk.trial():
            calls = count_calls(job, templates, disk.top / "trial", durability)
        states = reference_states(job, templates, root / "reference", durability)
        for flush in FLUSHES:
            name = f"power cut, {durability}, {filesystem}, {flush}"
            done = Sweep(job=job.name, fault=name, calls=calls)
            # One more than there are: the cut after everything was acknowledged.
            for at in chosen(calls + 1, points, seeded(seed, job.name, name)):
                done.tried += 1
                with disk.trial():
                    wrong = _try(
                        disk,
                        job,
                        templates,
                        states,
                        durability,
                        flush,
                        at,
                        is_promised=is_promised,
                    )
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
    *,
    is_promised: bool,
) -> list[str]:
    place = templates.place(disk.top / "trial")
    end, acknowledged = run_armed(job, place, KILLED, at, durability)
    if end.error or end.hung:
        return [end.error or "it hangs"]
    disk.cut_power(flush)
    reached = len(states.steps) - 1 if end.value is not None else acknowledged
    if not is_promised:
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


def _unmount(top: Path) -> None:
    """Unmount what is mounted at a folder, if anything is.

    The process behind a layer may end a moment after its folder is free, and holds what is below.
    """
    give_up = time.monotonic() + _SECONDS_TO_LET_GO
    while _is_mounted(top):
        try:
            _run("umount", str(top))
        except RuntimeError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.02)


def _is_mounted(top: Path) -> bool:
    # Not by looking at the folder itself: one that was shut down answers with an error.
    mounted = Path("/proc/self/mounts").read_text(encoding="utf-8")
    return any(line.split()[1] == str(top) for line in mounted.splitlines())


def _run(*command: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run(
        command, env=env | {"PATH": _path()}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
