"""Rules: decisions that hold for images to come as well, until they are undone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kymflow.core.analysis.regions import calibration_of
from kymflow.core.decisions.calibration import calibrate
from kymflow.core.decisions.import_metadata import import_metadata, set_fields_from_folders
from kymflow.core.decisions.ledger import load_acts, readable_records
from kymflow.core.decisions.state import acts_in_force
from kymflow.core.errors import DecisionError, MetadataError
from kymflow.core.metadata import load_metadata
from kymflow_zarr import CorruptDataError

if TYPE_CHECKING:
    from kymflow_zarr import JsonValue, ZarrDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A decision that holds for images to come.

    Attributes:
        document: What it is: ``{"folders": "{animal}/{date}"}``, ``{"csv": "/lab/animals.csv",
            "on": "animal"}``, or ``{"where": "animal = 'm3'", "seconds_per_line": 0.001}``.
        author: Who made it.
        at: When, ISO 8601 in UTC.
    """

    document: Mapping[str, JsonValue]
    author: str
    at: str

    @property
    def where(self) -> str | None:
        """The condition in SQL that an image has to meet; None for all images."""
        condition = self.document.get("where")
        return condition if isinstance(condition, str) else None

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.document.items())


def load_rules(dataset: ZarrDataset) -> tuple[Rule, ...]:
    """The rules of a dataset, in the order in which they were made first.

    A rule is kept in the acts by which it was applied first. To undo these is to undo it.
    """
    acts = []
    for record in readable_records(dataset):
        try:
            acts += [act for act in acts_in_force(load_acts(record)) if act.rule]
        except (MetadataError, CorruptDataError):
            continue  # the log of decisions and `status` name such images
    found: dict[str, Rule] = {}
    for act in sorted(acts, key=lambda act: act.id):
        rule = Rule(document=act.rule, author=act.author, at=act.at)
        found.setdefault(json.dumps(dict(act.rule), sort_keys=True), rule)
    return tuple(found.values())


def apply_rule(
    dataset: ZarrDataset, rule: Rule, image_ids: Iterable[str], *, step: str
) -> Mapping[str, Exception]:
    """Apply a rule to images, in the name of who made it. An image that fails stops only itself.

    Args:
        dataset: The dataset, writable.
        rule: The rule. One of a kind that is not known does nothing.
        image_ids: The images, all of which meet the condition of the rule.
        step: What this is undone together with.

    Returns:
        The images that failed, each with the reason.

    Raises:
        MetadataFileError: The table that the rule names cannot be read as such.
        OSError: It cannot be read at all.
    """
    chosen = tuple(image_ids)
    match rule.document:
        case {"folders": str(pattern)}:
            done = set_fields_from_folders(
                dataset, pattern, image_ids=chosen, author=rule.author, step=step
            )
        case {"csv": str(path), "on": str(on)}:
            done = import_metadata(
                dataset, path, on, image_ids=chosen, author=rule.author, step=step
            )
        case {"where": str()}:
            return _calibrate(dataset, rule, chosen, step=step)
        case _:
            return {}
    return done.failures


def _calibrate(
    dataset: ZarrDataset, rule: Rule, image_ids: Iterable[str], *, step: str
) -> dict[str, Exception]:
    """Say what a line and a pixel are where the file is silent; what it says itself holds."""
    failures: dict[str, Exception] = {}
    for image_id in image_ids:
        record = dataset.record(image_id)
        try:
            known = calibration_of(record, load_metadata(record)).to_json()
            missing = {
                name: float(value)
                for name in ("seconds_per_line", "um_per_pixel")
                if isinstance(value := rule.document.get(name), int | float) and known[name] is None
            }
            if missing:
                calibrate(
                    record,
                    seconds_per_line=missing.get("seconds_per_line"),
                    um_per_pixel=missing.get("um_per_pixel"),
                    author=rule.author,
                    step=step,
                )
        except (DecisionError, MetadataError, CorruptDataError) as error:
            failures[image_id] = error
    return failures
