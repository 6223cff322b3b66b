"""Parameters that several verbs share, so that they mean the same everywhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from kymflow.cli.progress import Progress

__all__ = [
    "DEFAULT_PATTERNS",
    "DEFAULT_WAIT_S",
    "DryRun",
    "Durability",
    "Patterns",
    "ProgressParam",
    "Recursive",
    "Rows",
    "TakeIn",
    "Wait",
    "Workers",
    "default_workers",
]

DEFAULT_PATTERNS = ("*",)
"""All files that an installed reader takes."""

DEFAULT_WAIT_S = 10.0

Durability: TypeAlias = Literal["record", "batch", "none"]

ProgressParam: TypeAlias = Annotated[Progress, Parameter(parse=False)]
"""Filled in by `kymflow.cli.app`, never on the command line."""

Patterns: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(name=["--pattern", "-p"], show_default=lambda _: "all that a reader takes"),
]
Recursive: TypeAlias = Annotated[bool, Parameter(name=["--recursive", "-r"])]
DryRun: TypeAlias = Annotated[bool, Parameter(name=["--dry-run", "-n"])]
Workers: TypeAlias = Annotated[
    int | None,
    Parameter(name=["--workers", "-w"], validator=Number(gte=1), show_default=lambda _: "cores"),
]
Rows: TypeAlias = Annotated[int | None, Parameter(validator=Number(gte=0))]
Wait: TypeAlias = Annotated[float, Parameter(validator=Number(gte=0))]


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class TakeIn:
    """How a folder is ingested: the options of ``ingest`` and ``refresh``.

    Attributes:
        pattern: Which files; may be given several times.
        recursive: Include subfolders.
        changed: Take in again what has changed since; the old image stays.
        dry_run: Show what would be done, and do nothing.
        workers: How many files are read at a time.
        durability: What survives a power cut once reported: each image on its own (record), in
            groups (batch), or nothing is promised (none).
        wait: For how many seconds to wait for another writer.
    """

    pattern: Patterns = DEFAULT_PATTERNS
    recursive: Recursive = False
    changed: Annotated[bool, Parameter(name="--changed")] = False
    dry_run: DryRun = False
    workers: Workers = None
    durability: Durability = "batch"
    wait: Wait = DEFAULT_WAIT_S


def default_workers(asked: int | None) -> int:
    """How many workers to use where the user does not say: one per core, at most eight."""
    return asked if asked is not None else min(8, os.cpu_count() or 1)
