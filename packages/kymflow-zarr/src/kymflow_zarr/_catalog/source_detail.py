"""What is known of an image that came from a file, besides the columns of the sources index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kymflow_zarr._catalog.source_issue import SourceIssue, issues_from_json, issues_to_json
from kymflow_zarr._catalog.sources import BesideState, beside_to_text
from kymflow_zarr._storage.json_text import dumps, loads


class SourceDetail(NamedTuple):
    """What is known of one image, named as the columns are and in their order.

    Attributes:
        image_id: The image.
        pixels_digest: The digest of its pixels; empty if it is unknown.
        beside: What lay beside its file, as `beside_to_text` gives it; None if it is unknown.
        issues: What was left out or is doubtful, as JSON; empty if nothing is.
    """

    image_id: str
    pixels_digest: str
    beside: str | None
    issues: str

    def to_issues(self) -> tuple[SourceIssue, ...]:
        """What was left out or is doubtful."""
        return (
            issues_from_json(loads(self.issues.encode(), key=self.image_id)) if self.issues else ()
        )


def source_detail(
    image_id: str,
    *,
    pixels_digest: str,
    beside: BesideState | None,
    issues: Iterable[SourceIssue],
) -> SourceDetail:
    """What is known of an image that was ingested."""
    listed = issues_to_json(issues)
    return SourceDetail(
        image_id=image_id,
        pixels_digest=pixels_digest,
        beside=None if beside is None else beside_to_text(beside),
        issues=dumps(listed, indent=False).decode().strip() if listed else "",
    )
