"""Which versions made a page, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from kymflow.cli.report.values import Fact

_DISTRIBUTIONS = ("kymflow-cli", "kymflow-core", "kymflow-zarr")


def software_facts() -> tuple[Fact, ...]:
    """Time and versions."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        Fact(name="report made", value=now),
        Fact(name="by", value=", ".join(f"{name} {_version(name)}" for name in _DISTRIBUTIONS)),
    )


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "(not installed)"
