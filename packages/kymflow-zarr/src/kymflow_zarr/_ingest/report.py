"""What a bulk call that returns only image ids reports in the log."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable

from kymflow_zarr._catalog.source_issue import IssueKind
from kymflow_zarr._ingest.outcome import IngestOutcome

__all__ = ["log_outcomes"]

logger = logging.getLogger(__name__)

_SHOWN = 5
_KINDS: dict[IssueKind, str] = {
    "sidecar_left_out": "sidecar(s) were left out",
    "header_left_out": "header(s) were left out",
    "doubtful_header": "thing(s) about headers are doubtful",
}


def log_outcomes(outcomes: Iterable[IngestOutcome]) -> None:
    """Log one warning for each kind of thing that someone should know of; failures are errors."""
    found: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.status == "changed":
            found["file(s) have changed since they were ingested"].append(outcome.path.name)
        if outcome.status == "waiting":
            found["file(s) are still being written and wait"].append(outcome.path.name)
        for issue in outcome.issues:
            found[_KINDS[issue.kind]].append(f"{issue.file}: {issue.message}")
    for what, names in found.items():
        more = f"; and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        logger.warning("%d %s: %s%s", len(names), what, "; ".join(names[:_SHOWN]), more)
