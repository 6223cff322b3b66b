"""Footers that no checksum protects: damaged at every byte, and none may end the process.

Each footer is read in a child process: what Arrow's C++ throws through its Python bindings aborts.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kymflow_zarr import ZarrDataset

ROWS = pa.table({"image_id": ["i0", "i1"], "half": [0.5, None], "n": pa.array([1, 2], pa.int32())})
CHILD = """
import sys
from contextlib import suppress
from pathlib import Path
import pandas as pd
from kymflow_zarr import KymflowZarrError, ZarrDataset
from test_damaged_footers import damaged_footers

place, *masks = sys.argv[1:]
dataset = ZarrDataset(place, durability="none")
path = Path(place, "tables", "t.parquet")
row = pd.DataFrame({"image_id": ["i0"], "half": [1.5], "n": pd.array([3], "Int32")})
calls = [
    lambda: dataset.table_row_count("t"),
    lambda: dataset.table_schema("t"),
    lambda: dataset.load_table("t"),
    lambda: dataset.load_table("t", columns=["half"], image_ids="i0"),
    lambda: list(dataset.tables.iter_arrow("t")),
    lambda: dataset.tables.head_arrow("t", 1),
    lambda: dataset.check(deep=True),
    lambda: dataset.tables.replace_rows_for_image_id("t", "i0", row),
]
for what, data in damaged_footers(path.read_bytes(), [int(mask) for mask in masks]):
    print(what, flush=True)
    path.write_bytes(data)
    for call in calls:
        with suppress(KymflowZarrError):
            call()
print("done")
"""


def damaged_footers(data: bytes, masks: list[int]) -> Iterator[tuple[str, bytes]]:
    """The file with each byte of its footer changed by one mask in turn, its seal made good."""
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for at in range(start, len(data)):
        mask = masks[at % len(masks)]
        changed = bytearray(data)
        changed[at] ^= mask
        yield f"byte {at - start} of the footer ^ {mask}", resealed(bytes(changed))


def resealed(data: bytes) -> bytes:
    """A file whose tail fits its checksum, as docs/format.md describes it; others as they are."""
    found = re.search(rb"kymflow-tail-crc32c:([0-9a-f]{8}):([0-9a-f]{8})", data)
    whole = re.search(rb"kymflow-crc32c:([0-9a-f]{8})", data)
    if found is None or whole is None:
        return data
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    blank = bytearray(data)
    for begin, end in (found.span(1), found.span(2), whole.span(1)):
        blank[begin:end] = b"0" * (end - begin)
    tail = google_crc32c.value(bytes(blank[max(0, start - int(found[2], 16)) : -8]))
    return data[: found.start(1)] + f"{tail:08x}".encode() + data[found.end(1) :]


@pytest.mark.parametrize(
    ("masks", "is_sealed"),
    [
        pytest.param([0x08], False, id="one bit"),
        pytest.param([0x01, 0x20, 0x80], False, id="more bits", marks=pytest.mark.slow),
        pytest.param([0x08], True, id="sealed again", marks=pytest.mark.slow),
    ],
)
def test_no_damaged_footer_aborts(disk: ZarrDataset, masks: list[int], is_sealed: bool) -> None:
    disk.save_table("t", ROWS)
    if not is_sealed:
        pq.write_table(ROWS, Path(disk.location, "tables", "t.parquet"), store_schema=False)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, disk.location, *map(str, masks)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines[-1] == "done", f"{lines[-1]}: {done.stderr[-2000:]}"
    assert len(lines) > 300
