"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from kymflow_zarr.errors import CorruptDataError

_Repairable: TypeAlias = Literal[
    "orphan_rows",
    "source_without_record",
    "record_without_source",
    "stale_cache",
    "inventory",
    "rewritten",
    "leftover",
]
ProblemKind: TypeAlias = Literal[
    "missing", "gone", "unreadable", "mismatch", "unknown", "link", _Repairable
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        location: The key, relative to the dataset's root.
        kind: ``missing`` or ``unreadable`` data, an artifact or a table that was written and is
            ``gone``, documents that disagree (``mismatch``), files that do not belong
            (``unknown``), a ``link`` or a mount, which nothing follows, table rows whose image is
            gone (``orphan_rows``), the two directions in which the sources index can be wrong, a
            damaged manifest (``stale_cache``), an ``inventory`` with damaged lines or without
            something that is there, a document that another program has ``rewritten``, and what
            killed writers left behind (``leftover``).
        message: What is wrong, as a sentence.
    """

    location: str
    kind: ProblemKind
    message: str

    @property
    def repairable(self) -> bool:
        """Whether `repair` repairs it: what is derived, or was never committed."""
        return self.kind in get_args(_Repairable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One thing that was repaired.

    Attributes:
        location: The key.
        action: What was done.
    """

    location: str
    action: str


def rewrite_problem(location: str, added: tuple[str, ...]) -> Problem:
    """The problem of a document that another program has rewritten."""
    names = ", ".join(map(repr, added)) or "nothing"
    return Problem(
        location=location,
        kind="rewritten",
        message=f"another program has rewritten it, with {names} added; "
        "nothing is lost, and repair() seals it again",
    )


def link_problem(key: str) -> Problem:
    """The problem of a link or a mount."""
    return Problem(
        location=key,
        kind="link",
        message="it is a link or a mount, which is never followed; "
        "put in its place what it leads to, or remove it",
    )


def damage_problem(error: CorruptDataError) -> Problem:
    """An error as a problem."""
    return Problem(location=error.key, kind="unreadable", message=error.reason)
