"""The rule for names that become files: checked, never corrected.

A name is one or more ``/``-separated segments ``[A-Za-z0-9][A-Za-z0-9._-]{0,119}``. What passes is
a plain relative path on Linux, macOS and Windows; what does not is refused with the rule it breaks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kymflow_zarr.errors import InvalidNameError

_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
_MAX_NAME = 200
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
# A folder named like an artifact's file, here or in an export, would land on that file:
# ``a.json/b`` beside ``a``.
_FILE_SUFFIXES = (".json", ".gz", ".parquet", ".csv", ".npy", ".tif")


def check_segment(segment: str, *, kind: str) -> None:
    """Refuse a single path segment that cannot be a file name everywhere.

    `kind` is what the name is for, in the message: ``"image"``, ``"table"``, …

    Raises:
        InvalidNameError: The segment breaks the rule.
    """
    _check_text(segment, kind=kind)
    _check(segment, whole=segment, kind=kind)


def check_name(name: str, *, kind: str) -> None:
    """Refuse a name that could leave its folder, or one that `check_segment` refuses a part of.

    Raises:
        InvalidNameError: A segment breaks the rule, or the whole is too long.
    """
    _check_text(name, kind=kind)
    if len(name) > _MAX_NAME:
        raise InvalidNameError(name, kind=kind, reason=f"longer than {_MAX_NAME} characters")
    *folders, last = name.split("/")
    for segment in (*folders, last):
        _check(segment, whole=name, kind=kind)
    for folder in folders:
        if folder.lower().endswith(_FILE_SUFFIXES):
            raise InvalidNameError(
                name, kind=kind, reason=f"the folder {folder!r} ends like an artifact's file"
            )


def is_valid_name(name: str, *, kind: str) -> bool:
    """Whether `check_name` lets a name pass: what someone copied into a folder may not."""
    try:
        check_name(name, kind=kind)
    except InvalidNameError:
        return False
    return True


def check_no_collision(name: str, existing: Iterable[str], *, kind: str) -> None:
    """Refuse a name that differs from one in the same folder only in upper and lower case.

    Raises:
        InvalidNameError: Windows and macOS would put both names on one file.
    """
    folded = name.lower()
    for other in existing:
        if other != name and other.lower() == folded:
            raise InvalidNameError(
                name, kind=kind, reason=f"it differs from the existing {other!r} only in case"
            )


def _check_text(name: object, *, kind: str) -> None:
    """A mapping is asked for anything, such as ``dataset.get(5)``."""
    if not isinstance(name, str):
        raise InvalidNameError(repr(name), kind=kind, reason="it is not text")


def _check(segment: str, *, whole: str, kind: str) -> None:
    reason = _reason(segment)
    if reason is not None:
        raise InvalidNameError(whole, kind=kind, reason=reason)


def _reason(segment: str) -> str | None:
    if not segment:
        return "it has an empty part"
    if segment in {".", ".."}:
        return f"the part {segment!r} could leave its folder"
    if len(segment) > 120:
        return "a part is longer than 120 characters"
    if not _SEGMENT.fullmatch(segment):
        return (
            f"the part {segment!r} is not a letter or digit "
            "followed by letters, digits, '.', '_' or '-'"
        )
    if segment.endswith("."):
        return f"the part {segment!r} ends with a dot, which Windows drops"
    if _RESERVED.fullmatch(segment):
        return f"the part {segment!r} is a reserved device name on Windows"
    return None
