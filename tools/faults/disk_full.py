"""A filesystem that is really full: each job on one with a little less room than it needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from faults.draws import seeded
from faults.forks import in_child
from faults.jobs import Job
from faults.loop_disk import grow, require_root, small_filesystem
from faults.places import Place, Templates
from faults.sweeps import CLEAR_ERRORS, NO_FAULT, Sweep, run_armed
from faults.verdicts import judge, judge_repeat, reference_states

_PAGE = 4096
_ENOUGH = 64 * 2**20


def sweep_sizes(
    jobs: Iterable[Job], templates: Templates, root: Path, *, points: int, seed: int
) -> Iterator[Sweep]:
    """Run each job on filesystems of `points` sizes between what is there and what is needed.

    Raises:
        UnavailableError: Nothing can be mounted here.
    """
    require_root()
    for job in jobs:
        states = reference_states(job, templates, root / "reference")
        place = templates.copy(job.template, root / "reference")
        least = _used_bytes(place.root)
        # A job that removes things needs some room all the same.
        most = max(_used_after(place, job), least + 16 * _PAGE)
        done = Sweep(job=job.name, fault="disk full", calls=(most - least) // _PAGE)
        draw = seeded(seed, job.name, "disk full")
        top = root / "small"
        for _ in range(points):
            size = draw.randrange(least // _PAGE, most // _PAGE + 2) * _PAGE
            with small_filesystem(top, size_bytes=size + 2 * _PAGE):
                place = templates.copy(job.template, top / "trial")
                end, acknowledged = run_armed(job, place, NO_FAULT, 0)
                wrong = []
                if end.hung or end.killed_by:
                    wrong = ["it hangs or dies"]
                elif end.error and not CLEAR_ERRORS.intersection(end.kind):
                    wrong = [f"no clear error: {end.error}"]
                reached = len(states.steps) - 1 if end.value is not None else acknowledged
                wrong += judge(place, states, acknowledged=reached)
                grow(top, size_bytes=_ENOUGH)
                wrong += judge_repeat(place, job, states)
            done.tried += 1
            done.violations += [f"{job.name} with {size} bytes: {text}" for text in wrong]
        yield done


def _used_after(place: Place, job: Job) -> int:
    """How many bytes a job's place takes up once it is done."""

    def work() -> int:
        for _ in job.steps(place, "batch"):
            pass
        return _used_bytes(place.root)

    end = in_child(work)
    if end.value is None:
        raise RuntimeError(f"{job.name} fails without any fault:\n{end.error}")
    return end.value


def _used_bytes(folder: Path) -> int:
    """What files and folders below a folder take up in pages of 4 KiB."""
    return sum(-(-path.lstat().st_size // 4096) * 4096 + 4096 for path in folder.rglob("*"))
