"""JSON, table and array artifacts of a record."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from kymflow_zarr import (
    ArtifactNotFoundError,
    CorruptDataError,
    ImageNotFoundError,
    InvalidNameError,
    MetadataNotFoundError,
    SchemaValidationError,
    ZarrDataset,
    ZarrImageRecord,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"))
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture
def record(dataset: ZarrDataset) -> ZarrImageRecord:
    return dataset.add_image(np.ones((4, 3), np.uint8), axes=("t", "x"))


@pytest.fixture
def on_disk(disk: ZarrDataset) -> tuple[ZarrImageRecord, Path]:
    """A record and its folder."""
    record = disk.add_image(np.ones((4, 3), np.uint8), axes=("t", "x"))
    return record, Path(disk.location) / "images" / record.image_id


@given(DOCUMENTS)
def test_json_comes_back_equal(document: object) -> None:
    dataset = ZarrDataset(MemoryStore())
    record = dataset.add_image(np.ones((1, 1)), axes=("t", "x"))
    record.save_json("x", document)  # type: ignore[arg-type]  # drawn from JSON's values
    assert record.load_json("x") == document


def test_json_lies_as_text_that_a_person_can_open(
    on_disk: tuple[ZarrImageRecord, Path],
) -> None:
    record, folder = on_disk
    key = record.save_json("velocity/params", {"window": 16, "unit": "µm"})
    assert key == f"images/{record.image_id}/analysis/velocity/params.json"
    text = (folder / "analysis" / "velocity" / "params.json").read_text(encoding="utf-8")
    assert text == '{\n  "window": 16,\n  "unit": "µm"\n}\n'


def test_a_legacy_gz_serves_until_there_is_a_json(
    on_disk: tuple[ZarrImageRecord, Path],
) -> None:
    record, folder = on_disk
    legacy = folder / "analysis" / "old.json.gz"
    legacy.write_bytes(gzip.compress(json.dumps({"from": "gz"}).encode()))
    assert record.load_json("old") == {"from": "gz"}
    assert f"images/{record.image_id}/analysis/old.json.gz" in record.list_analysis_keys()
    record.save_json("old", {"from": "json"})
    assert record.load_json("old") == {"from": "json"}
    assert legacy.exists()


def test_plain_text_under_the_legacy_name_is_read_too(
    on_disk: tuple[ZarrImageRecord, Path],
) -> None:
    record, folder = on_disk
    (folder / "analysis" / "plain.json.gz").write_text('{"a": 1}', encoding="utf-8")
    assert record.load_json("plain") == {"a": 1}


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"\xff\xfe", b"[" * 100 + b"]" * 100],
)
@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_a_damaged_json_names_its_key_and_is_never_missing(
    on_disk: tuple[ZarrImageRecord, Path], damage: bytes, suffix: str
) -> None:
    record, folder = on_disk
    (folder / "analysis" / f"bad{suffix}").write_bytes(damage)
    with pytest.raises(CorruptDataError) as caught:
        record.load_json("bad")
    assert caught.value.key == f"images/{record.image_id}/analysis/bad{suffix}"
    assert not isinstance(caught.value, KeyError)


def test_a_gzip_bomb_is_refused_before_it_fills_the_memory(
    on_disk: tuple[ZarrImageRecord, Path],
) -> None:
    record, folder = on_disk
    bomb = gzip.compress(b"[" + b"0," * (40 * 2**20) + b"0]")
    (folder / "analysis" / "bomb.json.gz").write_bytes(bomb)
    with pytest.raises(CorruptDataError, match="decompresses to more than"):
        record.load_json("bomb")


@pytest.mark.parametrize(
    "value",
    [{"a": float("nan")}, {"a": float("inf")}, {"a": np.float64(1.0)}, {1: "a"}, {"a": {1}}],
)
def test_what_is_not_json_is_refused(record: ZarrImageRecord, value: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        record.save_json("x", value)
    with pytest.raises(ArtifactNotFoundError):
        record.load_json("x")


def test_what_is_not_there(record: ZarrImageRecord) -> None:
    with pytest.raises(KeyError, match="no artifact 'x'"):
        record.load_json("x")
    with pytest.raises(KeyError, match="no artifact 'x'"):
        record.load_df_parquet("x")
    with pytest.raises(KeyError, match="no artifact 'x'"):
        record.load_df_csv_gz("x")
    with pytest.raises(FileNotFoundError, match="no artifact 'x'"):
        record.load_array_artifact("x")
    with pytest.raises(MetadataNotFoundError, match="save_metadata_payload"):
        record.load_metadata_payload()


def test_metadata_payload_keeps_what_it_does_not_know(record: ZarrImageRecord) -> None:
    payload = {"rois": [{"id": 1, "odd": True}], "mine": {"x": [1, 2.5, None]}}
    record.save_metadata_payload(payload)
    assert record.load_metadata_payload() == payload


@pytest.mark.parametrize("payload", [[1, 2], None, "x"])
def test_a_metadata_payload_that_is_not_an_object_is_refused(
    record: ZarrImageRecord, payload: Any
) -> None:
    for save in (
        record.save_metadata_payload,
        lambda value: record.save_json("metadata", value),
        lambda value: record.artifacts.save("provenance", value, "json"),
    ):
        with pytest.raises(SchemaValidationError, match="is a JSON object, not a"):
            save(payload)
    with pytest.raises(MetadataNotFoundError):
        record.load_metadata_payload()


def test_a_metadata_payload_that_someone_spoiled_is_damaged(disk: ZarrDataset) -> None:
    record = disk.add_image(np.zeros((3, 2)), axes=("t", "x"))
    key = record.save_metadata_payload({})
    Path(disk.location, key).write_text("[1, 2]")
    with pytest.raises(CorruptDataError, match="not a JSON object"):
        record.load_metadata_payload()


def test_tables_come_back_with_their_types(record: ZarrImageRecord) -> None:
    frame = pd.DataFrame(
        {
            "time_s": [0.1, np.nan],
            "n": pd.array([1, None], dtype="Int64"),
            "ok": pd.array([True, None], dtype="boolean"),
            "note": ["a", None],
        }
    )
    record.save_df_parquet("velocity/trace", frame)
    pd.testing.assert_frame_equal(record.load_df_parquet("velocity/trace"), frame)
    record.save_df_csv_gz("velocity/plain", frame[["time_s", "note"]])
    pd.testing.assert_frame_equal(
        record.load_df_csv_gz("velocity/plain"), frame[["time_s", "note"]], check_dtype=False
    )


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"good": [1, 2], "mixed": [1, "a"]}), "column 'mixed'"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "'a' appears twice"),
        (pd.DataFrame({1: [1]}), "the name 1, but a name must be text"),
        (pd.DataFrame({"o": [object()]}), "column 'o'"),
    ],
)
def test_a_column_that_parquet_cannot_hold_is_named(
    record: ZarrImageRecord, frame: pd.DataFrame, message: str
) -> None:
    with pytest.raises(SchemaValidationError, match=message):
        record.save_df_parquet("x", frame)


def test_lists_of_numbers_are_arrays_too(record: ZarrImageRecord) -> None:
    record.save_array_artifact("events", [[1, 2], [3, 4]], axes=("event", "side"))
    np.testing.assert_array_equal(record.load_array_artifact("events"), [[1, 2], [3, 4]])
    with pytest.raises(SchemaValidationError, match="rows of equal length"):
        record.save_array_artifact("events", [[1, 2], [3]])
    with pytest.raises(SchemaValidationError, match=r"filled\(\)"):
        record.save_array_artifact("events", np.ma.masked_equal([1, 2], 2))
    assert record.load_array_artifact("events").shape == (2, 2)


def test_array_artifacts_are_replaced_whole(record: ZarrImageRecord) -> None:
    record.save_array_artifact("scores", np.arange(12.0).reshape(3, 4), axes=("window", "speed"))
    record.save_array_artifact("scores", np.arange(5, dtype=np.int16))
    record.save_array_artifact("mask", np.array([True, False]))
    np.testing.assert_array_equal(record.load_array_artifact("scores"), np.arange(5))
    assert record.list_array_artifacts() == ["mask", "scores"]
    with pytest.raises(InvalidNameError):
        record.save_array_artifact("a/b", np.ones(2))
    with pytest.raises(SchemaValidationError):
        record.save_array_artifact("objects", np.array([{}], dtype=object))


def test_deleting_results_keeps_what_the_record_is(record: ZarrImageRecord) -> None:
    record.save_metadata_payload({"rois": []})
    record.save_json("velocity/params", {})
    record.save_df_parquet("velocity/trace", pd.DataFrame({"a": [1]}))
    assert record.delete_analysis(suffixes=[".parquet"]) == [
        f"images/{record.image_id}/analysis/velocity/trace.parquet"
    ]
    assert record.delete_analysis() == [f"images/{record.image_id}/analysis/velocity/params.json"]
    assert [key.rsplit("/", 1)[1] for key in record.list_analysis_keys()] == [
        "metadata.json",
        "provenance.json",
    ]
    with pytest.raises(SchemaValidationError, match="unknown artifact suffix"):
        record.delete_analysis(suffixes=[".tif"])


@pytest.mark.parametrize("columns", [[], ["a"], ["a", "b"]])
def test_an_empty_table_comes_back_in_each_form(
    record: ZarrImageRecord, columns: list[str]
) -> None:
    frame = pd.DataFrame({name: pd.Series([], dtype="float64") for name in columns})
    record.save_df_csv_gz("x", frame)
    record.save_df_parquet("x", frame)
    assert record.load_df_csv_gz("x").columns.tolist() == columns
    assert record.load_df_parquet("x").columns.tolist() == columns


def test_nothing_is_written_for_an_image_that_was_deleted_meanwhile(
    dataset: ZarrDataset, record: ZarrImageRecord
) -> None:
    record.save_json("before", 1)
    dataset.delete_image(record.image_id)
    for write in (
        lambda: record.save_json("x", 1),
        lambda: record.save_df_parquet("x", pd.DataFrame({"v": [1]})),
        lambda: record.save_array_artifact("x", np.arange(3)),
        record.delete_analysis,
    ):
        with pytest.raises(ImageNotFoundError):
            write()
    assert dataset.check(deep=True) == []


def test_a_small_file_of_very_much_csv_is_refused(disk: ZarrDataset) -> None:
    record = disk.add_image(np.zeros((3, 2)), axes=("t", "x"))
    key = record.save_df_csv_gz("x", pd.DataFrame({"v": [1.5]}))
    packed = gzip.compress(b"v\n" + b"1.5\n" * 2**25, 1)
    Path(disk.location, key).write_bytes(packed)
    assert len(packed) < 2**20
    with pytest.raises(CorruptDataError, match="decompresses to more than"):
        record.load_df_csv_gz("x")
