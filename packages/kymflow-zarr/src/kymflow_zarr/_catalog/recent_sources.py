"""Images that were ingested or deleted lately, and may not be in the sources index yet.

One more image adds a line to ``index/recent_sources.txt``, whatever the size of the dataset::

    + ["5d2f…","/data/a.tif",1764340000000000000,20320,…] 9c1e04b7
    - ["5d2f…"] 03d1a7c2
    # 8d0b4a51c4f94b7f

The end of a refresh brings them into the index, and adds ``#``: what is above is in there. Once the
file is large it is started afresh, with such a line. It may be lost at any time, as the records say
the same. Adding an image takes the lock ``ingest``, deleting one ``tables``, and bringing lines
into the index both.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import google_crc32c

from kymflow_zarr._catalog.source_detail import SourceDetail
from kymflow_zarr._catalog.sources import SourceRow, int64_or_none
from kymflow_zarr._storage.blobs import BlobStat, BlobStore
from kymflow_zarr._storage.json_text import JsonValue, loads
from kymflow_zarr.errors import CorruptDataError

logger = logging.getLogger(__name__)

_KEY: Final = "index/recent_sources.txt"
_IN_INDEX: Final = b"# "
_FULL_BYTES: Final = 2**20  # some thousand images
_to_text: Final = json.JSONEncoder(separators=(",", ":")).encode


class RecentImage(NamedTuple):
    """What is known of the file of an image that was ingested."""

    row: SourceRow
    detail: SourceDetail


@dataclass(frozen=True, slots=True, kw_only=True)
class RecentImages:
    """What the lines say, by image id; of several about one image the last one counts."""

    added: Mapping[str, RecentImage]
    deleted: frozenset[str]


def read_recent(blobs: BlobStore) -> RecentImages:
    """The images that were ingested or deleted since the index was written."""
    return _parse(_not_in_index(blobs.get(_KEY) or b""))


def note_deleted(blobs: BlobStore, image_id: str) -> None:
    """Take note that an image is deleted; as durable as that, so that its row is not missed."""
    blobs.append_lines(_KEY, _line(b"-", [image_id]), flush=True)


class RecentSources:
    """The file as one run sees it: what the run adds, and what others have added since."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._stat: BlobStat | None = None
        self._size, self._checksum = 0, 0
        self._waiting = False
        self._read_on()

    @property
    def has_waiting(self) -> bool:
        """Whether there are lines that the index lacks."""
        return self._waiting

    @property
    def is_full(self) -> bool:
        """Whether the file is to be started afresh."""
        return self._size > _FULL_BYTES

    def add(self, images: Iterable[RecentImage]) -> None:
        """Take note of images that were ingested."""
        lines = b"".join(_added_line(image) for image in images)
        if lines:
            # Not flushed: what a power cut takes is read from the images' records.
            self._blobs.append_lines(_KEY, lines, flush=False)
            self._stat = self._blobs.stat(_KEY)
            self._pass_over(lines)

    def later(self) -> RecentImages | None:
        """What others have added since this was made, or asked last.

        None if the file was started afresh since: then the index knows.
        """
        lines = self._read_on()
        return None if lines is None else _parse(lines)

    def mark(self) -> None:
        """Note that all lines are in the index now."""
        line = _IN_INDEX + uuid.uuid4().hex.encode("ascii") + b"\n"
        if self.is_full:
            self._blobs.put(_KEY, line)
            self._size = self._checksum = 0
        elif self._waiting:
            self._blobs.append_lines(_KEY, line, flush=False)
        else:
            return
        self._stat = self._blobs.stat(_KEY)
        self._pass_over(line)

    def _read_on(self) -> bytes | None:
        """The lines that were added since; None if the file was started afresh."""
        before, self._stat = self._stat, self._blobs.stat(_KEY)
        if self._stat == before:
            return b""
        data = self._blobs.get(_KEY) or b""
        known, rest = data[: self._size], data[self._size :]
        is_new = not known and data.startswith(_IN_INDEX)
        if is_new or google_crc32c.value(known) != self._checksum:
            self._size = self._checksum = 0
            self._pass_over(data)
            return None
        self._pass_over(rest)
        return rest

    def _pass_over(self, lines: bytes) -> None:
        self._size += len(lines)
        self._checksum = google_crc32c.extend(self._checksum, lines)
        rest = _not_in_index(lines)
        self._waiting = bool(rest) or (self._waiting and rest == lines)


def _not_in_index(lines: bytes) -> bytes:
    """The lines after the last one that says that what is above is in the index."""
    at = lines.rfind(b"\n" + _IN_INDEX)
    if at < 0 and not lines.startswith(_IN_INDEX):
        return lines
    return lines[at + 1 :].partition(b"\n")[2]


def _added_line(image: RecentImage) -> bytes:
    path, image_id, *numbers = image.row
    return _line(b"+", [image_id, path, *numbers, *image.detail[1:]])


def _line(sign: bytes, values: Sequence[JsonValue]) -> bytes:
    body = sign + b" " + _to_text(values).encode("ascii")
    return body + b" " + _checksum(body) + b"\n"


def _checksum(body: bytes) -> bytes:
    return f"{google_crc32c.value(body):08x}".encode("ascii")


def _parse(data: bytes) -> RecentImages:
    added: dict[str, RecentImage] = {}
    deleted: set[str] = set()
    for line in data.split(b"\n"):
        body, _, checksum = line.rpartition(b" ")
        if checksum != _checksum(body):  # one that was cut off, or no image
            continue
        sign, _, text = body.partition(b" ")
        try:
            values = loads(text, key=_KEY)
        except CorruptDataError as error:
            logger.warning("a line is ignored, and the record is read instead: %s", error)
            continue
        match sign, values:
            case (b"-", [str() as image_id]):
                added.pop(image_id, None)
                deleted.add(image_id)
            case (
                b"+",
                [
                    str() as image_id,
                    str() as path,
                    int() as mtime_ns,
                    int() as size_bytes,
                    int() as ingested_epoch_ns,
                    str() as pixels_digest,
                    str() | None as beside,
                    str() as issues,
                ],
            ) if all(int64_or_none(it) is not None for it in values[2:5]):
                deleted.discard(image_id)
                added[image_id] = RecentImage(
                    SourceRow(path, image_id, mtime_ns, size_bytes, ingested_epoch_ns),
                    SourceDetail(image_id, pixels_digest, beside, issues),
                )
    return RecentImages(added=added, deleted=frozenset(deleted))
