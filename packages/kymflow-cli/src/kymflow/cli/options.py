"""Parameters that several verbs share, so that they mean the same everywhere."""

from __future__ import annotations

import os
from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from kymflow.cli.progress import Progress

__all__ = [
    "DEFAULT_PATTERNS",
    "DEFAULT_WAIT_S",
    "Changed",
    "Csv",
    "DryRun",
    "Durability",
    "Patterns",
    "ProgressParam",
    "Recursive",
    "Rows",
    "Wait",
    "Workers",
    "default_workers",
]

DEFAULT_PATTERNS = ("*.tif", "*.tiff")

DEFAULT_WAIT_S = 10.0

Durability: TypeAlias = Literal["record", "batch", "none"]

ProgressParam: TypeAlias = Annotated[Progress, Parameter(parse=False)]
"""Filled in by `kymflow.cli.app`, never on the command line."""

Patterns: TypeAlias = Annotated[
    tuple[str, ...], Parameter(name=["--pattern", "-p"], show_default=lambda _: "*.tif, *.tiff")
]
Recursive: TypeAlias = Annotated[bool, Parameter(name=["--recursive", "-r"])]
Changed: TypeAlias = Annotated[bool, Parameter(name="--changed")]
DryRun: TypeAlias = Annotated[bool, Parameter(name=["--dry-run", "-n"])]
Workers: TypeAlias = Annotated[
    int | None,
    Parameter(name=["--workers", "-w"], validator=Number(gte=1), show_default=lambda _: "cores"),
]
Rows: TypeAlias = Annotated[int | None, Parameter(validator=Number(gte=0))]
Csv: TypeAlias = Annotated[bool, Parameter(name="--csv")]
Wait: TypeAlias = Annotated[float, Parameter(validator=Number(gte=0))]


def default_workers(asked: int | None) -> int:
    """How many workers to use where the user does not say: one per core, at most eight."""
    return asked if asked is not None else min(8, os.cpu_count() or 1)
