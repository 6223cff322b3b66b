"""Files that could not be ingested, so that they are tried again only when that makes sense.

``index/failed_sources.json`` may be lost at any time: then they are tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from kymflow_zarr._catalog.sources import SourceFile, beside_to_text
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.json_text import JsonValue, as_unicode, dumps, is_unicode, loads
from kymflow_zarr.errors import CorruptDataError

logger = logging.getLogger(__name__)

_KEY = "index/failed_sources.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedSource:
    """A file that could not be ingested as it was.

    Attributes:
        path: The file.
        mtime_ns: Its modification time then, ns since 1970.
        size_bytes: Its size then.
        beside: What lay beside it then, as `beside_to_text` gives it.
        reason: What is wrong with it, ending with what to do.
        incomplete: Whether it looked as if it were still being written: it is tried once more.
    """

    path: str
    mtime_ns: int
    size_bytes: int
    beside: str
    reason: str
    incomplete: bool

    def is_of(self, file: SourceFile) -> bool:
        """Whether a file is as it was then."""
        then = self.mtime_ns, self.size_bytes, self.beside
        return (file.mtime_ns, file.size_bytes, beside_to_text(file.beside or ())) == then


def failure_of(file: SourceFile, reason: str, *, incomplete: bool) -> FailedSource:
    """What is to be remembered of a file that could not be ingested."""
    return FailedSource(
        path=file.paths[0],
        mtime_ns=file.mtime_ns,
        size_bytes=file.size_bytes,
        beside=beside_to_text(file.beside or ()),
        reason=reason,
        incomplete=incomplete,
    )


def load_failures(blobs: BlobStore) -> dict[str, FailedSource]:
    """The files that failed, by path; none where that was lost."""
    data = blobs.get(_KEY)
    if data is None:
        return {}
    try:
        stored = loads(data, key=_KEY)
        failures = map(_from_json, stored if isinstance(stored, list) else [])
        return {failure.path: failure for failure in failures}
    except (CorruptDataError, TypeError) as error:
        logger.warning("the list of files that failed before is lost: %s", error)
        return {}


def save_failures(blobs: BlobStore, failures: Mapping[str, FailedSource]) -> None:
    """Replace the files that failed, in one step."""
    # Files with other names fail before they are opened.
    storable = sorted(filter(is_unicode, failures))
    blobs.put(_KEY, dumps([_to_json(failures[path]) for path in storable]))


def _to_json(failure: FailedSource) -> dict[str, JsonValue]:
    return {**asdict(failure), "reason": as_unicode(failure.reason)}


def _from_json(value: JsonValue) -> FailedSource:
    match value:
        case {
            "path": str() as path,
            "mtime_ns": int() as mtime_ns,
            "size_bytes": int() as size_bytes,
            "beside": str() as beside,
            "reason": str() as reason,
            "incomplete": incomplete,
        }:
            return FailedSource(
                path=path,
                mtime_ns=mtime_ns,
                size_bytes=size_bytes,
                beside=beside,
                reason=reason,
                incomplete=incomplete is True,
            )
    raise TypeError(f"{value!r} is not the entry of a file that failed")
