"""The rules of `KymDataset`, each through a table that a run leaves behind."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pandas as pd
import pytest

from kymflow.core import BaseIndexer, KymDataset, params_hash
from kymflow.core.errors import TableNameError
from kymflow_zarr import ReadOnlyError, ZarrDataset, ZarrImageRecord

MakeIndexer = Callable[..., BaseIndexer]
PROVENANCE = ["image_id", "analysis_version", "params_hash"]


def two_rows(rec: ZarrImageRecord) -> pd.DataFrame:
    pixels = rec.load_array()
    return pd.DataFrame(
        {"half": ["top", "bottom"], "mean": [pixels[:20].mean(), pixels[20:].mean()]}
    )


def test_indexer_row_insertion(dataset: ZarrDataset, make_indexer: MakeIndexer) -> None:
    update = KymDataset(dataset).update_index(make_indexer(two_rows))

    table = dataset.load_table("kym_probe")
    assert (update.table, update.images, update.rows) == ("kym_probe", 3, 6)
    assert list(table.columns) == [*PROVENANCE, "half", "mean"]
    for image_id in dataset.list_image_ids():
        own = table[table["image_id"] == image_id]
        assert list(own["half"]) == ["top", "bottom"], "rows keep the indexer's order"
        expected = dataset.record(image_id).load_array().reshape(2, -1).mean(axis=1)
        assert list(own["mean"]) == list(expected)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("Probe", "a name must match"),
        ("1probe", "a name must match"),
        ("pro-be", "a name must match"),
        ("pro/be", "a name must match"),
        ("../probe", "a name must match"),
        ("probe\n", "a name must match"),
        ("", "a name must match"),
        ("größe", "a name must match"),
        ("a" * 101, "longer than 100"),
        ("kym_probe", "prefix 'kym_' is reserved"),
        ("tables", "prefix 'tables' is reserved"),
        ("tables_of_mine", "prefix 'tables' is reserved"),
        ("index_of_mine", "prefix 'index' is reserved"),
        ("sources", "prefix 'sources' is reserved"),
        (7, "a name must be text"),
    ],
)
def test_table_name_enforcement(
    dataset: ZarrDataset, make_indexer: MakeIndexer, name: object, rule: str
) -> None:
    with pytest.raises(TableNameError, match=rule) as caught:
        KymDataset(dataset).update_index(make_indexer(two_rows, name=name))

    assert caught.value.name == name
    assert rule in caught.value.rule
    assert dataset.list_table_names() == []


def test_a_table_that_no_indexer_made_is_never_overwritten(
    dataset: ZarrDataset, make_indexer: MakeIndexer
) -> None:
    mine = pd.DataFrame({"image_id": ["a"], "note": ["by hand"]})
    dataset.save_table("kym_probe", mine)

    with pytest.raises(TableNameError, match="no text column 'analysis_version'"):
        KymDataset(dataset).update_index(make_indexer(two_rows))

    pd.testing.assert_frame_equal(dataset.load_table("kym_probe"), mine)


def test_params_hash_written(dataset: ZarrDataset, make_indexer: MakeIndexer) -> None:
    indexer = make_indexer(two_rows, params={"window": 16, "step": 4.0}, version="2.1")

    KymDataset(dataset).update_index(indexer)

    table = dataset.load_table("kym_probe")
    assert set(table["analysis_version"]) == {"2.1"}
    for image_id, written in zip(table["image_id"], table["params_hash"], strict=True):
        digest = dataset.record(image_id).pixels_digest
        # Another order of keys and another kind of number mean the same.
        assert written == params_hash({"pixels": digest, "step": 4, "window": 16.0})


def test_replace_rows_semantics(
    dataset: ZarrDataset,
    make_indexer: MakeIndexer,
    add_images: Callable[[ZarrDataset, int], list[str]],
) -> None:
    kym = KymDataset(dataset)
    other = make_indexer(two_rows, name="other")
    kym.update_index(other)
    kym.update_index(make_indexer(lambda _: pd.DataFrame({"run": [1, 1]})))
    gone, *kept = dataset.list_image_ids()
    dataset.delete_image(gone)
    other_before = dataset.load_table("kym_other")
    assert set(other_before["image_id"]) == set(kept)
    (new,) = add_images(dataset, 1)

    kym.update_index(make_indexer(lambda _: pd.DataFrame({"run": [2]})))

    table = dataset.load_table("kym_probe")
    assert list(table["image_id"]) == sorted([*kept, new]), "one row each, sorted, none of the gone"
    assert set(table["run"]) == {2}
    pd.testing.assert_frame_equal(dataset.load_table("kym_other"), other_before)
    assert kym.list_indexes() == ["other", "probe"]


def test_an_empty_dataset_makes_an_empty_table(
    empty: ZarrDataset, make_indexer: MakeIndexer
) -> None:
    update = KymDataset(empty).update_index(make_indexer(two_rows))

    assert update.rows == 0
    assert list(KymDataset(empty).load_index("probe").columns) == PROVENANCE


def test_images_that_lose_their_rows_keep_the_schema(
    dataset: ZarrDataset, make_indexer: MakeIndexer
) -> None:
    kym = KymDataset(dataset)
    kym.update_index(make_indexer(two_rows))
    before = dataset.table_schema("kym_probe")

    kym.update_index(make_indexer(lambda _: pd.DataFrame(columns=["half", "mean"])))

    after = dataset.table_schema("kym_probe")
    assert before is not None
    assert after is not None
    assert before.equals(after)
    assert dataset.table_row_count("kym_probe") == 0


def test_an_unknown_mode_is_refused(dataset: ZarrDataset, make_indexer: MakeIndexer) -> None:
    with pytest.raises(ValueError, match="unknown mode 'append'; only 'replace' and 'incremental'"):
        KymDataset(dataset).update_index(make_indexer(two_rows), mode="append")  # type: ignore[arg-type]


def test_what_is_not_an_indexer_is_refused(dataset: ZarrDataset) -> None:
    with pytest.raises(TypeError, match="is not an indexer"):
        KymDataset(dataset).update_index(object())  # type: ignore[arg-type]


def test_an_indexer_class_in_place_of_an_indexer_is_refused(
    dataset: ZarrDataset, make_indexer: MakeIndexer
) -> None:
    with pytest.raises(TypeError, match="pass an object"):
        KymDataset(dataset).update_index(type(make_indexer(two_rows)))  # type: ignore[arg-type]


def test_unchanged_parameters_are_counted_and_logged(
    dataset: ZarrDataset, make_indexer: MakeIndexer, caplog: pytest.LogCaptureFixture
) -> None:
    kym = KymDataset(dataset)
    assert kym.update_index(make_indexer(two_rows)).unchanged_params == 0

    with caplog.at_level(logging.INFO, logger="kymflow.core"):
        again = kym.update_index(make_indexer(two_rows))

    assert again.unchanged_params == 3
    assert "3 of 3 images had an unchanged params_hash; all were replaced" in caplog.text
    assert kym.update_index(make_indexer(two_rows, params={"window": 8})).unchanged_params == 0


def test_a_read_only_dataset_is_refused_before_any_work(
    dataset: ZarrDataset, make_indexer: MakeIndexer
) -> None:
    asked = []

    def rows_of(rec: ZarrImageRecord) -> pd.DataFrame:
        asked.append(rec.image_id)
        return pd.DataFrame({"a": [1]})

    with pytest.raises(ReadOnlyError):
        KymDataset(dataset.as_read_only()).update_index(make_indexer(rows_of))
    assert asked == []


def test_an_indexer_cannot_write(dataset: ZarrDataset, make_indexer: MakeIndexer) -> None:
    def rows_of(rec: ZarrImageRecord) -> pd.DataFrame:
        assert not rec.writable
        writes: list[Callable[[], object]] = [
            lambda: rec.save_json("sneaky", {"a": 1}),
            lambda: rec.save_df_parquet("sneaky", pd.DataFrame({"a": [1]})),
            lambda: rec.save_metadata_payload({}),
            lambda: rec.save_array_artifact("sneaky", rec.load_array()),
            rec.delete_analysis,
        ]
        for write in writes:
            with pytest.raises(ReadOnlyError):
                write()
        return pd.DataFrame({"refused": [len(writes)]})

    keys = [dataset.record(image_id).list_analysis_keys() for image_id in dataset.list_image_ids()]
    KymDataset(dataset).update_index(make_indexer(rows_of))

    assert set(dataset.load_table("kym_probe")["refused"]) == {5}
    after = [dataset.record(image_id).list_analysis_keys() for image_id in dataset.list_image_ids()]
    assert after == keys


def test_progress_counts_images(dataset: ZarrDataset, make_indexer: MakeIndexer) -> None:
    told: list[tuple[int, int]] = []

    KymDataset(dataset).update_index(
        make_indexer(two_rows), progress=lambda done, total: told.append((done, total))
    )

    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
