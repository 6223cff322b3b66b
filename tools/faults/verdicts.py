"""Whether a dataset kept its promises after something happened to it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from faults.forks import in_child
from faults.jobs import Durability, Job
from faults.places import Place, Templates
from faults.snapshots import Snapshot, differences, image_of, read_what_can_be, take_snapshot
from kymflow_zarr import CorruptDataError, ImageNotFoundError, NotADatasetError, ZarrDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """What a place holds at each step of a job that nothing happens to.

    Attributes:
        steps: Before it, after each acknowledged step, and at its end.
        repaired: After a repair.
        names: What the images that there were before it are called, by id.
    """

    steps: tuple[Snapshot, ...]
    repaired: Snapshot
    names: Mapping[str, str]


def run_job(job: Job, place: Place, durability: Durability = "batch") -> None:
    """Do all steps of a job."""
    for _ in job.steps(place, durability):
        pass


def reference_states(
    job: Job, templates: Templates, root: Path, durability: Durability = "batch"
) -> States:
    """Run a job undisturbed, and look after each step.

    Raises:
        RuntimeError: It fails already without a fault.
    """
    place = templates.copy(job.template, root)

    def work() -> States:
        names = _names_of(place)
        steps = [take_snapshot(place)]
        for _ in job.steps(place, durability):
            steps.append(take_snapshot(place))  # noqa: PERF401 - the job continues in between
        steps.append(take_snapshot(place))
        ZarrDataset(place.dataset, "r+").repair()
        _require_clean(place)
        return States(steps=tuple(steps), repaired=take_snapshot(place), names=names)

    end = in_child(work)
    if end.value is None:
        raise RuntimeError(f"{job.name} fails without any fault:\n{end.error}")
    return end.value


def judge(place: Place, states: States, *, acknowledged: int) -> list[str]:
    """What is wrong with a place in which a job was cut off; nothing is changed."""
    end = in_child(lambda: _judge(place, states, acknowledged))
    if end.value is None:
        return [_how_it_ended(end.error, hung=end.hung)]
    return end.value


def judge_repeat(
    place: Place, job: Job, states: States, *, durability: Durability = "batch"
) -> list[str]:
    """What is wrong after the job was run again, and then after a repair."""
    end = in_child(lambda: _judge_repeat(place, job, states, durability))
    if end.value is None:
        return [f"repeated: {_how_it_ended(end.error, hung=end.hung)}"]
    return end.value


def judge_detected(place: Place, job: Job, states: States, *, acknowledged: int) -> list[str]:
    """What is wrong with a place where nothing was promised to outlast the cut.

    Whatever is read must be what some state held, or an error that names what is damaged; a check
    must find that; and when all that it names is removed, the job must complete.
    """
    end = in_child(lambda: _judge_detected(place, job, states, acknowledged))
    if end.value is None:
        return [_how_it_ended(end.error, hung=end.hung)]
    return end.value


def _judge(place: Place, states: States, acknowledged: int) -> list[str]:
    before = states.steps[acknowledged]
    after = states.steps[min(acknowledged + 1, len(states.steps) - 1)]
    wrong = differences(take_snapshot(place), before, after)
    try:
        dataset = ZarrDataset(place.dataset, "r")
    except NotADatasetError:
        return wrong
    for problem in dataset.check(deep=True):
        if not problem.repairable:
            wrong.append(f"check: {problem.kind} {problem.location}: {problem.message}")
    return wrong


def _judge_repeat(place: Place, job: Job, states: States, durability: Durability) -> list[str]:
    run_job(job, place, durability)
    final, repaired = states.steps[-1], states.repaired
    wrong = [f"repeated: {text}" for text in differences(take_snapshot(place), final, final)]
    ZarrDataset(place.dataset, "r+").repair()
    wrong += [f"repaired: {text}" for text in differences(take_snapshot(place), repaired, repaired)]
    _require_clean(place)
    return wrong


def _judge_detected(place: Place, job: Job, states: States, acknowledged: int) -> list[str]:
    try:
        dataset = ZarrDataset(place.dataset, "r+")
    except CorruptDataError:
        return []  # refused: nothing of it is read
    except NotADatasetError:
        # Its root document is lost, and with it the dataset: a person removes what is left.
        shutil.rmtree(place.dataset, ignore_errors=True)
        return _judge_removed(place, job)
    seen, damaged = read_what_can_be(dataset, states.names)
    held: dict[str, set[str]] = {}
    for state in states.steps[: acknowledged + 2]:
        for thing, value in state.items():
            held.setdefault(thing, set()).add(value)
    wrong = [
        f"{thing} is read as {value}, which it never was"
        for thing, value in seen.items()
        if value not in held.get(thing, ())
    ]
    found = dataset.check(deep=True)
    if damaged and not found:
        wrong.append(f"check finds nothing, but reading names {sorted(damaged)[:3]}")
    for problem in found:
        if problem.repairable:
            continue
        kind, name, *_ = problem.location.split("/")
        if kind == "images":
            try:
                dataset.delete_image(name)
            except ImageNotFoundError:
                # Its commit document is lost: the store knows of no image. A person removes it.
                shutil.rmtree(place.dataset / "images" / name, ignore_errors=True)
        elif kind == "tables":
            dataset.delete_table(problem.location.removeprefix("tables/").removesuffix(".parquet"))
        else:
            wrong.append(f"check names {problem.location}, which nothing can remove")
    return wrong + _judge_removed(place, job)


def _names_of(place: Place) -> dict[str, str]:
    try:
        dataset = ZarrDataset(place.dataset, "r")
    except NotADatasetError:
        return {}
    return {record.image_id: image_of(record) for record in dataset.iter_records()}


def _judge_removed(place: Place, job: Job) -> list[str]:
    run_job(job, place)
    ZarrDataset(place.dataset, "r+").repair()
    _require_clean(place)
    return []


def _require_clean(place: Place) -> None:
    problems = ZarrDataset(place.dataset, "r").check(deep=True)
    if problems:
        raise AssertionError(f"after a repair: {problems}")


def _how_it_ended(error: str, *, hung: bool) -> str:
    return "it hangs" if hung else error.strip() or "the process died"
