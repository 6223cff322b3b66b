"""What people do with a dataset, each as steps that are acknowledged one by one.

A job continues where an earlier run of it was cut off: that is how it is repeated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from faults.places import VELOCITY_PARAMS, Place, pixels, pixels_digest
from kymflow.core.analysis import run_analysis
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.decisions import exclude
from kymflow.core.indexers import ImageSummary
from kymflow.core.kym_dataset.kym_dataset import KymDataset
from kymflow_zarr import IngestOutcome, ZarrDataset

Durability: TypeAlias = Literal["record", "batch", "none"]
Steps: TypeAlias = Callable[[Place, Durability], Iterator[None]]

_NEW_IMAGES = (100, 101)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job.

    Attributes:
        name: What it is called in the report.
        template: The dataset that it starts from.
        steps: Does it, yielding after each step that is acknowledged.
    """

    name: str
    template: str
    steps: Steps


def _ingest(place: Place, durability: Durability) -> Iterator[None]:
    dataset = ZarrDataset(place.dataset, durability=durability)
    yield
    yield from _acknowledged(dataset.iter_refresh(place.recordings, "a*.tif"))


def _refresh(place: Place, durability: Durability) -> Iterator[None]:
    dataset = ZarrDataset(place.dataset, "r+", durability=durability)
    yield from _acknowledged(dataset.iter_refresh(place.recordings))


def _relocate(place: Place, durability: Durability) -> Iterator[None]:
    """The recordings are elsewhere now."""
    dataset = ZarrDataset(place.dataset, "r+", durability=durability)
    dataset.sources.relocate(place.recordings, place.moved)
    yield


def _acknowledged(outcomes: Iterator[IngestOutcome]) -> Iterator[None]:
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
        yield


def _add_image(place: Place, durability: Durability) -> Iterator[None]:
    dataset = ZarrDataset(place.dataset, "r+", durability=durability)
    present = {record.pixels_digest for record in dataset.iter_records()}
    for seed in _NEW_IMAGES:
        image = pixels(seed)
        if pixels_digest(image) not in present:
            dataset.add_image(image, axes=("t", "x"), chunks=(9, 10))
        yield


def _delete_image(place: Place, durability: Durability) -> Iterator[None]:
    dataset = ZarrDataset(place.dataset, "r+", durability=durability)
    for name in ("a0.tif", "a1.tif"):
        for row in dataset.load_sources_index().to_dict("records"):
            if Path(row["source_primary_path"]).name == name:
                dataset.delete_image(row["image_id"])
                if row["image_id"] in dataset.list_image_ids():
                    raise AssertionError(f"{name} was deleted and is there")
        yield


def _analyze(place: Place, durability: Durability) -> Iterator[None]:
    """The velocity analysis: on images without results, and where there are older ones."""
    dataset = ZarrDataset(place.dataset, "r+", durability=durability)
    for outcome in run_analysis(dataset, VELOCITY, params=VELOCITY_PARAMS, overwrite=True):
        if outcome.error is not None:
            raise outcome.error
        yield


def _artifacts(place: Place, durability: Durability) -> Iterator[None]:
    """Parameters, a table, an array; old results replaced or dropped."""
    import pandas as pd

    dataset = ZarrDataset(place.dataset, "r+", durability=durability)
    records = list(dataset.iter_records())
    for record in records[:2]:
        record.save_json("flow/params", {"window": 32})
        yield
        record.save_df_parquet("flow/trace", pd.DataFrame({"t": [0.5], "v": [9.0]}))
        yield
        record.save_array_artifact("scores", np.linspace(0.0, 1.0, 7))
        yield
        record.save_array_artifact("lags", np.arange(4, dtype=np.int16))
        yield
        record.delete_analysis(suffixes=[".csv.gz"])
        yield
    for record in records[2:]:  # it has only what an ingest gave it
        record.delete_analysis()
        yield


def _decide(place: Place, durability: Durability) -> Iterator[None]:
    dataset = ZarrDataset(place.dataset, "r+", durability=durability)
    for record in dataset.iter_records():
        exclude(record, "out of focus", "a person")
        yield


def _replace_rows(place: Place, durability: Durability) -> Iterator[None]:
    import pandas as pd

    dataset = ZarrDataset(place.dataset, "r+", durability=durability)
    for image_id in dataset.list_image_ids()[:2]:
        rows = pd.DataFrame({"image_id": [image_id] * 3, "v": [10, 11, 12]})
        dataset.replace_rows_for_image_id("kym_x", image_id, rows)
        yield
    dataset.save_table("notes", pd.DataFrame({"text": ["x", "y"]}))
    yield
    dataset.save_table("further/notes", pd.DataFrame({"text": ["z"]}))
    yield
    dataset.delete_table("notes")
    yield


def _update_index(place: Place, durability: Durability) -> Iterator[None]:
    dataset = KymDataset(ZarrDataset(place.dataset, "r+", durability=durability))
    for _ in range(2):
        dataset.update_index(ImageSummary())
        yield


def _indexes(place: Place, durability: Durability) -> Iterator[None]:
    """The manifest, which is a cache, and the index of sources, which is derived."""
    dataset = ZarrDataset(place.dataset, "r+", durability=durability)
    dataset.update_manifest()
    yield
    dataset.rebuild_manifest()
    yield
    dataset.save_sources_index(dataset.load_sources_index())
    yield


def _ingest_image(place: Place, durability: Durability) -> Iterator[None]:
    dataset = ZarrDataset(place.dataset, "r+", durability=durability)
    for name in ("b0.tif", "b1.tif"):
        present = {Path(path).name for path in dataset.load_sources_index()["source_primary_path"]}
        if name not in present:
            dataset.ingest_image(place.recordings / name)
        yield


def _export(place: Place, durability: Durability) -> Iterator[None]:
    dataset = ZarrDataset(place.dataset, "r+", durability=durability)
    dataset.export_legacy_folder(place.export, table_format="parquet")
    yield


def _ingest_export(place: Place, durability: Durability) -> Iterator[None]:
    dataset = ZarrDataset(place.dataset, durability=durability)
    yield
    yield from _acknowledged(dataset.iter_refresh(place.exported))


def _upgrade(place: Place, durability: Durability) -> Iterator[None]:
    ZarrDataset(place.dataset, "r+", durability=durability).upgrade()
    yield


def _repair(place: Place, durability: Durability) -> Iterator[None]:
    ZarrDataset(place.dataset, "r+", durability=durability).repair()
    yield


JOBS = (
    Job(name="ingest", template="empty", steps=_ingest),
    Job(name="refresh", template="full", steps=_refresh),
    Job(name="refresh_many", template="noted", steps=_refresh),
    Job(name="relocate", template="full", steps=_relocate),
    Job(name="add_image", template="full", steps=_add_image),
    Job(name="delete_image", template="full", steps=_delete_image),
    Job(name="analyze", template="flow", steps=_analyze),
    Job(name="artifacts", template="full", steps=_artifacts),
    Job(name="replace_rows", template="full", steps=_replace_rows),
    Job(name="update_index", template="full", steps=_update_index),
    Job(name="ingest_image", template="full", steps=_ingest_image),
    Job(name="indexes", template="full", steps=_indexes),
    Job(name="export", template="full", steps=_export),
    Job(name="ingest_export", template="empty", steps=_ingest_export),
    Job(name="upgrade", template="format1", steps=_upgrade),
    Job(name="repair", template="untidy", steps=_repair),
)

_FOR_GUARDS = (Job(name="decide", template="full", steps=_decide),)
"""Jobs whose results differ from run to run, by the time at which something was decided."""


def find_jobs(*names: str) -> tuple[Job, ...]:
    """The jobs of these names."""
    known = {job.name: job for job in (*JOBS, *_FOR_GUARDS)}
    return tuple(known[name] for name in names)
