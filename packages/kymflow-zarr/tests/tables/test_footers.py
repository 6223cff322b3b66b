"""What a footer says of its column chunks is read as Arrow reads it."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kymflow_zarr._tables.parquet_footer import column_chunks, read_footer
from kymflow_zarr.errors import CorruptDataError

ROWS = 300
TYPES = (pa.int8(), pa.uint8(), pa.int16(), pa.uint32(), pa.int64(), pa.float32(), pa.float64())
COLUMNS: dict[str, Any] = {
    **{str(kind): pa.array(np.arange(ROWS) % 100, kind) for kind in TYPES},
    "bool": pa.array([True, False, None] * (ROWS // 3)),
    "text": pa.array([f"é{number % 7}" for number in range(ROWS)]),
    "long text": pa.array(["x" * number for number in range(ROWS)]),
    "null": pa.nulls(ROWS, pa.int64()),
    "some": pa.array([None, 1, None] * (ROWS // 3), pa.int32()),
    "time": pa.array(range(ROWS), pa.timestamp("ns", "UTC")),
    "decimal": pa.array([Decimal("1.5"), None, Decimal(-2)] * (ROWS // 3), pa.decimal128(9, 2)),
    "list": pa.array([[1, 2], [], None] * (ROWS // 3), pa.list_(pa.int64())),
    "struct": pa.array([{"a": 1, "b": {"c": "x"}}] * ROWS),
}


@pytest.mark.parametrize("options", [{}, {"compression": "none", "use_dictionary": False}])
@pytest.mark.parametrize("rows", [50, ROWS])
@pytest.mark.parametrize("columns", [14, 15, len(COLUMNS)])
def test_it_says_what_arrow_says(columns: int, rows: int, options: dict[str, Any]) -> None:
    stream = io.BytesIO()
    table = pa.table(dict(list(COLUMNS.items())[:columns]))
    pq.write_table(table, stream, row_group_size=rows, **options)
    theirs: Any = pq.read_metadata(stream)
    ours = column_chunks(read_footer(stream)[1], key="t")
    assert [len(group) for group in ours] == [theirs.num_columns] * theirs.num_row_groups
    for at, group in enumerate(ours):
        for leaf, chunk in enumerate(group):
            said = theirs.row_group(at).column(leaf)
            known = said.statistics
            assert chunk.path == said.path_in_schema
            assert chunk.start == (said.dictionary_page_offset or said.data_page_offset)
            assert chunk.size == said.total_compressed_size
            assert chunk.unpacked_size == said.total_uncompressed_size
            assert chunk.null_count == known.null_count
            assert (chunk.bounds is not None) == known.has_min_max
            if chunk.path == "long text":
                assert chunk.bounds == (known.min.encode(), known.max.encode())
                assert chunk.text_size in {0, rows * (2 * at * rows + rows - 1) // 2}


def footer_of(unpacked: bytes, size: bytes, start: bytes) -> bytes:
    """The footer of one row group with one column ``a``, in Thrift's compact protocol."""
    column = b"\x39\x18\x01a" + b"\x36" + unpacked + b"\x16" + size + b"\x26" + start + b"\0"
    return b"\x49\x1c" + b"\x19\x1c" + b"\x3c" + column + b"\0\0\0"


def test_numbers_are_as_long_as_they_are() -> None:
    footer = footer_of(b"\x00", b"\x7e", b"\x80\x80\x04")
    ((chunk,),) = column_chunks(footer, key="t")
    assert (chunk.path, chunk.unpacked_size, chunk.size, chunk.start) == ("a", 0, 63, 32768)


@pytest.mark.parametrize("number", [b"\x01", b"\x7f", b"\x83\x01", b"\xff\xff\x03"])
def test_a_negative_size_is_damage(number: bytes) -> None:
    for at in range(3):
        numbers = [b"\x02"] * 3
        numbers[at] = number
        with pytest.raises(CorruptDataError, match="its footer is damaged"):
            column_chunks(footer_of(*numbers), key="t")
