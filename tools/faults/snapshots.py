"""What a dataset holds, in a form that two runs of one job agree on.

Image ids and times differ from run to run: an image is known by its pixels here, and ids in tables
are replaced by that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from faults.places import Place, pixels_digest
from kymflow.core.analysis import load_result_table, load_results
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.run_log import RUN_LOG
from kymflow_zarr import (
    CorruptDataError,
    IngestError,
    NotADatasetError,
    UnreadableImageError,
    ZarrDataset,
    ZarrImageRecord,
)

Snapshot: TypeAlias = dict[str, str]
"""Thing → digest of what it holds. ``image <pixels>`` is there if the image is; its artifacts are
``image <pixels> <key>``; then ``table <name>`` and ``export``."""

_OF_THE_RUN = ("sources", RUN_LOG)
"""Tables that differ from run to run."""
VELOCITY_RESULTS = " velocity results"
_PROVENANCE_TIMES = ("created_utc", "software", "image_id")
_SOURCE_OF_THE_RUN = ("ingested_epoch_ns", "sidecars")


def take_snapshot(place: Place) -> Snapshot:
    """Everything in a place, read through the public API.

    Raises:
        KymflowZarrError: Something is damaged.
    """
    snapshot: Snapshot = {}
    try:
        dataset = ZarrDataset(place.dataset, "r")
    except NotADatasetError:
        return snapshot
    snapshot |= snapshot_of(dataset)
    export = _export_digest(place.export)
    if export is not None:
        snapshot["export"] = export
    return snapshot


def snapshot_of(dataset: ZarrDataset) -> Snapshot:
    """Everything in a dataset."""
    snapshot: Snapshot = {}
    known: dict[str, str] = {}
    for record in dataset.iter_records():
        known[record.image_id] = image_of(record)
        if known[record.image_id] in snapshot:
            snapshot[f"{known[record.image_id]} twice"] = record.image_id
        snapshot[f"{known[record.image_id]} pixels"] = known[record.image_id]
        for key, load in _record_loaders(record):
            snapshot[f"{known[record.image_id]}{key}"] = load()
    for row in dataset.load_sources_index().to_dict("records"):
        source = "/".join(Path(row["source_primary_path"]).parts[-2:])
        snapshot[f"{known[row['image_id']]} source"] = source
    for name in dataset.list_table_names():
        if name not in _OF_THE_RUN:
            # Rows of an image that is gone stay until a repair: that is reported, and no loss.
            rows = [
                row
                for row in dataset.load_table(name).to_dict("records")
                if row.get("image_id", "") in {"", *known}
            ]
            snapshot[f"table {name}"] = _digest_rows(rows, known)
    return snapshot


def read_what_can_be(
    dataset: ZarrDataset, names: Mapping[str, str] | None = None
) -> tuple[Snapshot, list[str]]:
    """All that can be read, and the keys that errors named for the rest.

    Images are called by their names, by id, or if there are none by their pixels, as they are read.
    """
    seen: Snapshot = {}
    damaged: list[str] = []
    known: dict[str, str] = dict(names or {})
    for image_id in dataset.list_image_ids():
        try:
            record = dataset.record(image_id)
            name = image_of(record)
            known.setdefault(image_id, name)
            lazy = pixels_digest(np.asarray(record.open_array()[...]))
        except CorruptDataError as error:
            damaged.append(error.key)
            continue
        seen[f"{known[image_id]} pixels"] = name
        if lazy[7:19] not in name:
            seen[f"{known[image_id]} lazily"] = lazy
        for key, load in _record_loaders(record):
            try:
                seen[f"{known[image_id]}{key}"] = load()
            except CorruptDataError as error:
                damaged.append(error.key)
    for table in dataset.list_table_names():
        try:
            rows = dataset.load_table(table).to_dict("records")
        except CorruptDataError as error:
            damaged.append(error.key)
        else:
            if table not in _OF_THE_RUN:
                seen[f"table {table}"] = _digest_rows(rows, known)
    return seen, damaged


def image_of(record: ZarrImageRecord) -> str:
    """What an image is called in a snapshot."""
    return f"image {pixels_digest(record.load_array())[7:19]}"


def _record_loaders(record: ZarrImageRecord) -> Iterator[tuple[str, Callable[[], str]]]:
    """What a record holds, and for each how to read it."""
    yield "", lambda: _digest([record.shape, record.get_axes(), record.dtype.name])
    if load_results(record, VELOCITY).results:
        yield VELOCITY_RESULTS, partial(_read_velocity, record)
    for key in record.list_analysis_keys():
        inside = key.split("/analysis/", 1)[1]
        if inside.startswith("velocity/"):
            continue
        name, _, suffix = inside.partition(".")
        yield f" {inside}", partial(_read_artifact, record, name, suffix)
    for name in record.list_array_artifacts():
        yield f" {name}/", partial(_read_array, record, name)


def _read_velocity(record: ZarrImageRecord) -> str:
    """All results of the velocity analysis; without a summary of its regions there are none.

    Parameters that no result names are left out: a run that was cut off may leave some.
    """
    tables = [load_result_table(record, VELOCITY, table.name) for table in VELOCITY.tables]
    stored = load_results(record, VELOCITY)
    used = {entry.params_hash for entry in stored.results}
    params: dict[str, Any] = {digest: stored.params[digest] for digest in sorted(used)}
    return _digest(
        [
            *(table.to_dict("list") for table in tables),
            *(asdict(entry) for entry in stored.results),
            [{k: v for k, v in one.items() if k != "image_id"} for one in params.values()],
        ]
    )


def _read_array(record: ZarrImageRecord, name: str) -> str:
    return _digest(record.load_array_artifact(name).tolist())


def _read_artifact(record: ZarrImageRecord, name: str, suffix: str) -> str:
    return _digest(_load_artifact(record, name, suffix))


def _load_artifact(record: ZarrImageRecord, name: str, suffix: str) -> object:
    match suffix:
        case "parquet":
            return record.load_df_parquet(name).to_dict("list")
        case "csv.gz":
            return record.load_df_csv_gz(name).to_dict("list")
    value = record.load_json(name)
    if name == "provenance" and isinstance(value, dict):
        value = {key: item for key, item in value.items() if key not in _PROVENANCE_TIMES}
        source = value.get("source")
        if isinstance(source, dict):
            # The digests of sidecars cover their keys, and with them the id of the image.
            sidecars = source.get("sidecars")
            value["source"] = {k: v for k, v in source.items() if k not in _SOURCE_OF_THE_RUN}
            value["sidecars"] = [*sorted(sidecars)] if isinstance(sidecars, dict) else []
    return value


def _digest_rows(rows: list[dict[Any, Any]], known: dict[str, str]) -> str:
    named = [{key: known.get(item, item) for key, item in row.items()} for row in rows]
    return _digest(sorted(json.dumps(row, sort_keys=True, default=str) for row in named))


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _export_digest(folder: Path) -> str | None:
    """The contents of an export; None where there is none, or one that says it is not complete."""
    from zarr.storage import MemoryStore

    if not folder.is_dir():
        return None
    copy = ZarrDataset(MemoryStore())
    try:
        copy.refresh_from_folder(folder)
    except UnreadableImageError as error:
        if "interrupted" in error.reason:
            return None
        raise
    except IngestError as error:
        raise CorruptDataError("export", str(error)) from error
    contents = snapshot_of(copy)
    return _digest(contents) if contents else None


def differences(found: Snapshot, before: Snapshot, after: Snapshot) -> list[str]:
    """What a snapshot holds that neither state does: each thing must be as in one of the two.

    An image that only one of them has must be there with all that state has of it, or not at all.
    """
    wrong: list[str] = []
    for thing in sorted(found.keys() | before.keys() | after.keys()):
        image = " ".join(thing.split(" ")[:2])
        allowed = [before.get(thing), after.get(thing)]
        if thing.startswith("image ") and (image in before) != (image in after):
            whole = after if image in after else before
            allowed = [whole.get(thing)] if image in found else [None]
        if thing.endswith(VELOCITY_RESULTS) and before.get(thing) != after.get(thing):
            allowed.append(None)  # results that are about to be replaced are withdrawn first
        if found.get(thing) not in allowed:
            wrong.append(f"{thing} is {found.get(thing)}, not one of {allowed}")
    return wrong
