"""What an ingest left out beside images, or found doubtful: one line for each kind."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kymflow.cli.blocks import Block, counted, remark
from kymflow.cli.safe_text import show

if TYPE_CHECKING:
    from kymflow_zarr import IssueKind, SourceIssue

_SHOWN = 3
_KINDS = 30
# What two doubts of one kind may differ in.
_VALUES = re.compile(r"(?<!\w)'[^']*'|\"[^\"]*\"|\d[\d.,e+-]*|,")
_SENTENCES: dict[IssueKind, tuple[str, str]] = {
    "sidecar_left_out": ("result", "left out"),
    "header_left_out": ("header", "left out"),
    "doubtful_header": ("doubt", "about calibration"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FileIssue:
    """One thing that did not stop an image from being ingested.

    Attributes:
        path: The file.
        kind: ``sidecar_left_out`` or ``header_left_out`` for a file beside an image,
            ``doubtful_header`` for what is said of its calibration.
        message: What is wrong, and what to do.
    """

    type: ClassVar[str] = "issue"
    path: str
    kind: IssueKind
    message: str


def file_issue(image: Path, issue: SourceIssue) -> FileIssue:
    """An issue with the path of its file."""
    path = os.path.normpath(image.parent / issue.file)
    return FileIssue(path=path, kind=issue.kind, message=issue.message)


def issue_blocks(issues: Iterable[FileIssue]) -> Iterator[Block]:
    """A line for each kind, with the first of its files; an issue of many images is shown once.

    Doubts are of one kind if they differ in nothing but names and numbers.
    """
    kinds: dict[tuple[IssueKind, str], list[FileIssue]] = {}
    for issue in issues:
        form = _VALUES.sub("", issue.message) if issue.kind == "doubtful_header" else ""
        kinds.setdefault((issue.kind, form), []).append(issue)
    for (kind, _), found in list(kinds.items())[:_KINDS]:
        noun, what = _SENTENCES[kind]
        texts = dict.fromkeys(
            f"{show(Path(issue.path).name)}: {show(issue.message)}" for issue in found
        )
        shown = "; ".join(list(texts)[:_SHOWN])
        more = f"; and {len(texts) - _SHOWN} more, see --json" if len(texts) > _SHOWN else ""
        yield remark(f"{counted(len(found), noun)} {what}: {shown}{more}")
    if len(kinds) > _KINDS:
        yield remark(f"and doubts of {len(kinds) - _KINDS} other kinds, see --json")
