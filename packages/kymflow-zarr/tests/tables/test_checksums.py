"""A table is checked where it is read, and only what is asked for is read."""

from __future__ import annotations

import re
from pathlib import Path

import google_crc32c
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kymflow_zarr import CorruptDataError, SchemaValidationError, ZarrDataset

ROWS_PER_GROUP = 32_768


@pytest.fixture
def path(disk: ZarrDataset) -> Path:
    """A table of three row groups: images ``i0`` to ``i2`` with a group each."""
    ids = np.repeat(["i0", "i1", "i2"], ROWS_PER_GROUP)
    numbers = np.arange(len(ids))
    disk.save_table("t", pd.DataFrame({"image_id": ids, "n": numbers, "half": numbers / 2}))
    return Path(disk.location, "tables", "t.parquet")


def damage(path: Path, *, group: int, column: str) -> None:
    """Flip a bit in the middle of a column chunk."""
    metadata = pq.read_metadata(path).row_group(group)
    chunks = [metadata.column(at) for at in range(metadata.num_columns)]
    chunk = next(chunk for chunk in chunks if chunk.path_in_schema == column)
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    path.write_bytes(data)


def test_damage_concerns_those_who_read_it(disk: ZarrDataset, path: Path) -> None:
    damage(path, group=1, column="n")
    assert disk.table_row_count("t") == 3 * ROWS_PER_GROUP
    schema = disk.table_schema("t")
    assert schema is not None
    assert schema.names == ["image_id", "n", "half"]
    for image_id, first in (("i0", 0), ("i2", 2 * ROWS_PER_GROUP)):
        assert disk.load_table("t", image_ids=image_id)["n"].iloc[0] == first
    assert disk.load_table("t", columns=["half"])["half"].iloc[-1] == (3 * ROWS_PER_GROUP - 1) / 2
    for image_ids in ("i1", None):
        with pytest.raises(CorruptDataError, match=r"tables/t\.parquet.* column 'n' "):
            disk.load_table("t", image_ids=image_ids)
    problems = [problem for problem in disk.check(deep=True) if problem.kind == "unreadable"]
    assert [problem.location for problem in problems] == ["tables/t.parquet"]


def test_a_cut_table_is_damaged_for_everyone(disk: ZarrDataset, path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-100] + data[-99:])
    for call in (disk.table_row_count, disk.table_schema, disk.load_table):
        with pytest.raises(CorruptDataError, match=r"tables/t\.parquet"):
            call("t")


def test_every_flipped_bit_is_detected_or_changes_nothing(disk: ZarrDataset) -> None:
    disk.save_table("t", pd.DataFrame({"image_id": ["a"] * 40, "n": range(40)}))
    path = Path(disk.location, "tables", "t.parquet")
    good = path.read_bytes()
    expected = look(disk)
    for at in range(len(good)):
        damaged = bytearray(good)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        try:
            found = look(disk)
        except (CorruptDataError, SchemaValidationError):
            continue
        assert found == expected, at
        assert "unreadable" in {problem.kind for problem in disk.check(deep=True)}, at


def look(dataset: ZarrDataset) -> object:
    schema = dataset.table_schema("t")
    assert schema is not None
    rows = dataset.load_arrow_table("t", image_ids="a")
    return dataset.table_row_count("t"), str(schema), rows.to_pydict()


def test_the_checksum_of_the_whole_file_is_that_of_the_format(path: Path) -> None:
    # As version 0.1 reads it, and as docs/format.md says.
    data = path.read_bytes()
    footer = data[-8 - int.from_bytes(data[-8:-4], "little") :]
    (found,) = re.findall(rb"kymflow-crc32c:([0-9a-f]{8})", footer)
    blank = data.replace(b"kymflow-crc32c:" + found, b"kymflow-crc32c:00000000")
    assert google_crc32c.value(blank) == int(found, 16)


def test_a_column_whose_name_starts_like_another_is_another(disk: ZarrDataset) -> None:
    disk.save_table("t", pa.table({"image_id": ["a"], "v": [1], "v.w": [2], "v.x.y": [[3]]}))
    for columns in (["v"], ["v.w"], ["v.x.y"], ["v.w", "v"]):
        assert disk.load_table("t", columns=columns).columns.tolist() == columns
    assert disk.load_table("t", image_ids="a", columns=["v"]).to_dict("list") == {"v": [1]}
