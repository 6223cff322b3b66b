"""Pixels and results of a dataset. The ``source_key`` is the record's ``image_id``."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._readers.headers.payload import read_payload_header
from kymflow_zarr._records.facts import OWN_NAMES
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr.errors import (
    ArtifactNotFoundError,
    ExportError,
    ImageNotFoundError,
    IngestError,
    UnreadableImageError,
)
from kymflow_zarr.experimental_stores.stores.base import (
    Artifact,
    ArtifactStore,
    PixelFacts,
    channel_index,
)
from kymflow_zarr.record import ZarrImageRecord, load_header

if TYPE_CHECKING:
    from kymflow_zarr.dataset import ZarrDataset

logger = logging.getLogger(__name__)


class ZarrPixelStore:
    """Reads the records of a dataset. See `base.PixelStore`."""

    def __init__(self, dataset: ZarrDataset) -> None:
        self._dataset = dataset

    def load_facts(self, source_key: str) -> PixelFacts:
        """What the record and its metadata payload say."""
        record = self._dataset.record(source_key)
        facts = read_payload_header(load_header(record), shape=record.shape)
        return PixelFacts(
            shape=record.shape,
            dtype=record.dtype.name,
            axes=record.get_axes(),
            scale={axis: step.value for axis, step in facts.steps.items()},
            unit={axis: step.unit for axis, step in facts.steps.items()},
            acquired_local_epoch_ns=facts.acquired_local_epoch_ns,
        )

    def get_channel(self, source_key: str, channel: int) -> AnyArray:
        """One channel's pixels; of the others, only chunks that they share are read."""
        record = self._dataset.record(source_key)
        axes = record.get_axes()
        if "c" not in axes:
            channel_index(source_key, channel, 1)
            return record.load_array()
        at = axes.index("c")
        index = channel_index(source_key, channel, record.shape[at])
        region: tuple[int | slice, ...] = (*[slice(None)] * at, index)
        whole: AnyArray = np.asarray(record.open_array()[region])
        return whole

    def acquisition_times(self, source_keys: Iterable[str]) -> dict[str, int | None]:
        """Each image's acquisition time, from the dataset's manifest."""
        manifest = self._dataset.load_manifest()
        times: dict[str, int | None] = {}
        for source_key in source_keys:
            entry = manifest.entries.get(source_key)
            if entry is None and source_key not in manifest.damaged:
                raise ImageNotFoundError(source_key)
            if entry is None:
                logger.warning(
                    "its acquisition time counts as unknown: %s", manifest.damaged[source_key]
                )
            times[source_key] = None if entry is None else entry.acquired_local_epoch_ns
        return times

    def ingest_into_dataset(self, source_key: str, dataset: ZarrDataset) -> ZarrImageRecord:
        """Copy the image with its id and all its results, unless the dataset already has it."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "export"
            try:
                self._dataset.export_legacy_folder(
                    folder, include_tables=False, table_format="parquet", image_ids=[source_key]
                )
                dataset.ingest_legacy_folder(folder)
            except (ExportError, IngestError) as error:
                reasons = "; ".join(error.failures.values())
                raise UnreadableImageError(Path(source_key), reasons) from error
        return dataset.record(source_key)


class ZarrArtifactStore(ArtifactStore):
    """Reads and writes the artifacts of a dataset's records. See `base.ArtifactStore`."""

    def __init__(self, dataset: ZarrDataset) -> None:
        self._dataset = dataset

    def load_metadata_payload(self, source_key: str) -> dict[str, JsonValue]:
        """The record's metadata payload."""
        return self._dataset.record(source_key).load_metadata_payload()

    def save_metadata_payload(self, source_key: str, payload: Mapping[str, Any]) -> None:
        """Replace the record's metadata payload."""
        self._dataset.record(source_key).save_metadata_payload(payload)

    def list_artifacts(self, source_key: str) -> tuple[Artifact, ...]:
        """The record's results, without what it keeps its own facts in."""
        found = {
            (artifact.name, artifact.kind)
            for artifact in self._dataset.record(source_key).artifacts.entries()
        }
        return tuple(
            Artifact(name=name, kind=kind)
            for name, kind in sorted(found)
            if not (kind == "json" and name in OWN_NAMES)
        )

    def load(self, source_key: str, name: str, kind: str) -> Any:
        """An artifact; of a table that is not there as Parquet, that in gzipped CSV."""
        artifacts = self._dataset.record(source_key).artifacts
        try:
            return artifacts.load(name, kind)
        except ArtifactNotFoundError:
            if kind != "table":
                raise
            return artifacts.load(name, "csv")

    def save(self, source_key: str, name: str, value: Any, kind: str) -> None:
        """Write an artifact."""
        self._dataset.record(source_key).artifacts.save(name, value, kind)
