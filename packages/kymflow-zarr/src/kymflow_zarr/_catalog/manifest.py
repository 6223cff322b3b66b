"""The manifest: a cache of what each record says of itself, so that sorting need not open them all.

It is never the truth: the store is asked each time which images exist; an entry counts only as
long as the documents that it was read from have not changed; a lost or damaged manifest costs
time and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from kymflow_zarr._artifacts.json_kind import JSON
from kymflow_zarr._catalog.listing import IMAGES
from kymflow_zarr._catalog.recorded_source import read_provenance
from kymflow_zarr._catalog.sources import SourceRow, int64_or_none, source_from_provenance
from kymflow_zarr._records.document import image_folder
from kymflow_zarr._records.facts import METADATA, PROVENANCE
from kymflow_zarr._records.stored import analysis_keys
from kymflow_zarr._storage.blobs import COMMIT_KEY, BlobStore
from kymflow_zarr._storage.json_text import json_object
from kymflow_zarr._storage.refusal import is_per_file_error
from kymflow_zarr._storage.side_by_side import side_by_side
from kymflow_zarr.errors import CorruptDataError, ImageNotFoundError
from kymflow_zarr.record import load_header, open_record

logger = logging.getLogger(__name__)

_DOCUMENTS = (COMMIT_KEY, *JSON.paths(METADATA), JSON.path(PROVENANCE))
"""What an entry is read from, relative to the image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """What is known of one image without opening it.

    Attributes:
        image_id: The image's id.
        created_utc: When its record was created, ISO 8601 in UTC.
        acquired_local_epoch_ns: When it was recorded, by the clock in the room, as ns since
            1970; None if unknown.
        shape: The pixels' shape.
        dtype: The pixels' type.
        axes: A name for each dimension.
        source: The file that it was made of; None if there is none.
        stamp: A number that differs once the documents that this was read from do; 0 in a store
            that does not tell.
        analysis_keys: The keys of its artifacts but arrays, sorted; None if not asked for.
    """

    image_id: str
    created_utc: str
    acquired_local_epoch_ns: int | None
    shape: tuple[int, ...]
    dtype: str
    axes: tuple[str, ...]
    source: SourceRow | None
    stamp: int
    analysis_keys: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One entry per image that exists, by image id, sorted.

    Attributes:
        entries: The entries.
        damaged: The images whose records had to be read and could not be → why.
        reread: How many entries had to be read from their records.
    """

    entries: Mapping[str, ManifestEntry]
    damaged: Mapping[str, CorruptDataError]
    reread: int


def build_manifest(
    blobs: BlobStore, image_ids: Iterable[str], cached: Mapping[str, ManifestEntry]
) -> Manifest:
    """A manifest of these images; only what the cache lacks, or has out of date, is read."""
    ids = list(image_ids)
    stamps = blobs.stamps(IMAGES, ids, _DOCUMENTS)

    def look(image_id: str) -> tuple[ManifestEntry, bool] | CorruptDataError | None:
        entry, stamp = cached.get(image_id), stamps[image_id]
        if entry is not None and stamp and entry.stamp == stamp:
            return entry, False
        try:
            return _read_entry(blobs, image_id, stamp), True
        except CorruptDataError as error:
            return error
        except ImageNotFoundError:  # deleted since it was listed
            return None
        except OSError as error:
            if not is_per_file_error(error):
                raise
            reason = f"the system refuses to read it: {error}"
            return CorruptDataError(image_folder(image_id), reason)

    entries: dict[str, ManifestEntry] = {}
    damaged: dict[str, CorruptDataError] = {}
    reread = 0
    for image_id, found in zip(ids, side_by_side(blobs, look, ids), strict=True):
        if isinstance(found, CorruptDataError):
            damaged[image_id] = found
        elif found is not None:
            entries[image_id], was_read = found
            reread += was_read
    return Manifest(entries=entries, damaged=damaged, reread=reread)


def with_analysis_keys(blobs: BlobStore, manifest: Manifest) -> Manifest:
    """A manifest whose entries list the images' artifacts."""
    found = side_by_side(blobs, partial(analysis_keys, blobs), manifest.entries)
    entries = {
        image_id: replace(entry, analysis_keys=tuple(keys))
        for (image_id, entry), keys in zip(manifest.entries.items(), found, strict=True)
    }
    return replace(manifest, entries=entries)


def with_sources(manifest: Manifest, rows: Mapping[str, SourceRow]) -> Manifest:
    """A manifest that knows where files are now: provenances keep where they were ingested from."""
    entries = {
        image_id: entry
        if rows.get(image_id, entry.source) == entry.source
        else replace(entry, source=rows[image_id])
        for image_id, entry in manifest.entries.items()
    }
    return replace(manifest, entries=entries)


def _read_entry(blobs: BlobStore, image_id: str, stamp: int) -> ManifestEntry:
    record = open_record(blobs, image_id, writable=False)
    header = json_object(load_header(record))
    return ManifestEntry(
        image_id=image_id,
        created_utc=record.created_utc,
        acquired_local_epoch_ns=int64_or_none(header.get("acquired_local_epoch_ns")),
        shape=record.shape,
        dtype=record.dtype.name,
        axes=record.get_axes(),
        source=source_from_provenance(image_id, read_provenance(blobs, image_id)),
        stamp=stamp,
    )


def read_provenance_source(blobs: BlobStore, image_id: str) -> SourceRow | None:
    """The sources row that an image's provenance stands for; None if it names no file."""
    try:
        return source_from_provenance(image_id, read_provenance(blobs, image_id))
    except CorruptDataError as error:
        logger.warning("which file image %r was made of is unknown: %s", image_id, error)
        return None
