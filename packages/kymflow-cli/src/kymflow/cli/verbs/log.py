"""Show what was run and decided, by whom and when."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from kymflow.cli.blocks import Block, Screen, remark, table_blocks, to_the_second
from kymflow.cli.opening import open_reader
from kymflow.cli.options import Rows
from kymflow.cli.results import DatasetResult

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset


def log(dataset: str, /, *, rows: Rows = None) -> LogResult:
    """Show what was run and decided, by whom and when.

    Runs of analyses and indexers, and decisions of people; those that were undone are marked.

    Args:
        dataset: Path or URL of the dataset.
        rows: Just this many, the latest.

    Raises:
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    opened = open_reader(dataset)
    found = sorted([*_runs(opened), *_decisions(opened)], key=lambda entry: entry.at)
    shown = found if rows is None else found[len(found) - min(rows, len(found)) :]
    return LogResult(dataset=dataset, entries=len(found), items=tuple(shown))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogResult(DatasetResult):
    """The log of a dataset.

    Attributes:
        entries: How many there are.
        items: Those that were asked for, oldest first.
    """

    verb: ClassVar[str] = "log"
    entries: int
    items: tuple[LogEntry, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        yield from table_blocks(
            ("when", "who", "what", "images", "undone", "details"),
            [
                (
                    to_the_second(item.at),
                    item.author,
                    item.what if item.kind == "run" else item.what.replace("_", " "),
                    item.images,
                    "yes" if item.undone else "",
                    _as_words(item),
                )
                for item in self.items
            ],
            screen,
        )
        if not self.entries:
            yield remark("nothing has been run or decided yet")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """A run, or decisions that were made together.

    Attributes:
        kind: Which of the two.
        at: When, ISO 8601 in UTC.
        author: Who.
        what: What was done, such as ``analyze velocity`` or ``exclude``.
        images: On how many images; of an indexer, how many it was asked for.
        undone: Whether it was undone.
        details: Parameters of a run, or what was decided: ``(varies)`` where images got different
            values.
    """

    type: ClassVar[str] = "entry"
    kind: Literal["run", "decision"]
    at: str
    author: str
    what: str
    images: int
    undone: bool
    details: Mapping[str, object]


def _runs(dataset: ZarrDataset) -> Iterator[LogEntry]:
    from kymflow.core import KymDataset

    for run in KymDataset(dataset).log().to_dict("records"):
        counts = json.loads(run["counts"])
        yield LogEntry(
            kind="run",
            at=run["started_utc"].isoformat(timespec="seconds"),
            author=run["user"],
            what=f"{run['action']} {run['name']}",
            images=sum(counts.get(name, 0) for name in _WORKED_ON[run["action"]]),
            undone=False,
            details=counts,
        )


_WORKED_ON = {"analyze": ("ok", "skipped", "left out", "failed"), "index": ("recomputed", "failed")}


def _decisions(dataset: ZarrDataset) -> Iterator[LogEntry]:
    from kymflow.core.decisions import load_decision_log

    for step in load_decision_log(dataset):
        yield LogEntry(
            kind="decision",
            at=step.act.at,
            author=step.act.author,
            what=step.act.kind,
            images=len(step.image_ids),
            undone=step.undone,
            details=step.details,
        )


def _as_words(entry: LogEntry) -> str:
    """What is known of it; of a run, which has counts, without those of nothing."""
    nothing = (None, 0) if entry.kind == "run" else (None,)
    said = {name: value for name, value in entry.details.items() if value not in nothing}
    return ", ".join(f"{name.replace('_', ' ')}: {value}" for name, value in said.items())
