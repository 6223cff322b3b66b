"""`ArtifactTable` lifts artifacts as they are."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from kymflow.core import KymDataset, params_hash
from kymflow.core.analysis import run_analysis
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.errors import IndexerFailedError, IndexUpdateError, RowError
from kymflow.core.indexers import ArtifactTable
from kymflow.core.testing import check_indexer, sample_dataset
from kymflow_zarr import ZarrDataset

TRACES = ArtifactTable(name="traces", artifact="velocity/trace", params_artifact="velocity/params")


def test_rows_parameters_and_version(dataset: ZarrDataset) -> None:
    first, second, _ = dataset.list_image_ids()
    for image_id, speeds in ((first, [1.5, None]), (second, [2.5])):
        rec = dataset.record(image_id)
        rec.save_df_parquet("velocity/trace", pd.DataFrame({"time_s": 0.1, "v": speeds}))
        rec.save_json("velocity/params", {"window": len(speeds)})

    KymDataset(dataset).update_index(TRACES)

    table = dataset.load_table("kym_traces")
    assert list(table["image_id"]) == [first, first, second]
    assert list(table["v"].fillna(-1)) == [1.5, -1, 2.5]
    assert set(table["analysis_version"]) == {"unknown"}
    assert list(table["params_hash"]) == [
        *[params_hash({"window": 2})] * 2,
        params_hash({"window": 1}),
    ]


def test_traces_of_several_regions_lead_back_to_the_parameters_of_each(tmp_path: Path) -> None:
    dataset = sample_dataset(tmp_path / "sample.zarr")
    for outcome in run_analysis(dataset, VELOCITY):
        assert outcome.error is None
    kymographs = KymDataset(dataset)

    kymographs.update_index(TRACES)

    table = kymographs.load_index("traces")
    assert set(table["image_id"]) == set(dataset.list_image_ids())
    for image_id, digest in table[["image_id", "params_hash"]].drop_duplicates().to_numpy():
        document = kymographs.params_for("kym_traces", digest, indexer=TRACES)
        assert params_hash(document) == digest
        assert document["pixels_digest"] == dataset.record(image_id).pixels_digest
    assert check_indexer(TRACES, dataset) == []


def test_a_row_that_names_parameters_that_are_not_there(dataset: ZarrDataset) -> None:
    rec = dataset.record(dataset.list_image_ids()[0])
    document = {"window": 16}
    rows = pd.DataFrame({"v": [1.0, 2.0], "params_hash": [params_hash(document), "0" * 64]})
    rec.save_df_parquet("velocity/trace", rows)
    rec.save_json("velocity/params", {params_hash(document): document})
    with pytest.raises(
        IndexerFailedError, match=r"'velocity/params' of image .* does not hold them"
    ):
        KymDataset(dataset).update_index(TRACES)


def test_parameters_that_should_be_there(dataset: ZarrDataset) -> None:
    lacking, wrong, _ = dataset.list_image_ids()
    for image_id in (lacking, wrong):
        dataset.record(image_id).save_df_parquet("velocity/trace", pd.DataFrame({"v": [1.0]}))
    dataset.record(wrong).save_json("velocity/params", [1, 2])

    with pytest.raises(IndexUpdateError) as caught:
        KymDataset(dataset).update_index(TRACES, on_error="collect")

    assert list(caught.value.failures) == [lacking, wrong]
    assert "no artifact 'velocity/params'" in str(caught.value)
    assert "a list, not an object" in str(caught.value)


def test_an_artifact_that_names_another_image(dataset: ZarrDataset) -> None:
    rec = dataset.record(dataset.list_image_ids()[0])
    rec.save_df_parquet("copied", pd.DataFrame({"image_id": ["another"], "v": [1.0]}))
    copied = ArtifactTable(name="copied", artifact="copied", params_artifact=None)

    with pytest.raises(RowError, match="'another'"):
        KymDataset(dataset).update_index(copied)


def test_a_version_is_that_of_the_artifact_or_unknown(dataset: ZarrDataset) -> None:
    first, second, _ = dataset.list_image_ids()
    for image_id, said in ((first, {}), (second, {"analysis_version": "7"})):
        rec = dataset.record(image_id)
        rec.save_df_parquet("velocity/trace", pd.DataFrame({"v": [1.0], **said}))
        rec.save_json("velocity/params", {"window": 1})
    KymDataset(dataset).update_index(TRACES)
    table = dataset.load_table("kym_traces")
    assert list(table["analysis_version"]) == ["unknown", "7"]
