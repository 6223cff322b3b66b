"""All recordings with their states, as a list that only changes are sent of.

Names are known at once; the state of an image's results takes a few reads, so it is found out bit
by bit, each time the page asks. What another process changes is noticed the same way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypedDict

from kymflow.cli.errors import explain
from kymflow.cli.opening import shared_scenes, source_of
from kymflow.cli.source_names import folder_of, source_name, with_scene
from kymflow.core import KymflowCoreError
from kymflow.core.analysis import ImageStatus, image_status, load_results
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.decisions import Decisions, read_decisions
from kymflow.core.metadata import load_metadata
from kymflow.core.wording import number
from kymflow_zarr import JsonValue, KymflowZarrError

if TYPE_CHECKING:
    from kymflow_zarr import Manifest, ManifestEntry, ZarrDataset

State = Literal["current", "outdated", "missing", "failed"]
Decision = Literal["open", "accepted", "rejected", "excluded"]

_SECONDS_PER_LOOK: Final = 0.25
_STATES: Final[tuple[State, ...]] = ("failed", "outdated", "missing", "current")
"""The worst first: that of an image is the worst of its regions."""


class Row(TypedDict):
    """What the list shows of a recording; None for what is unknown, or not looked at yet."""

    id: str
    file: str
    folder: str
    shape: list[int]
    animal: str | None
    condition: str | None
    state: State | None
    reason: str
    velocity: float | None
    unit: str
    unknown: float | None
    decision: Decision


class ListChanges(TypedDict):
    """What is new in the list since a version of it.

    ``pending`` is how many recordings were not looked at yet.
    """

    version: int
    rows: list[Row]
    gone: list[str]
    pending: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A row, and the stamp of the artifacts that it was made of; None if they were not read."""

    stamp: str | None
    version: int
    row: Row | None


class RecordingList:
    """The recordings of a dataset, and what has changed since someone last asked."""

    def __init__(self, dataset: ZarrDataset) -> None:
        self._dataset = dataset
        self._lock = threading.Lock()
        self._version = 0
        self._known: dict[str, _Known] = {}
        self._pending: dict[str, tuple[str, Row]] = {}
        self._scenes: dict[str, str] = {}

    def changes(self, since: int) -> ListChanges:
        """What is new since a version; 0 for everything."""
        with self._lock:
            self._version += 1
            if not self._pending:
                self._list()
            self._look()
            new = {i: known for i, known in self._known.items() if known.version > since}
            return ListChanges(
                version=self._version,
                rows=[known.row for known in new.values() if known.row is not None],
                gone=[image_id for image_id, known in new.items() if known.row is None],
                pending=len(self._pending),
            )

    def look_again(self, image_id: str) -> None:
        """Read a recording again that was changed here: not every store keeps times of files."""
        with self._lock:
            known = self._known.get(image_id)
            if known is not None and known.row is not None:
                self._pending[image_id] = "changed here", known.row

    def _list(self) -> None:
        manifest = self._dataset.load_manifest()
        self._scenes = shared_scenes(self._dataset, manifest.entries.values(), known=self._scenes)
        rows = dict(_listed(manifest, self._scenes))
        for image_id, known in self._known.items():
            if image_id not in rows and known.row is not None:
                self._keep(image_id, stamp=None, row=None)
        stamps = self._dataset.artifact_stamps(manifest.entries)
        for image_id, row in rows.items():
            before = self._known.get(image_id)
            stamp = stamps.get(image_id)
            is_new = before is None or before.row is None
            if is_new or (stamp is None and before is not None and before.row != row):
                self._keep(image_id, stamp=None, row=row)
            if stamp is not None and (before is None or before.stamp != stamp):
                self._pending[image_id] = stamp, row

    def _look(self) -> None:
        until = time.monotonic() + _SECONDS_PER_LOOK
        while self._pending and time.monotonic() < until:
            image_id, (stamp, row) = self._pending.popitem()
            self._keep(image_id, stamp=stamp, row=_with_results(self._dataset, row))

    def _keep(self, image_id: str, *, stamp: str | None, row: Row | None) -> None:
        self._known[image_id] = _Known(stamp=stamp, version=self._version, row=row)


def _listed(manifest: Manifest, scenes: Mapping[str, str]) -> Iterator[tuple[str, Row]]:
    for image_id, entry in manifest.entries.items():
        name = with_scene(source_name(source_of(entry) or ""), scenes.get(image_id))
        yield image_id, _row(image_id, entry, name or image_id, state=None, reason="")
    for image_id, error in manifest.damaged.items():
        reason = explain(error).message
        yield image_id, _row(image_id, None, image_id, state="failed", reason=reason)


def _row(
    image_id: str, entry: ManifestEntry | None, name: str, *, state: State | None, reason: str
) -> Row:
    path = source_of(entry) or ""
    return Row(
        id=image_id,
        file=name,
        folder=folder_of(path),
        shape=[] if entry is None else list(entry.shape),
        animal=None,
        condition=None,
        state=state,
        reason=reason,
        velocity=None,
        unit="",
        unknown=None,
        decision="open",
    )


def _with_results(dataset: ZarrDataset, row: Row) -> Row:
    """A row with what its image's results say."""
    try:
        record = dataset.record(row["id"])
        experiment = load_metadata(record).experiment
        state, reason = _state_of(image_status(record, VELOCITY))
        stored = load_results(record, VELOCITY).results
        decision = _decision_of(read_decisions(record))
    except (KymflowCoreError, KymflowZarrError, OSError) as error:
        return {**row, "state": "failed", "reason": explain(error).message}
    values = stored[0].values if stored else {}
    calibrated = number(values, "median_mm_s") is not None
    return {
        **row,
        "animal": _text(experiment.extra.get("animal")),
        "condition": experiment.condition,
        "state": state,
        "reason": reason,
        "velocity": number(values, "median_mm_s" if calibrated else "median_px_per_line"),
        "unit": "mm/s" if calibrated else "px/line",
        "unknown": number(values, "share_unknown"),
        "decision": decision,
    }


def _state_of(status: ImageStatus) -> tuple[State, str]:
    states = {region.state for region in status.regions}
    worst: State = next((state for state in _STATES if state in states), "missing")
    reasons = (
        region.reason or ", ".join(region.causes)
        for region in status.regions
        if region.state == worst
    )
    return worst, "; ".join(dict.fromkeys(reason for reason in reasons if reason))


def _decision_of(decisions: Decisions) -> Decision:
    if decisions.exclusion is not None:
        return "excluded"
    return "open" if decisions.verdict is None else decisions.verdict.verdict


def _text(value: JsonValue) -> str | None:
    """A free field as text: some labs number their animals."""
    return str(value) if isinstance(value, str | int | float) else None
