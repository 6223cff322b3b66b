"""What rows may be, and what the error says where they may not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kymflow.core import BaseIndexer, KymDataset, RegionRows
from kymflow.core.errors import ColumnTypeError, RowError, TableSchemaError
from kymflow_zarr import ZarrDataset, ZarrImageRecord

SPEED: pa.DataType = pa.float32()
COUNT: pa.DataType = pa.int16()

MakeIndexer = Callable[..., BaseIndexer]


@dataclass(kw_only=True)
class DeclaringIndexer:
    """Declares columns, and returns what it is told to."""

    declared: pa.Schema
    frame: pd.DataFrame
    name: str = "probe"

    def columns(self) -> pa.Schema:
        return self.declared

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:  # noqa: ARG002
        return self.frame

    def params_hash(self, rec: ZarrImageRecord) -> str:  # noqa: ARG002
        return "0" * 64

    def analysis_version(self) -> str:
        return "1"


@pytest.mark.parametrize(
    ("returned", "column", "reason"),
    [
        (None, "", "returned a NoneType"),
        ([{"a": 1}], "", "returned a list"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "a", "appears twice"),
        (pd.DataFrame({7: [1]}), "7", "must be text"),
        (pd.DataFrame({"image_id": ["another"]}), "image_id", "says 'another', but it must be"),
        (pd.DataFrame({"image_id": [None]}), "image_id", "says None"),
        (pd.DataFrame({"image_id": [3]}), "image_id", "says 3"),
        (pd.DataFrame({"params_hash": ["beef"]}), "params_hash", "says 'beef'"),
        (pd.DataFrame({"analysis_version": ["9"]}), "analysis_version", "must be '1'"),
        (pd.DataFrame({"a": [1, "x"]}), "a", "Parquet cannot hold it"),
        (pd.DataFrame({"a": ["x", b"x"]}), "a", "objects of type bytes and str"),
        (
            pd.DataFrame({"a": [dt.date(2024, 5, 1), dt.datetime(2024, 5, 1, 12)]}),
            "a",
            "date and datetime",
        ),
        (pd.DataFrame({"a": [dt.timedelta(1), 1]}), "a", "Parquet cannot hold it"),
        (pd.DataFrame({"a": [True, 1]}), "a", "Parquet cannot hold it"),
        (pd.DataFrame({"a": [1j]}), "a", "Parquet cannot hold it"),
        (pd.DataFrame({"ok": [1], "a": [object()]}), "a", "Parquet cannot hold it"),
        (pd.DataFrame({"a": [{"b": 1}]}), "a", "store them as JSON text"),
        (pd.DataFrame({"a": [[{"b": 1}]]}), "a", "store them as JSON text"),
        (pd.DataFrame({"a": [1]}).rename_axis("roi"), "", r"its index \(roi\) would be lost"),
        (pd.DataFrame({"a": [1], "A": [2]}), "A", "only in case"),
    ],
)
def test_rows_that_break_a_rule(
    dataset: ZarrDataset, make_indexer: MakeIndexer, returned: object, column: str, reason: str
) -> None:
    bad = dataset.list_image_ids()[1]
    indexer = make_indexer(
        lambda rec: returned if rec.image_id == bad else pd.DataFrame({"fine": [1]})
    )

    with pytest.raises(RowError, match=reason) as caught:
        KymDataset(dataset).update_index(indexer)

    error = caught.value
    assert (error.indexer, error.image_id, error.column) == ("probe", bad, column)
    assert "'probe'" in str(error)
    assert bad in str(error)
    assert dataset.list_table_names() == []


@pytest.mark.parametrize("wrong", [None, "", 7])
def test_provenance_that_is_not_text(
    dataset: ZarrDataset, make_indexer: MakeIndexer, wrong: object
) -> None:
    with pytest.raises(RowError, match=r"analysis_version\(\) returned"):
        KymDataset(dataset).update_index(
            make_indexer(lambda _: pd.DataFrame({"a": [1]}), version=wrong)
        )


def test_what_is_given_and_right_is_kept(dataset: ZarrDataset, make_indexer: MakeIndexer) -> None:
    left_out = make_indexer(lambda _: pd.DataFrame({"a": [1.5]}), name="left_out")

    def all_given(rec: ZarrImageRecord) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "a": [1.5],
                "analysis_version": ["1"],
                "params_hash": [left_out.params_hash(rec)],
                "image_id": [rec.image_id],
            }
        )

    kym = KymDataset(dataset)
    kym.update_index(left_out)
    kym.update_index(make_indexer(all_given, name="given"))

    pd.testing.assert_frame_equal(kym.load_index("left_out"), kym.load_index("given"))


def test_types_survive(dataset: ZarrDataset, make_indexer: MakeIndexer) -> None:
    frame = pd.DataFrame(
        {
            "int8": np.array([1, -2], np.int8),
            "uint64": np.array([1, 2**64 - 1], np.uint64),
            "float32": np.array([1.5, np.nan], np.float32),
            "bool": [True, False],
            "text": ["a", None],
            "day": [dt.date(2024, 5, 1), None],
            "time": pd.DatetimeIndex(["2024-05-01 12:30:15.461", "NaT"]),
            "zoned": pd.to_datetime(["2024-05-01", "2024-05-02"], utc=True),
            "nullable": pd.array([1, None], "Int64"),
            "maybe": pd.array([True, None], "boolean"),
            "bytes": [b"\x00", None],
            "list": [[1.0, 2.0], []],
            "kind": pd.Categorical(["up", "down"]),
            "span": pd.period_range("2024-05-01", periods=2, freq="D"),
        },
        index=[5, 9],
    )
    KymDataset(dataset).update_index(make_indexer(lambda _: frame))

    found = dataset.load_table("kym_probe", image_ids=dataset.list_image_ids()[:1])
    assert list(found.columns[3:]) == list(frame.columns), "the pandas index is dropped"
    pd.testing.assert_frame_equal(found[frame.columns], frame.reset_index(drop=True))


def by_position(dataset: ZarrDataset, *values: object) -> Callable[[ZarrImageRecord], pd.DataFrame]:
    """A column ``v`` with one value per image, in the order of their ids."""
    value_of = dict(zip(dataset.list_image_ids(), values, strict=True))
    return lambda rec: pd.DataFrame({"v": [value_of[rec.image_id]]})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, 2.5, 3), "double"),
        ((2.5, 1, 3), "double"),
        ((None, 2, 3), "int64"),
        ((1, None, None), "int64"),
        ((float("nan"), "a", None), "string"),
        (("a", float("nan"), None), "string"),
        ((None, None, None), "null"),
        ((np.int8(1), np.int64(2**40), 3), "int64"),
        ((2**60, 1, 2), "int64"),
    ],
)
def test_a_type_is_learned_from_all_images(
    dataset: ZarrDataset, make_indexer: MakeIndexer, values: tuple[object, ...], expected: str
) -> None:
    KymDataset(dataset).update_index(make_indexer(by_position(dataset, *values)))

    schema = dataset.table_schema("kym_probe")
    assert schema is not None
    assert str(schema.field("v").type) == expected
    found = dataset.load_table("kym_probe")["v"].tolist()
    assert [None if pd.isna(v) else v for v in found] == [
        None if v is None or v != v else v for v in values
    ]


@pytest.mark.parametrize(
    "values",
    [
        (1, "a", 2),
        ("a", 1, "b"),
        (1.5, True, 2.5),
        (2**60 + 1, 0.5, 1),
        (0.5, 2**60 + 1, 1),
        ("a", b"a", "b"),
        (dt.datetime(2024, 5, 1), 1, 2),
    ],
)
def test_images_that_contradict_each_other(
    dataset: ZarrDataset, make_indexer: MakeIndexer, values: tuple[object, ...]
) -> None:
    with pytest.raises(ColumnTypeError) as caught:
        KymDataset(dataset).update_index(make_indexer(by_position(dataset, *values)))

    assert caught.value.column == "v"
    assert caught.value.image_id == dataset.list_image_ids()[1]
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(("first", "then"), [(1, 1.5), (1, "a"), ("a", 1), (True, 1), (1.5, "a")])
def test_a_later_change_of_type(
    dataset: ZarrDataset, make_indexer: MakeIndexer, first: object, then: object
) -> None:
    kym = KymDataset(dataset)
    kym.update_index(make_indexer(lambda _: pd.DataFrame({"v": [first]})))
    before = dataset.load_table("kym_probe")
    changed = make_indexer(lambda _: pd.DataFrame({"v": [then]}))

    with pytest.raises(ColumnTypeError, match=r"to rebuild .* delete_table\('kym_probe'\)"):
        kym.update_index(changed)

    pd.testing.assert_frame_equal(dataset.load_table("kym_probe"), before)
    dataset.delete_table("kym_probe")
    kym.update_index(changed)
    assert set(dataset.load_table("kym_probe")["v"]) == {then}


@pytest.mark.parametrize(("first", "then"), [(1.5, 1), (1, np.int8(3)), (1, None), (None, "a")])
def test_what_loses_nothing_is_not_a_change_of_type(
    dataset: ZarrDataset, make_indexer: MakeIndexer, first: object, then: object
) -> None:
    kym = KymDataset(dataset)
    kym.update_index(make_indexer(lambda _: pd.DataFrame({"v": [first]})))
    kym.update_index(make_indexer(lambda _: pd.DataFrame({"v": [then]})))

    (found,) = set(dataset.load_table("kym_probe")["v"].fillna(-1))
    assert found == (-1 if then is None else then)


def test_new_columns_are_welcome(dataset: ZarrDataset, make_indexer: MakeIndexer) -> None:
    kym = KymDataset(dataset)
    kym.update_index(make_indexer(lambda _: pd.DataFrame({"a": [1]})))
    kym.update_index(make_indexer(lambda _: pd.DataFrame({"a": [2], "b": ["new"]})))

    assert set(dataset.load_table("kym_probe")["b"]) == {"new"}


def test_images_may_have_different_columns(dataset: ZarrDataset, make_indexer: MakeIndexer) -> None:
    first = dataset.list_image_ids()[0]
    KymDataset(dataset).update_index(
        make_indexer(lambda rec: pd.DataFrame({"a" if rec.image_id == first else "b": [1]}))
    )

    table = dataset.load_table("kym_probe")
    assert table["a"].isna().tolist() == [False, True, True]
    assert table["b"].isna().tolist() == [True, False, False]


def test_declared_columns_exist_without_rows(dataset: ZarrDataset) -> None:
    declared = pa.schema({"speed": SPEED, "n": COUNT})
    KymDataset(dataset).update_index(DeclaringIndexer(declared=declared, frame=pd.DataFrame()))

    found = dataset.table_schema("kym_probe")
    assert found is not None
    assert [(field.name, str(field.type)) for field in found] == [
        ("image_id", "string"),
        ("analysis_version", "string"),
        ("params_hash", "string"),
        ("speed", "float"),
        ("n", "int16"),
    ]


def test_declared_types_are_given_to_rows(dataset: ZarrDataset) -> None:
    declared = pa.schema({"speed": SPEED, "n": COUNT})
    frame = pd.DataFrame({"n": [3], "speed": [0.1]})
    KymDataset(dataset).update_index(DeclaringIndexer(declared=declared, frame=frame))

    table = dataset.load_table("kym_probe")
    assert table["speed"].dtype == np.float32
    assert set(table["n"]) == {3}


@pytest.mark.parametrize(
    ("frame", "column", "reason"),
    [
        (pd.DataFrame({"n": [1]}), "speed", "declares it but did not return it"),
        (pd.DataFrame({"n": [1], "speed": [1.0], "more": [1]}), "more", "does not declare it"),
        (pd.DataFrame({"n": ["1"], "speed": [1.0]}), "n", "it holds string"),
        (pd.DataFrame({"n": [2**20], "speed": [1.0]}), "n", "it holds int64"),
        (pd.DataFrame({"n": [1.5], "speed": [1.0]}), "n", "it holds double"),
    ],
)
def test_rows_against_a_declaration(
    dataset: ZarrDataset, frame: pd.DataFrame, column: str, reason: str
) -> None:
    declared = pa.schema({"speed": SPEED, "n": COUNT})

    with pytest.raises(RowError, match=reason) as caught:
        KymDataset(dataset).update_index(DeclaringIndexer(declared=declared, frame=frame))

    assert caught.value.column == column


def test_a_declaration_against_the_table(dataset: ZarrDataset) -> None:
    kym = KymDataset(dataset)
    kym.update_index(
        DeclaringIndexer(declared=pa.schema([("n", pa.int16())]), frame=pd.DataFrame())
    )

    with pytest.raises(TableSchemaError, match=r"holds int16, .* declares string; to rebuild"):
        kym.update_index(
            DeclaringIndexer(declared=pa.schema([("n", pa.string())]), frame=pd.DataFrame())
        )


def test_provenance_declared_as_a_number(dataset: ZarrDataset) -> None:
    declared = pa.schema([("params_hash", pa.int64())])
    with pytest.raises(TableSchemaError, match="params_hash"):
        KymDataset(dataset).update_index(DeclaringIndexer(declared=declared, frame=pd.DataFrame()))


@dataclass(kw_only=True)
class TwoRegions:
    """Two rows per image, each with its own provenance."""

    hashes: tuple[str | None, ...] = ("a" * 64, "b" * 64)
    versions: tuple[str, ...] = ("1", "2")
    left_out: tuple[str, ...] = ()
    name: str = "regions"

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        return self.extract_region_rows(rec).rows

    def extract_region_rows(self, rec: ZarrImageRecord) -> RegionRows:  # noqa: ARG002
        rows = {"region": [1, 2], "params_hash": self.hashes, "analysis_version": self.versions}
        return RegionRows(rows=pd.DataFrame(rows), left_out=self.left_out)

    def params_hash(self, rec: ZarrImageRecord) -> str:  # noqa: ARG002
        raise AssertionError("not asked of an indexer whose rows say it themselves")

    def analysis_version(self) -> str:
        return "2"


def test_rows_with_a_provenance_of_their_own(dataset: ZarrDataset) -> None:
    kym = KymDataset(dataset)
    kym.update_index(TwoRegions())

    table = kym.load_index("regions")
    rows = zip(table["region"], table["params_hash"], table["analysis_version"], strict=True)
    assert set(rows) == {(1, "a" * 64, "1"), (2, "b" * 64, "2")}
    assert kym.update_index(TwoRegions()).unchanged_params == 3
    assert kym.update_index(TwoRegions(hashes=("a" * 64, "c" * 64))).unchanged_params == 0


@pytest.mark.parametrize(
    ("indexer", "column"),
    [
        (TwoRegions(hashes=("a" * 64, None)), "params_hash"),
        (TwoRegions(versions=("1", "")), "analysis_version"),
    ],
)
def test_a_row_without_its_provenance(
    dataset: ZarrDataset, indexer: TwoRegions, column: str
) -> None:
    with pytest.raises(RowError, match="give every row text that is not empty") as caught:
        KymDataset(dataset).update_index(indexer)
    assert caught.value.image_id == dataset.list_image_ids()[0]
    assert caught.value.column == column


def test_what_has_no_row_is_named_by_the_run(dataset: ZarrDataset) -> None:
    update = KymDataset(dataset).update_index(TwoRegions(left_out=("ROI 3 no longer exists",)))
    assert update.left_out == dict.fromkeys(dataset.list_image_ids(), ("ROI 3 no longer exists",))
