"""The log of a bulk call, which returns only image ids."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable

from kymflow_zarr._catalog.source_issue import IssueKind
from kymflow_zarr._ingest.outcome import IngestOutcome

logger = logging.getLogger(__name__)

_SHOWN = 5
# One of them, several of them.
_KINDS: dict[IssueKind, tuple[str, str]] = {
    "sidecar_left_out": ("sidecar was left out", "sidecars were left out"),
    "header_left_out": ("header was left out", "headers were left out"),
    "doubtful_header": ("doubt about a header", "doubts about headers"),
}
_CHANGED = ("file has changed since it was ingested", "files have changed since they were ingested")
_WAITING = ("file is still being written and waits", "files are still being written and wait")


def log_outcomes(outcomes: Iterable[IngestOutcome]) -> None:
    """Log one warning for each kind of thing that someone should know of; failures are errors."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.status == "changed":
            found[_CHANGED].append(outcome.path.name)
        if outcome.status == "waiting":
            found[_WAITING].append(outcome.path.name)
        for issue in outcome.issues:
            found[_KINDS[issue.kind]].append(f"{issue.file}: {issue.message}")
    for (one, several), names in found.items():
        what = one if len(names) == 1 else several
        more = f"; and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        logger.warning("%d %s: %s%s", len(names), what, "; ".join(names[:_SHOWN]), more)
