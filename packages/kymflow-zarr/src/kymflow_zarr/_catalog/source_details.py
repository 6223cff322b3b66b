"""What is known of images that came from files, besides the columns of the sources index.

``index/source_details.parquet`` saves reading it from the provenance of each record, and may be
lost at any time.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kymflow_zarr._catalog.recent_sources import read_recent
from kymflow_zarr._catalog.recorded_source import read_provenance
from kymflow_zarr._catalog.source_detail import SourceDetail, source_detail
from kymflow_zarr._catalog.source_issue import issues_from_json
from kymflow_zarr._catalog.sources import BesideState, int64_or_none
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.json_text import JsonObject, JsonValue, json_object
from kymflow_zarr._tables.parquet import read_parquet, write_parquet
from kymflow_zarr.errors import CorruptDataError

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

_KEY = "index/source_details.parquet"


class SourceDetails:
    """The details of a dataset's images, each read at most once."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._changed: dict[str, SourceDetail] = {}

    @property
    def changed(self) -> bool:
        """Whether there is something for `save` to keep."""
        return bool(self._changed)

    def beside(self, image_ids: Collection[str]) -> Mapping[str, str | None]:
        """What lay beside the files of images, see `SourceDetail`."""
        details = self.of(image_ids)
        return {image_id: details[image_id].beside for image_id in image_ids}

    def of(self, image_ids: Collection[str]) -> Mapping[str, SourceDetail]:
        """The details of all images that are known, these among them if they can be read."""
        for image_id in image_ids:
            if image_id not in self._known:
                self.put(_read(self._blobs, image_id))
        return self._known

    def put(self, detail: SourceDetail) -> None:
        """Take note of an image's details; `save` keeps them."""
        self._known[detail.image_id] = self._changed[detail.image_id] = detail

    def save(self, image_ids: Collection[str]) -> None:
        """Keep the details of the images that exist, those that another run has kept among them."""
        known = {**_load(self._blobs), **self._changed}
        kept = [known[image_id] for image_id in sorted(image_ids) if image_id in known]
        write_parquet(self._blobs, _KEY, _to_table(kept), sorted_by="image_id")
        self._changed.clear()

    @cached_property
    def _known(self) -> dict[str, SourceDetail]:
        return _load(self._blobs)


def _read(blobs: BlobStore, image_id: str) -> SourceDetail:
    said: JsonObject = {}
    try:
        said = read_provenance(blobs, image_id) or {}
    except CorruptDataError as error:
        logger.warning("what image %r was made of is unknown: %s", image_id, error)
    digest, facts = said.get("pixels_digest"), json_object(said.get("source"))
    return source_detail(
        image_id,
        pixels_digest=digest if isinstance(digest, str) else "",
        beside=_beside(facts.get("beside")),
        issues=issues_from_json(facts.get("issues")),
    )


def _beside(value: JsonValue) -> BesideState | None:
    """What lay beside a file, from a provenance; None where that does not say."""
    if not isinstance(value, list):
        return None
    found: list[tuple[str, int, int]] = []
    for item in value:
        if not isinstance(item, list) or len(item) != 3:
            return None
        name, mtime_ns, size = item[0], int64_or_none(item[1]), int64_or_none(item[2])
        if not isinstance(name, str) or mtime_ns is None or size is None:
            return None
        found.append((name, mtime_ns, size))
    return tuple(found)


def _load(blobs: BlobStore) -> dict[str, SourceDetail]:
    recent = {image_id: image.detail for image_id, image in read_recent(blobs).added.items()}
    return {**recent, **_load_table(blobs)}


def _load_table(blobs: BlobStore) -> dict[str, SourceDetail]:
    try:
        table = read_parquet(blobs, _KEY)
    except CorruptDataError as error:
        logger.warning("details of the sources are read from the records instead: %s", error)
        return {}
    if table is None or not table.schema.equals(_schema()):
        return {}
    columns: list[list[Any]] = [column.to_pylist() for column in table.columns]
    return {row[0]: SourceDetail._make(row) for row in zip(*columns, strict=True)}


def _to_table(details: Iterable[SourceDetail]) -> pa.Table:
    import pyarrow as pa

    columns: list[Any] = [*zip(*details, strict=True)] or [()] * len(SourceDetail._fields)
    return pa.table(dict(zip(SourceDetail._fields, columns, strict=True)), schema=_schema())


def _schema() -> pa.Schema:
    import pyarrow as pa

    names = {"image_id": False, "pixels_digest": False, "beside": True, "issues": False}
    return pa.schema([pa.field(name, pa.string(), nullable=null) for name, null in names.items()])
