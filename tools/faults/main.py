"""Try to break the store, and print how often that worked.

The long form takes about an hour on two cores, whose parts are done side by side; `--count 0.1`
does a tenth of it.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

from faults import shim
from faults.commands import COMMANDS, Command
from faults.corruption import corrupt
from faults.crowd import crowd
from faults.disk_full import sweep_sizes
from faults.forks import in_child, warm_up
from faults.fuzz import fuzz
from faults.guards import GUARDS, guard
from faults.hostile import hostile
from faults.hostile_data import try_changing_files, try_datasets, try_names
from faults.jobs import JOBS, Job, find_jobs
from faults.loop_disk import FILESYSTEMS, sweep_disk
from faults.mutation import mutate
from faults.places import Templates, flowing
from faults.power import sweep_cuts
from faults.properties import PROPERTIES, check_properties
from faults.random_kills import kill_command, kill_ingest, kill_job
from faults.report import Report
from faults.shim import UnavailableError
from faults.sweeps import ERRORS, KILLED, Sweep, sweep
from kymflow.core.analysis.velocity import estimate_velocity

_WORKSPACE = Path(__file__).resolve().parents[2]
_CUT_JOBS = ("ingest", "update_index", "replace_rows", "export", "delete_image", "artifacts")
_WITH_BOMBS = 0.1  # the share of the long form from which input is tried that takes seconds
_MEMORY = Path("/dev/shm")  # noqa: S108 - the names in there are chosen by tempfile


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One run of the harness.

    Attributes:
        folder: The folder to work in.
        templates: The datasets to start from.
        seed: Of all random numbers.
        count: 1 for the long form, less for less of it.
        report: Where results go.
        jobs: What is tried.
        commands: What of it is tried as commands, too.
        safeguard: Part of the names of those to take away.
    """

    folder: Path
    templates: Templates
    seed: int
    count: float
    report: Report
    jobs: tuple[Job, ...] = JOBS
    commands: tuple[Command, ...] = COMMANDS
    safeguard: str = ""

    @property
    def cut_jobs(self) -> tuple[Job, ...]:
        """The jobs whose power is cut in all ways."""
        return tuple(job for job in self.jobs if job.name in _CUT_JOBS)

    def number(self, long: int, *, least: int = 1) -> int:
        """A number of the long form, scaled."""
        return max(least, round(long * self.count))

    def place(self, name: str) -> Path:
        """An empty folder to work in."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path


def main() -> int:
    """Run the harness; 0 if every promise was kept, 1 if not, 2 if it could not run."""
    arguments = _parse()
    wanted: list[str] = arguments.only
    named = arguments.jobs.split(",") if arguments.jobs else None
    jobs = JOBS if named is None else find_jobs(*named)
    commands = tuple(one for one in COMMANDS if named is None or one.name in named)
    report = Report()
    try:
        shim.restart_with_shim()
    except UnavailableError as error:
        report.skipped = {part: str(error) for part in wanted if part not in _WITHOUT_SHIM}
        wanted = [part for part in wanted if part in _WITHOUT_SHIM]
    # What the store has to say about what is done to it is of no interest here.
    logging.disable(logging.WARNING)
    with _scratch(arguments.scratch) as folder:
        templates = Templates(folder / "templates")
        warm_up()
        only_guards = all(part in _GUARDS for part in wanted)
        if not only_guards:  # compiled once, for all children
            estimate_velocity(flowing(0.5), seconds_per_line=None, um_per_pixel=None)
        names = {"full", "empty", *(job.template for job in jobs)} if only_guards else set()
        made = in_child(partial(templates.make, names))
        if made.error:
            raise RuntimeError(made.error)
        run = _Run(
            folder=folder,
            templates=templates,
            seed=arguments.seed,
            count=arguments.count,
            report=report,
            jobs=jobs,
            commands=commands,
            safeguard=arguments.safeguard,
        )
        _do_all(wanted, run, quiet=arguments.json)
    if arguments.json:
        print(json.dumps({"seed": run.seed, "count": run.count, **asdict(report)}, indent=2))
    else:
        print(f"\nseed {run.seed}, count {run.count:g}\n\n{report.table()}")
    return 1 if report.violations else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="hatch run faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers")
    parser.add_argument("--count", type=float, default=1.0, help="1 is the long form")
    parser.add_argument("--only", default="", help=f"some of {','.join(_PARTS)}")
    parser.add_argument(
        "--jobs", default="", help="what is tried, and as a command, too; all if empty"
    )
    parser.add_argument("--safeguard", default="", help="of those to take away, part of the name")
    parser.add_argument("--scratch", type=Path, help="a folder to work in; best one in memory")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    arguments.only = arguments.only.split(",") if arguments.only else list(_PARTS)
    for part in arguments.only:
        if part not in _PARTS and part not in _GUARDS:
            parser.error(f"{part!r} is none of {', '.join(_PARTS)}")
    return arguments


@contextmanager
def _scratch(asked: Path | None) -> Iterator[Path]:
    # Kills lose nothing that was written, and power cuts are modelled or bring their own disk:
    # memory will do, and is fast.
    parent = asked or (_MEMORY if _MEMORY.is_dir() else None)
    with tempfile.TemporaryDirectory(prefix="kymflow-faults-", dir=parent) as name:
        yield Path(name)


def _do_all(parts: Sequence[str], run: _Run, *, quiet: bool) -> None:
    """Do the parts, as many at a time as there are cores, and say what came of each."""
    cores = min(len(parts), os.cpu_count() or 1)
    # Forked, so that all that was imported and compiled is there.
    with ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("fork")) as pool:
        doing = {pool.submit(_do, part, run): part for part in parts}
        for done in as_completed(doing):
            part, error = doing[done], done.exception()
            report = Report() if error else done.result()
            if error:  # what the other parts found must not be lost for it
                report.add(part, "all", 0, [f"{part} could not be done: {error!r}"], 0)
            run.report.extend(report)
            if not quiet:
                print(f"{part}: {report.summary()}", flush=True)


def _do(part: str, run: _Run) -> Report:
    report = Report()
    try:
        (_PARTS | _GUARDS)[part](replace(run, report=report))
    except UnavailableError as error:
        report.skipped[part] = str(error)
    return report


def _add_sweeps(run: _Run, part: str, sweeps: Iterable[Sweep]) -> None:
    """One line per job."""
    begun = time.monotonic()
    lines: dict[str, list[Sweep]] = {}
    seconds: dict[str, float] = {}
    for done in sweeps:
        lines.setdefault(done.job, []).append(done)
        seconds[done.job] = seconds.get(done.job, 0.0) + time.monotonic() - begun
        begun = time.monotonic()
    for job, parts in lines.items():
        run.report.add(
            part,
            job,
            sum(one.tried for one in parts),
            [text for one in parts for text in one.violations],
            seconds[job],
            f"{parts[0].calls} calls",
        )


def _kill(run: _Run) -> None:
    found = sweep(
        run.jobs, [KILLED], run.templates, run.place("kill"), points=run.number(30), seed=run.seed
    )
    _add_sweeps(run, "killed at a call", found)
    part = "killed at a random time"
    for job in run.jobs:
        with run.report.timed(part, job.name) as tally:
            tally.tried, tally.wrong = kill_job(
                job, run.templates, run.place("kill"), trials=run.number(8), seed=run.seed
            )
    with run.report.timed(part, "kymflow ingest") as tally:
        tally.tried, tally.wrong = kill_ingest(
            run.place("kill"), trials=run.number(20), seed=run.seed
        )
    for command in run.commands:
        with run.report.timed(part, f"kymflow {command.name}") as tally:
            tally.tried, tally.wrong = kill_command(
                command, run.templates, run.place("kill"), trials=run.number(8), seed=run.seed
            )


def _errors(run: _Run) -> None:
    found = sweep(
        run.jobs, ERRORS, run.templates, run.place("errors"), points=run.number(4), seed=run.seed
    )
    _add_sweeps(run, "a call fails", found)


def _full(run: _Run) -> None:
    found = sweep_sizes(
        run.jobs, run.templates, run.place("full"), points=run.number(7), seed=run.seed
    )
    _add_sweeps(run, "disk full", found)


def _cuts(run: _Run) -> None:
    for durability in ("batch", "record", "none"):
        found = sweep_cuts(
            run.jobs if durability == "batch" else run.cut_jobs,
            run.templates,
            run.place("cuts"),
            durability=durability,
            points=run.number(7),
            seed=run.seed,
        )
        _add_sweeps(run, f"power cut, modelled, {durability}", found)


def _disk(run: _Run, filesystem: str) -> None:
    for durability in ("batch", "record", "none"):
        found = sweep_disk(
            filesystem,
            run.cut_jobs,
            run.templates,
            run.place(filesystem),
            durability=durability,
            points=run.number(3 if FILESYSTEMS[filesystem].layer else 6),
            seed=run.seed,
        )
        _add_sweeps(run, f"power cut, {filesystem}, {durability}", found)


def _crowd(run: _Run) -> None:
    done = crowd(
        run.place("crowd"),
        writers=8 if run.count >= 0.5 else 3,
        readers=2,
        victims=run.number(5),
        rounds=run.number(5),
        seed=run.seed,
    )
    what = f"{done.processes} processes, {done.killed} more killed"
    run.report.add("crowd", what, done.operations, done.wrong, done.seconds, "tried: operations")


def _corrupt(run: _Run) -> None:
    with run.report.timed("damaged files", "silent") as tally:
        done = corrupt(run.templates, run.place("corrupt"), cases=run.number(2500), seed=run.seed)
        tally.tried, tally.wrong = done.tried, done.silent
        tally.note = (
            f"refused {done.refused}, found by check {done.found}, harmless {done.harmless}, "
            f"plain text {done.editable}"
        )


def _hostile(run: _Run) -> None:
    done = hostile(
        run.place("hostile"),
        good=run.number(200, least=5),
        variants=run.number(7),
        bombs=run.count >= _WITH_BOMBS,
        seed=run.seed,
    )
    note = f"among {done.good} good ones; at most {done.peak_mib} MiB"
    run.report.add("hostile input", "files", done.tried, done.wrong, done.seconds, note)
    root = run.place("hostile")
    for what, tries in (
        (
            "datasets",
            partial(
                try_datasets,
                run.templates,
                root / "datasets",
                every=1 if run.count >= _WITH_BOMBS else 10,
            ),
        ),
        ("names", partial(try_names, root)),
        (
            "files that change",
            partial(try_changing_files, root, files=12, rounds=run.number(10), seed=run.seed),
        ),
    ):
        with run.report.timed("hostile input", what) as tally:
            end = in_child(tries, timeout_s=900)
            tally.tried, tally.wrong = end.value or (0, [end.error or f"{what}: it died or hangs"])


def _mutate(run: _Run) -> None:
    with run.report.timed("safeguards taken away", "not missed") as tally:
        done = mutate(
            run.place("mutate"), _WORKSPACE, seed=run.seed, share=run.count, holding=run.safeguard
        )
        tally.tried, tally.note = done.tried, f"{done.exempt} exempt"
        tally.wrong = [f"no check misses the {name}" for name in done.missed]


def _guard(run: _Run, kind: str) -> None:
    """One violation is enough: this is run for each safeguard that is taken away."""
    with run.report.timed("guard", kind) as tally:
        found = guard(kind, run.templates, run.place(f"guard-{kind}"), seed=run.seed, jobs=run.jobs)
        tally.tried, tally.wrong = 1, list(islice(found, 1))


def _fuzz(run: _Run) -> None:
    with run.report.timed("fuzzing", "damaged inputs") as tally:
        tally.tried, tally.wrong = fuzz(_WORKSPACE, seconds=run.number(400), seed=run.seed)


def _properties(run: _Run, part: str) -> None:
    with run.report.timed("properties", part) as tally:
        tally.tried, tally.wrong, tally.note = check_properties(
            _WORKSPACE, run.place(part), part, examples=run.number(50)
        )


_PARTS: dict[str, Callable[[_Run], None]] = {
    "kill": _kill,
    "mutate": _mutate,
    "errors": _errors,
    "full": _full,
    "cuts": _cuts,
    **{name: partial(_disk, filesystem=name) for name in FILESYSTEMS},
    "crowd": _crowd,
    "corrupt": _corrupt,
    "hostile": _hostile,
    "fuzz": _fuzz,
    **{part: partial(_properties, part=part) for part in PROPERTIES},
}
_GUARDS: dict[str, Callable[[_Run], None]] = {
    f"guard-{kind}": partial(_guard, kind=kind) for kind in GUARDS
}
_WITHOUT_SHIM = {"crowd", "corrupt", "hostile", "fuzz", "guard-checksum", *PROPERTIES}
