"""What an ingest left out, or found doubtful, about one image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from kymflow_zarr._storage.json_text import JsonValue, as_unicode

IssueKind: TypeAlias = Literal["sidecar_left_out", "header_left_out", "doubtful_header"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceIssue:
    """One thing that did not stop an image from being ingested, but that someone should know.

    Attributes:
        file: The name of the file, as seen from the folder of the image's file.
        kind: A result beside the image, or a header, that was left out; or a header of which
            something is doubtful.
        message: What is wrong, and what to do where that is known.
    """

    file: str
    kind: IssueKind
    message: str


def issues_to_json(issues: Iterable[SourceIssue]) -> list[JsonValue]:
    """Issues as a record's provenance has them."""
    return [
        {"file": as_unicode(issue.file), "kind": issue.kind, "message": as_unicode(issue.message)}
        for issue in issues
    ]


def issues_from_json(value: JsonValue) -> tuple[SourceIssue, ...]:
    """Issues of a provenance; those that this version does not know are left out."""
    found: list[SourceIssue] = []
    for item in value if isinstance(value, list) else []:
        if not isinstance(item, dict):
            continue
        file, message = item.get("file"), item.get("message")
        if isinstance(file, str) and isinstance(message, str):
            found += [
                SourceIssue(file=file, kind=kind, message=message)
                for kind in get_args(IssueKind)
                if kind == item.get("kind")
            ]
    return tuple(found)
