"""The command line as jobs: each is one `kymflow` in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from faults.jobs import Durability, Job
from faults.places import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command line: a verb, the dataset that it starts from, and what stands behind `kymflow`.

    There, ``{0.dataset}`` is the dataset of a `Place`.
    """

    name: str
    template: str
    arguments: tuple[str, ...]

    def words(self, place: Place) -> list[str]:
        """The arguments at a place."""
        return [argument.format(place) for argument in self.arguments]

    @property
    def job(self) -> Job:
        """The same as a job of one step."""
        return Job(name=self.name, template=self.template, steps=partial(_run, self))


def start(words: Sequence[object]) -> subprocess.Popen[bytes]:
    """Start `kymflow`; what it says comes through a pipe."""
    env = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    return subprocess.Popen(
        [sys.executable, "-m", "kymflow.cli", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
    )


def _run(command: Command, place: Place, durability: Durability) -> Iterator[None]:
    del durability
    process = start(command.words(place))
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{command.name} ended with {process.returncode}: {said.decode()}")
    yield


COMMANDS = (
    Command(
        name="refresh",
        template="full",
        arguments=("refresh", "{0.dataset}", "{0.recordings}"),
    ),
    Command(
        name="analyze",
        template="flow",
        arguments=("analyze", "{0.dataset}", "velocity", "--overwrite", "-w", "1"),
    ),
    Command(name="index", template="full", arguments=("index", "{0.dataset}", "-w", "1")),
    Command(
        name="export",
        template="full",
        arguments=("export", "{0.dataset}", "{0.export}", "--format", "parquet"),
    ),
    Command(name="upgrade", template="format1", arguments=("upgrade", "{0.dataset}")),
    Command(name="repair", template="untidy", arguments=("repair", "{0.dataset}")),
)
