"""Dataset tables, and the one way in which rows are replaced."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zarr.storage import MemoryStore

from kymflow_zarr import (
    CorruptDataError,
    InvalidNameError,
    RowUpdate,
    SchemaValidationError,
    TableNotFoundError,
    ZarrDataset,
)


def rows_of(image_ids: Iterable[str], value: int = 0) -> pd.DataFrame:
    ids = list(image_ids)
    return pd.DataFrame({"image_id": pd.Series(ids, dtype="str"), "v": [value] * len(ids)})


def test_a_table_comes_back_sorted_by_image(dataset: ZarrDataset) -> None:
    dataset.save_table("t", pd.DataFrame({"image_id": ["b", "a", "b"], "v": [1, 2, 3]}))
    loaded = dataset.load_table("t")
    assert loaded["image_id"].tolist() == ["a", "b", "b"]
    assert loaded["v"].tolist() == [2, 1, 3]
    assert dataset.table_row_count("t") == 3
    assert dataset.list_table_names() == ["t"]


def test_a_table_is_read_part_by_part(dataset: ZarrDataset) -> None:
    ids = [f"image{number:06d}" for number in range(70_000)]
    dataset.save_table("t", rows_of(ids))
    parts = list(dataset.iter_table("t", columns=["image_id"]))
    assert [len(part) for part in parts] == [32_768, 32_768, 4_464]
    assert [name for part in parts for name in part["image_id"].to_pylist()] == ids
    assert parts[0].column_names == ["image_id"]
    with pytest.raises(TableNotFoundError):
        next(dataset.iter_table("x"))


def test_a_table_without_image_ids_keeps_its_order(dataset: ZarrDataset) -> None:
    dataset.save_table("nested/notes", pd.DataFrame({"v": [3, 1, 2]}))
    assert dataset.load_table("nested/notes")["v"].tolist() == [3, 1, 2]
    assert dataset.list_table_names() == ["nested/notes"]


def test_a_missing_table(dataset: ZarrDataset) -> None:
    with pytest.raises(TableNotFoundError, match="no table 'x'"):
        dataset.load_table("x")
    assert dataset.table_schema("x") is None
    assert dataset.table_row_count("x") is None
    assert dataset.delete_table("x") is False


def test_the_sources_index_is_not_written_as_a_table(dataset: ZarrDataset) -> None:
    with pytest.raises(InvalidNameError, match="save_sources_index"):
        dataset.save_table("sources", rows_of("a"))


def test_some_columns_and_some_images(dataset: ZarrDataset) -> None:
    dataset.save_table("t", rows_of(["a", "b", "c", "b"], 7))
    part = dataset.load_table("t", columns=["v"], image_ids=["b", "nobody"])
    assert part.to_dict("list") == {"v": [7, 7]}


@pytest.mark.parametrize(
    "before",
    [
        {"place": [{"name": "z", "kind": "z"}] * 3},
        {"place": [{"at": {"name": "z", "kind": "z"}, "of": ["z"]}] * 3},
        {"between": pd.arrays.IntervalArray.from_tuples([(0, 1)] * 3)},
    ],
)
def test_nested_columns_before_the_image_hide_no_rows(
    disk: ZarrDataset, before: dict[str, Any]
) -> None:
    disk.save_table("t", pd.DataFrame({**before, "image_id": ["b", "a", "b"], "v": [1, 2, 3]}))
    assert disk.load_table("t", image_ids=["b"], columns=["v"])["v"].tolist() == [1, 3]
    file = pq.ParquetFile(Path(disk.location, "tables", "t.parquet"))
    (sorting,) = file.metadata.row_group(0).sorting_columns
    assert file.schema.column(sorting.column_index).path == "image_id"


@pytest.mark.parametrize("kind", [pa.dictionary(pa.int8(), pa.string()), pa.large_string()])
def test_ids_that_come_as_another_kind_of_text_are_kept_as_text(
    dataset: ZarrDataset, kind: pa.DataType
) -> None:
    ids = pa.array(["b", "a", "b"]).cast(kind)
    dataset.save_table("arrow", pa.table({"image_id": ids, "v": [1, 2, 3]}))
    dataset.save_table("pandas", pa.table({"image_id": ids, "v": [1, 2, 3]}).to_pandas())
    for name in ("arrow", "pandas"):
        dataset.replace_rows_for_image_id(name, "a", rows_of(["a"], 7))
        loaded = dataset.load_table(name)
        assert loaded["image_id"].tolist() == ["a", "b", "b"]
        assert loaded["v"].tolist() == [7, 1, 3]
        assert pa.types.is_string(dataset.load_arrow_table(name).schema.field("image_id").type)


@pytest.mark.parametrize(
    ("column", "named"),
    [
        (pd.Series(["a\udc80"], dtype=object), "'c'"),
        (pd.arrays.SparseArray([1]), "'c'"),
        ([pd.DateOffset(months=1)], "'c' holds objects of type DateOffset"),
        ([{}], "'c' holds objects of type dict"),
        ([1 + 2j], "'c'"),
    ],
)
def test_a_column_that_parquet_lacks_is_refused(
    dataset: ZarrDataset, column: Any, named: str
) -> None:
    dataset.save_table("t", rows_of(["a"]))
    with pytest.raises(SchemaValidationError, match=named):
        dataset.save_table("t", pd.DataFrame({"c": column}))
    assert len(dataset.load_table("t")) == 1
    record = dataset.add_image(np.zeros((2, 3), np.uint8), axes=("t", "x"))
    with pytest.raises(SchemaValidationError, match=named):
        record.save_df_parquet("x", pd.DataFrame({"c": column}))


def test_table_names_that_would_share_a_file_are_refused(dataset: ZarrDataset) -> None:
    dataset.save_table("a/b", rows_of(["a"]))
    for name in ("A/b", "A/c", "a/B", "inventory.txt/x", "Inventory.txt/x"):
        with pytest.raises(InvalidNameError, match="table name"):
            dataset.save_table(name, rows_of(["a"]))
    dataset.save_table("a/c", rows_of(["a"]))
    assert dataset.list_table_names() == ["a/b", "a/c"]


@pytest.mark.parametrize("name", ["sources", "Sources"])
def test_no_table_takes_the_place_of_the_sources_index(
    dataset: ZarrDataset, folder: Path, name: str
) -> None:
    with pytest.raises(InvalidNameError, match="save_sources_index"):
        dataset.save_table(name, rows_of(["a"]))
    with pytest.raises(InvalidNameError, match="save_sources_index"):
        dataset.replace_rows_for_image_id(name, "a", rows_of(["a"]))
    assert len(dataset.refresh_from_folder(folder)) == 3


def test_columns_that_are_not_there_are_named(dataset: ZarrDataset) -> None:
    dataset.save_table("t", rows_of(["a", "b"]))
    for images in (None, ["a"]):
        with pytest.raises(SchemaValidationError, match=r"'tables/t\.parquet' has no column 'w'"):
            dataset.load_table("t", columns=["v", "w"], image_ids=images)
    with pytest.raises(SchemaValidationError, match="has no column 'w'"):
        next(dataset.iter_table("t", columns=["w"]))


def test_a_table_that_someone_else_sorted_downwards_is_put_in_order(disk: ZarrDataset) -> None:
    disk.save_table("t", rows_of(["a", "b"]))
    path = Path(disk.location, "tables", "t.parquet")
    downwards = [pq.SortingColumn(0, descending=True)]
    pq.write_table(pa.table({"image_id": ["b", "a"]}), path, sorting_columns=downwards)
    disk.replace_rows_for_image_id("t", "a", rows_of(["a"])[["image_id"]])
    assert disk.load_table("t")["image_id"].tolist() == ["a", "b"]


def test_a_large_table_lies_in_parts_and_some_images_come_out_of_it(disk: ZarrDataset) -> None:
    ids = [f"i{number:06d}" for number in range(100_000)]
    disk.save_table("t", pd.DataFrame({"image_id": ids, "v": range(100_000)}))
    file = pq.ParquetFile(Path(disk.location) / "tables" / "t.parquet")
    assert file.num_row_groups == 4
    wanted = ["i000005", "i099999", "nobody"]
    assert disk.load_table("t", image_ids=wanted)["v"].tolist() == [5, 99_999]


def test_replacing_one_image_leaves_the_others(dataset: ZarrDataset) -> None:
    dataset.replace_rows_for_image_id("t", "b", rows_of(["b", "b"], 1))
    dataset.replace_rows_for_image_id("t", "a", rows_of(["a"], 2))
    dataset.replace_rows_for_image_id("t", "b", rows_of(["b"], 3))
    assert dataset.load_table("t").to_dict("list") == {"image_id": ["a", "b"], "v": [2, 3]}
    dataset.replace_rows_for_image_id("t", "a", rows_of([]))
    assert dataset.load_table("t").to_dict("list") == {"image_id": ["b"], "v": [3]}


def test_rows_of_images_that_are_gone_are_dropped_and_rows_without_an_image_stay(
    dataset: ZarrDataset,
) -> None:
    image_id = dataset.add_image(np.zeros((2, 2)), axes=("y", "x")).image_id
    frame = pd.DataFrame({"image_id": ["gone", image_id, None], "v": [1, 2, 3]})
    dataset.save_table("t", frame)
    schema = dataset.tables.load_arrow("t").schema
    assert dataset.replace_rows("t", [], schema=schema, drop_gone=True) == 2
    assert sorted(dataset.load_table("t")["v"]) == [2, 3]


def test_another_column_can_hold_the_image(dataset: ZarrDataset) -> None:
    frame = pd.DataFrame({"picture": ["p"], "v": [1]})
    dataset.replace_rows_for_image_id("t", "p", frame, image_id_col="picture")
    dataset.replace_rows_for_image_id("t", "q", frame.assign(picture="q"), image_id_col="picture")
    assert dataset.load_table("t")["picture"].tolist() == ["p", "q"]


def test_no_rows_keep_the_schema(dataset: ZarrDataset) -> None:
    dataset.replace_rows_for_image_id("t", "a", rows_of(["a"]))
    dataset.replace_rows_for_image_id("t", "a", rows_of([]))
    assert dataset.load_table("t").dtypes.to_dict() == rows_of(["a"]).dtypes.to_dict()


def test_a_new_column_is_null_in_old_rows(dataset: ZarrDataset) -> None:
    dataset.replace_rows_for_image_id("t", "a", rows_of(["a"], 1))
    dataset.replace_rows_for_image_id("t", "b", rows_of(["b"], 2).assign(note="new"))
    loaded = dataset.load_table("t")
    assert loaded["v"].tolist() == [1, 2]
    assert loaded["note"].isna().tolist() == [True, False]


def test_integers_widen_to_floats_but_not_to_text(dataset: ZarrDataset) -> None:
    dataset.replace_rows_for_image_id("t", "a", rows_of(["a"], 1))
    wide = pd.DataFrame({"image_id": ["b"], "v": [1.5]})
    dataset.replace_rows_for_image_id("t", "b", wide)
    assert dataset.load_table("t")["v"].tolist() == [1.0, 1.5]
    with pytest.raises(SchemaValidationError, match="table 't'"):
        dataset.replace_rows_for_image_id(
            "t", "c", pd.DataFrame({"image_id": ["c"], "v": ["text"]})
        )
    assert dataset.load_table("t")["v"].tolist() == [1.0, 1.5]


def test_nullable_integers_survive_a_rewrite(dataset: ZarrDataset) -> None:
    frame = pd.DataFrame({"image_id": ["a"], "n": pd.array([None], dtype="Int64")})
    dataset.replace_rows_for_image_id("t", "a", frame)
    dataset.replace_rows_for_image_id("t", "b", frame.assign(image_id="b"))
    assert str(dataset.load_table("t")["n"].dtype) == "Int64"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"image_id": ["other"]}), "name image 'other'"),
        (pd.DataFrame({"image_id": ["a", None]}), "name image None"),
        (pd.DataFrame({"v": [1]}), "no column 'image_id'"),
        (pd.DataFrame({"image_id": [1]}), "'image_id' holds int64, but the table"),
    ],
)
def test_rows_that_are_not_the_images_are_refused(
    dataset: ZarrDataset, frame: pd.DataFrame, message: str
) -> None:
    dataset.replace_rows_for_image_id("t", "a", rows_of(["a"], 1))
    with pytest.raises(SchemaValidationError, match=message):
        dataset.replace_rows_for_image_id("t", "a", frame)
    assert dataset.load_table("t")["v"].tolist() == [1]


def test_updates_out_of_order_leave_the_old_table(dataset: ZarrDataset) -> None:
    dataset.replace_rows_for_image_id("t", "a", rows_of(["a"], 1))
    for first, then in (("b", "a"), ("a", "a")):
        updates = [update({first}, {first: 1}), update({then}, {then: 1})]
        with pytest.raises(SchemaValidationError, match="out of order"):
            dataset.replace_rows("t", updates, schema=SCHEMA)
        assert dataset.load_table("t")["v"].tolist() == [1]


def test_an_update_of_no_image_changes_nothing_and_stops_nothing(dataset: ZarrDataset) -> None:
    updates = [update({"a"}, {"a": 1}), update((), {}), update({"b"}, {"b": 1})]
    dataset.replace_rows("t", updates, schema=SCHEMA)
    assert dataset.load_table("t")["image_id"].tolist() == ["a", "b"]


COLUMNS: dict[str, pa.DataType] = {"image_id": pa.string(), "v": pa.int64()}
SCHEMA = pa.schema(COLUMNS)


def update(image_ids: Iterable[str], counts: dict[str, int], value: int = 0) -> RowUpdate:
    ids = [image_id for image_id, count in counts.items() for _ in range(count)]
    rows = pa.table({"image_id": ids, "v": [value] * len(ids)}, schema=SCHEMA)
    return RowUpdate(image_ids=frozenset(image_ids), rows=rows)


IDS = st.sampled_from("abcdefghij")
RUNS = st.lists(
    st.tuples(
        st.dictionaries(IDS, st.integers(0, 3), max_size=6),
        st.integers(1, 3),
        st.none() | st.sets(IDS),
    ),
    max_size=5,
)


@given(RUNS)
def test_replaced_rows_are_exactly_the_last_ones_of_the_images_kept(
    runs: list[tuple[dict[str, int], int, set[str] | None]],
) -> None:
    dataset = ZarrDataset(MemoryStore())
    model: dict[str, list[int]] = {}
    for number, (counts, parts, keep) in enumerate(runs):
        ordered = sorted(counts)
        batches = [part.tolist() for part in np.array_split(np.array(ordered, dtype=str), parts)]
        updates = [
            update(batch, {image_id: counts[image_id] for image_id in reversed(batch)}, number)
            for batch in batches
        ]
        total = dataset.replace_rows("t", updates, schema=SCHEMA, keep_others=keep)
        kept = {
            image_id: rows for image_id, rows in model.items() if keep is None or image_id in keep
        }
        model = {**kept, **{image_id: [number] * count for image_id, count in counts.items()}}
        expected = [(key, value) for key in sorted(model) for value in model[key]]
        loaded = dataset.load_arrow_table("t").to_pydict()
        assert list(zip(loaded["image_id"], loaded["v"], strict=True)) == expected
        assert total == len(expected)


def test_values_that_do_not_repeat_take_no_dictionary(disk: ZarrDataset) -> None:
    measured = np.random.default_rng(0).normal(size=30_000)
    disk.save_table("t", pd.DataFrame({"image_id": "a", "measured": measured}))
    path = Path(disk.location, "tables", "t.parquet")
    assert path.stat().st_size < measured.nbytes


def test_a_table_larger_than_a_row_group_is_rewritten_in_parts(disk: ZarrDataset) -> None:
    ids = [f"i{number:05d}" for number in range(3000)]
    frame = pd.DataFrame({"image_id": np.repeat(ids, 30), "v": np.tile(np.arange(30), 3000)})
    disk.save_table("t", frame)
    disk.replace_rows_for_image_id("t", "i01500", rows_of(["i01500"], -1))
    loaded = disk.load_table("t")
    assert len(loaded) == 3000 * 30 - 29
    assert loaded.loc[loaded["image_id"] == "i01500", "v"].tolist() == [-1]
    assert loaded["image_id"].is_monotonic_increasing
    others = frame[frame["image_id"] != "i01500"].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        loaded[loaded["image_id"] != "i01500"].reset_index(drop=True), others
    )
    metadata = pq.read_metadata(Path(disk.location) / "tables" / "t.parquet")
    assert max(metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)) <= 32_768


def test_a_table_that_someone_else_wrote_unsorted_is_put_in_order(disk: ZarrDataset) -> None:
    folder = Path(disk.location) / "tables"
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table({"image_id": ["c", "a"], "v": [1, 2]}), folder / "t.parquet")
    disk.replace_rows_for_image_id("t", "b", rows_of(["b"], 3))
    assert disk.load_table("t")["image_id"].tolist() == ["a", "b", "c"]


def test_other_libraries_read_the_tables(disk: ZarrDataset) -> None:
    disk.replace_rows_for_image_id("kym_x", "a", rows_of(["a"], 5))
    path = Path(disk.location) / "tables" / "kym_x.parquet"
    assert pd.read_parquet(path)["v"].tolist() == [5]
    assert pq.read_table(path).to_pydict() == {"image_id": ["a"], "v": [5]}


def test_every_flipped_bit_of_a_table_is_harmless_or_detected(disk: ZarrDataset) -> None:
    disk.replace_rows_for_image_id("t", "a", rows_of(["a"] * 50, 123456))
    path = Path(disk.location) / "tables" / "t.parquet"
    good = path.read_bytes()
    expected = disk.load_arrow_table("t")
    silent = []
    for index in range(len(good)):
        damaged = bytearray(good)
        damaged[index] ^= 1 << (index % 8)
        path.write_bytes(damaged)
        try:
            found = disk.load_arrow_table("t")
        except (CorruptDataError, SchemaValidationError):
            continue
        if found.to_pydict() != expected.to_pydict():
            silent.append(index)
    assert silent == []


def test_nothing_is_logged_when_all_is_well(
    dataset: ZarrDataset, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="kymflow_zarr"):
        dataset.replace_rows_for_image_id("t", "a", rows_of(["a"]))
        dataset.load_table("t")
    assert caplog.records == []


def far_more_rows_than_bytes(dataset: ZarrDataset, name: str, *, rows: int, at_once: int) -> Path:
    """A small file that declares very many rows, all alike, in few row groups."""
    path = Path(dataset.location, "tables", f"{name}.parquet")
    path.parent.mkdir(exist_ok=True)
    part = pa.table(
        {"image_id": pa.array(["a"] * at_once), "v": pa.array(np.zeros(at_once, np.int64))}
    )
    with pq.ParquetWriter(path, part.schema, compression="zstd") as writer:
        for _ in range(rows // at_once):
            writer.write_table(part, row_group_size=at_once)
    return path


MEMORY_OF_HEAD_AND_CHECK = """
import re, sys
from pathlib import Path
from kymflow_zarr import ZarrDataset
dataset = ZarrDataset(sys.argv[1], "r")
print(dataset.tables.head_arrow("bomb", 3)["v"].to_pylist(), dataset.tables.row_count("bomb"))
print(sorted(problem.kind for problem in dataset.check(deep=True)))
# Not ru_maxrss, which counts what the process was forked from.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_a_table_that_declares_far_more_than_it_is_takes_no_memory(disk: ZarrDataset) -> None:
    path = far_more_rows_than_bytes(disk, "bomb", rows=40_000_000, at_once=20_000_000)
    assert path.stat().st_size < 2**20
    with pytest.raises(CorruptDataError, match=r"40000000 rows of 2 columns .* iter_arrow\(\)"):
        disk.load_table("bomb")
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_OF_HEAD_AND_CHECK, disk.location],
        capture_output=True,
        text=True,
        check=True,
    )
    head, problems, megabytes = done.stdout.splitlines()
    assert head == "[0, 0, 0] 40000000"
    assert problems == "['inventory', 'orphan_rows']"
    assert int(megabytes) < 500


@pytest.mark.slow
def test_one_value_of_hundreds_of_megabytes_is_refused(disk: ZarrDataset) -> None:
    disk.save_table("t", pd.DataFrame({"v": [1]}))
    path = Path(disk.location, "tables", "bomb.parquet")
    pq.write_table(pa.table({"v": ["x" * 150 * 2**20]}), path, compression="zstd")
    assert path.stat().st_size < 2**16
    for read in (disk.tables.iter_arrow, lambda name: [disk.tables.head_arrow(name, 3)]):
        with pytest.raises(CorruptDataError, match=r"would take \d+ bytes at once"):
            list(read("bomb"))
    assert {problem.kind for problem in disk.check(deep=True)} == {"unreadable", "inventory"}


@pytest.mark.skipif(
    int(pa.__version__.split(".")[0]) < 20, reason="pyarrow does not write how long the texts are"
)
def test_a_long_text_that_every_row_repeats_is_read_a_few_rows_at_a_time(disk: ZarrDataset) -> None:
    # A dictionary holds it once: the file is small, and so is what its footer says of its pages.
    disk.save_table("t", pd.DataFrame({"v": [1]}))
    path = Path(disk.location, "tables", "repeated.parquet")
    texts = pa.array(["x" * 2**20]).dictionary_encode().take(pa.array([0] * 20_000))
    pq.write_table(pa.table({"v": texts}), path, compression="zstd", store_schema=False)
    assert path.stat().st_size < 2**16
    assert max(map(len, islice(disk.tables.iter_arrow("repeated"), 3))) < 100
    assert len(disk.tables.head_arrow("repeated", 3)) == 3
    with pytest.raises(CorruptDataError, match="read it part by part"):
        disk.load_table("repeated")


def test_the_first_rows_are_those_of_the_whole_table(dataset: ZarrDataset) -> None:
    frame = pd.DataFrame({"v": np.arange(100_000), "w": "text"})
    dataset.save_table("t", frame)
    for rows in (0, 1, 5, 40_000, 200_000):
        found = dataset.tables.head_arrow("t", rows, columns=["v"])
        assert found["v"].to_pylist() == list(range(min(rows, 100_000)))


def test_one_text_names_one_column(dataset: ZarrDataset) -> None:
    frame = pd.DataFrame({"ab": [1], "a": [2], "b": [3]})
    dataset.save_table("t", frame)
    assert dataset.load_table("t", columns="ab").to_dict("list") == {"ab": [1]}
    assert dataset.tables.head_arrow("t", columns="ab").column_names == ["ab"]
    assert [part.column_names for part in dataset.iter_table("t", columns="ab")] == [["ab"]]
    assert list(dataset.load_table("t", columns=iter("ba"))) == ["b", "a"]
