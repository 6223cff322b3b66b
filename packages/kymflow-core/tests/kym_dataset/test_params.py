"""From a row back to the parameters that made it."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from kymflow.core import BaseIndexer, KymDataset, params_hash
from kymflow.core.errors import ParamsNotFoundError
from kymflow.core.indexers import ArtifactTable, ImageSummary
from kymflow_zarr import TableNotFoundError, ZarrDataset

PARAMS = {"window": 16, "step": 4.0, "roi": {"dim0": [0, 40]}}


@pytest.fixture
def traces() -> ArtifactTable:
    return ArtifactTable(
        name="traces", artifact="velocity/trace", params_artifact="velocity/params"
    )


@pytest.fixture
def analyzed(dataset: ZarrDataset, traces: ArtifactTable) -> KymDataset:
    """Two of three images have a trace, with their own parameters."""
    for number, image_id in enumerate(dataset.list_image_ids()[:2]):
        rec = dataset.record(image_id)
        rec.save_df_parquet("velocity/trace", pd.DataFrame({"v": [1.0, 2.0]}))
        rec.save_json("velocity/params", {**PARAMS, "number": number})
        rec.save_json("a/result", {"ns": 2**60})  # nothing that a hash could stand for
    kym = KymDataset(dataset)
    kym.update_index(traces)
    return kym


def test_from_the_records_artifact(analyzed: KymDataset) -> None:
    table = analyzed.load_index("traces")

    assert len(table) == 4
    for number, digest in enumerate(table["params_hash"].unique()):
        assert analyzed.params_for("kym_traces", digest) == {**PARAMS, "number": number}
        assert analyzed.params_for("traces", digest) == {**PARAMS, "number": number}


def test_from_an_indexer_that_documents_them(dataset: ZarrDataset) -> None:
    kym = KymDataset(dataset)
    kym.update_index(ImageSummary())

    for image_id, digest in kym.load_index("image_summary")[["image_id", "params_hash"]].to_numpy():
        found = kym.params_for("kym_image_summary", digest)
        assert found["pixels"] == dataset.record(image_id).pixels_digest
        assert params_hash(found) == digest


def test_from_an_indexer_that_is_given(dataset: ZarrDataset) -> None:
    for image_id in dataset.list_image_ids():
        dataset.record(image_id).save_df_parquet("radon", pd.DataFrame({"v": [1.0]}))
    unknown = ArtifactTable(name="radon", artifact="radon", params_artifact=None)
    kym = KymDataset(dataset)
    kym.update_index(unknown)
    (digest,) = set(kym.load_index("radon")["params_hash"])

    assert kym.params_for("kym_radon", digest, indexer=unknown) == {}
    with pytest.raises(ParamsNotFoundError):
        kym.params_for("kym_radon", digest)


def test_parameters_that_changed_since(analyzed: KymDataset, traces: ArtifactTable) -> None:
    table = analyzed.load_index("traces")
    image_id, digest = str(table["image_id"][0]), str(table["params_hash"][0])
    analyzed.ds.record(image_id).save_json("velocity/params", {"window": 64})

    with pytest.raises(ParamsNotFoundError, match=r"stale: update the index"):
        analyzed.params_for("kym_traces", digest)

    analyzed.update_index(traces)
    fresh = analyzed.load_index("traces").loc[0, "params_hash"]
    assert analyzed.params_for("kym_traces", str(fresh)) == {"window": 64}


def test_a_hash_that_no_row_has(analyzed: KymDataset) -> None:
    with pytest.raises(ParamsNotFoundError, match="no image has a row"):
        analyzed.params_for("kym_traces", "0" * 64)
    with pytest.raises(KeyError):
        analyzed.params_for("kym_traces", "0" * 64)


def test_a_table_that_does_not_exist(
    dataset: ZarrDataset, make_indexer: Callable[..., BaseIndexer]
) -> None:
    with pytest.raises(TableNotFoundError):
        KymDataset(dataset).params_for("kym_nothing", "0" * 64)


def test_one_document_per_region_under_its_hash(
    dataset: ZarrDataset, make_indexer: Callable[..., BaseIndexer]
) -> None:
    regions = [{"roi": 1, "window": 16}, {"roi": 2, "window": 16}]
    rec = dataset.record(dataset.list_image_ids()[0])
    rec.save_json("velocity/params", {params_hash(region): region for region in regions})
    kym = KymDataset(dataset)
    indexer = make_indexer(lambda _: pd.DataFrame({"v": [1]}))
    hash_of = params_hash(regions[1])
    rows = pd.DataFrame(
        {"image_id": [rec.image_id], "analysis_version": ["1"], "params_hash": [hash_of]}
    )
    dataset.save_table(f"kym_{indexer.name}", rows)

    assert kym.params_for("kym_probe", hash_of) == regions[1]
