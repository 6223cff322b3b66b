"""A run in which something fails: what stays, what goes, what is said."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from kymflow.core import BaseIndexer, KymDataset
from kymflow.core.errors import IndexerFailedError, IndexUpdateError, RowError
from kymflow_zarr import ZarrDataset, ZarrImageRecord

MakeIndexer = Callable[..., BaseIndexer]


@pytest.fixture
def indexed(dataset: ZarrDataset, make_indexer: MakeIndexer) -> ZarrDataset:
    """A table in which every image has a row of run 1."""
    KymDataset(dataset).update_index(make_indexer(lambda _: pd.DataFrame({"run": [1]})))
    return dataset


def failing_on(bad: str, *, run: int) -> Callable[[ZarrImageRecord], pd.DataFrame]:
    def rows_of(rec: ZarrImageRecord) -> pd.DataFrame:
        if rec.image_id == bad:
            raise ZeroDivisionError("no flow here")
        return pd.DataFrame({"run": [run]})

    return rows_of


def test_a_failed_run_leaves_the_old_table(indexed: ZarrDataset, make_indexer: MakeIndexer) -> None:
    before = indexed.load_table("kym_probe")
    bad = indexed.list_image_ids()[-1]

    with pytest.raises(IndexerFailedError, match="ZeroDivisionError: no flow here") as caught:
        KymDataset(indexed).update_index(make_indexer(failing_on(bad, run=2)))

    assert caught.value.image_id == bad
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    pd.testing.assert_frame_equal(indexed.load_table("kym_probe"), before)


def test_collect_publishes_what_succeeded(indexed: ZarrDataset, make_indexer: MakeIndexer) -> None:
    bad, *good = indexed.list_image_ids()

    with pytest.raises(IndexUpdateError) as caught:
        KymDataset(indexed).update_index(make_indexer(failing_on(bad, run=2)), on_error="collect")

    error = caught.value
    assert (error.table, error.indexed, list(error.failures)) == ("kym_probe", 2, [bad])
    assert bad in str(error)
    assert "ZeroDivisionError: no flow here" in str(error)
    table = indexed.load_table("kym_probe").set_index("image_id")
    assert table["run"].to_dict() == {bad: 1, **dict.fromkeys(good, 2)}


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that nobody can read")
def test_collect_goes_past_an_image_that_the_system_refuses(
    tmp_path: Path,
    make_indexer: MakeIndexer,
    add_images: Callable[[ZarrDataset, int], list[str]],
) -> None:
    dataset = ZarrDataset(tmp_path / "d.zarr")
    bad, *good = sorted(add_images(dataset, 3))
    commit = tmp_path / "d.zarr" / "images" / bad / "zarr.json"
    commit.unlink()
    commit.symlink_to("/proc/self/mem")

    with pytest.raises(IndexUpdateError, match="it is a link") as caught:
        KymDataset(dataset).update_index(
            make_indexer(lambda _: pd.DataFrame({"run": [1]})), on_error="collect"
        )

    assert list(caught.value.failures) == [bad]
    assert list(dataset.load_table("kym_probe")["image_id"]) == good


def test_collect_lists_every_failure_with_its_cause(
    dataset: ZarrDataset, make_indexer: MakeIndexer
) -> None:
    raising, misfit, wrong = dataset.list_image_ids()

    def rows_of(rec: ZarrImageRecord) -> pd.DataFrame:
        if rec.image_id == raising:
            raise KeyError("lost")
        return pd.DataFrame({"image_id": ["x"]} if rec.image_id == wrong else {"v": [object()]})

    with pytest.raises(IndexUpdateError) as caught:
        KymDataset(dataset).update_index(make_indexer(rows_of), on_error="collect")

    failures = caught.value.failures
    assert list(failures) == [raising, misfit, wrong]
    assert isinstance(failures[raising], IndexerFailedError)
    assert isinstance(failures[misfit], RowError)
    for expected in (
        "KeyError: 'lost'",
        "column 'v': it holds objects",
        "column 'image_id'",
    ):
        assert expected in str(caught.value)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_collect_names_the_image_whose_type_differs(
    indexed: ZarrDataset, make_indexer: MakeIndexer, position: int
) -> None:
    odd = indexed.list_image_ids()[position]

    with pytest.raises(IndexUpdateError) as caught:
        KymDataset(indexed).update_index(
            make_indexer(lambda rec: pd.DataFrame({"run": ["text" if rec.image_id == odd else 2]})),
            on_error="collect",
        )

    assert list(caught.value.failures) == [odd]
    table = indexed.load_table("kym_probe").set_index("image_id")["run"]
    assert table.to_dict() == {i: 1 if i == odd else 2 for i in indexed.list_image_ids()}


def test_rows_of_failed_images_that_are_gone_go(
    indexed: ZarrDataset, make_indexer: MakeIndexer
) -> None:
    gone = indexed.list_image_ids()[0]

    def rows_of(rec: ZarrImageRecord) -> pd.DataFrame:
        if rec.image_id == gone:
            indexed.delete_image(gone)
            raise RuntimeError("the ground is gone from under my feet")
        return pd.DataFrame({"run": [2]})

    update = KymDataset(indexed).update_index(make_indexer(rows_of), on_error="collect")

    assert update.rows == 2
    assert list(indexed.load_table("kym_probe")["image_id"]) == indexed.list_image_ids()


def test_images_deleted_after_their_turn_have_no_rows(
    indexed: ZarrDataset, make_indexer: MakeIndexer
) -> None:
    first, *_, last = indexed.list_image_ids()

    def rows_of(rec: ZarrImageRecord) -> pd.DataFrame:
        if rec.image_id == last:
            indexed.delete_image(first)
        return pd.DataFrame({"run": [2]})

    KymDataset(indexed).update_index(make_indexer(rows_of))

    assert list(indexed.load_table("kym_probe")["image_id"]) == indexed.list_image_ids()


def test_images_that_come_during_a_run_keep_what_another_run_said(
    indexed: ZarrDataset,
    make_indexer: MakeIndexer,
    add_images: Callable[[ZarrDataset, int], list[str]],
) -> None:
    kym = KymDataset(indexed)
    added: list[str] = []

    def rows_of(_: ZarrImageRecord) -> pd.DataFrame:
        if not added:
            added.extend(add_images(indexed, 1))
            kym.update_index(make_indexer(lambda _: pd.DataFrame({"run": [3]})))
        return pd.DataFrame({"run": [2]})

    kym.update_index(make_indexer(rows_of))

    table = indexed.load_table("kym_probe").set_index("image_id")["run"].to_dict()
    assert table == {i: 3 if i in added else 2 for i in indexed.list_image_ids()}


def test_errors_survive_the_way_between_processes() -> None:
    error = IndexerFailedError(
        indexer="probe", image_id="a", reason="ValueError: x", details="trace"
    )

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is IndexerFailedError
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_unknown_ways_to_handle_errors(dataset: ZarrDataset, make_indexer: MakeIndexer) -> None:
    indexer = make_indexer(lambda _: pd.DataFrame())
    with pytest.raises(ValueError, match="unknown on_error 'ignore'"):
        KymDataset(dataset).update_index(indexer, on_error="ignore")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        KymDataset(dataset).update_index(indexer, batch_size=0)
