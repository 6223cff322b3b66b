"""Tables over all images: some rows read, some rows replaced."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bench_job import Benchmark

from kymflow_zarr import RowUpdate, ZarrDataset

_ROWS_OF_AN_IMAGE = 10_000
_TABLE = "velocity"


def _image_id(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def _rows(number: int) -> pa.Table:
    """Rows such as an indexer makes: where they come from, and measured values."""
    rng = np.random.default_rng(number)
    columns: dict[str, pa.Array[Any]] = {
        "image_id": pa.repeat(_image_id(number), _ROWS_OF_AN_IMAGE),
        "analysis_version": pa.repeat("1", _ROWS_OF_AN_IMAGE),
        "params_hash": pa.repeat(f"sha256:{number:064x}", _ROWS_OF_AN_IMAGE),
        "line": pa.array(np.arange(_ROWS_OF_AN_IMAGE)),
        "velocity": pa.array(rng.normal(1.0, 0.3, _ROWS_OF_AN_IMAGE)),
        "quality": pa.array(rng.random(_ROWS_OF_AN_IMAGE, dtype=np.float32)),
    }
    return pa.table(columns)


def _updates(count: int) -> Iterator[RowUpdate]:
    for number in range(count):
        yield RowUpdate(image_ids=frozenset({_image_id(number)}), rows=_rows(number))


def make_table(folder: Path, rows: int) -> None:
    """A table of so many rows, 10,000 for an image."""
    dataset = ZarrDataset(folder / "dataset.zarr", durability="none")
    dataset.replace_rows(_TABLE, _updates(rows // _ROWS_OF_AN_IMAGE), schema=_rows(0).schema)


def _open(folder: Path) -> ZarrDataset:
    return ZarrDataset(folder / "dataset.zarr", durability="none")


def read_rows(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """One image's rows."""
    rows = _open(inputs).load_table(_TABLE, image_ids=[_image_id(7)])
    assert len(rows) == _ROWS_OF_AN_IMAGE


def read_table(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """All rows, through the dataset."""
    assert len(_open(inputs).load_table(_TABLE))


def replace_rows(inputs: Path, scratch: Path) -> None:  # noqa: ARG001 - a job takes both
    """One image's rows replaced by the same: the table is rewritten."""
    update = RowUpdate(image_ids=frozenset({_image_id(7)}), rows=_rows(7))
    _open(inputs).replace_rows(_TABLE, [update], schema=update.rows.schema)


def rewrite(inputs: Path, scratch: Path) -> None:
    """Each row group read, with the checksums of its pages, and written again alike."""
    old = pq.ParquetFile(
        inputs / "dataset.zarr" / "tables" / f"{_TABLE}.parquet", page_checksum_verification=True
    )
    target = scratch / "table.parquet"
    with pq.ParquetWriter(
        target,
        old.schema_arrow,
        compression="zstd",
        # What repeats; the stubs know of True and False only.
        use_dictionary=["image_id", "analysis_version", "params_hash", "line"],  # type: ignore[arg-type]
        write_page_checksum=True,
        write_page_index=True,
    ) as writer:
        for group in range(old.num_row_groups):
            writer.write_table(old.read_row_group(group))
    shutil.move(target, os.fspath(scratch / "published.parquet"))


BENCHMARKS = (
    Benchmark(
        name="one image's rows next to the whole table",
        unit="row",
        sizes=(1_000_000,),
        small=(200_000,),
        prepare=make_table,
        work=read_rows,
        floor=read_table,
        most_ratio=0.2,
    ),
    Benchmark(
        name="replace one image's rows",
        unit="row",
        sizes=(200_000, 1_000_000, 5_000_000),
        small=(100_000, 400_000),
        prepare=make_table,
        work=replace_rows,
        floor=rewrite,
    ),
    Benchmark(
        name="replace one image's rows of 20 million",
        unit="row",
        sizes=(1_000_000, 20_000_000),
        small=(200_000,),
        prepare=make_table,
        work=replace_rows,
        floor=rewrite,
        most_peak_mib=400,
        rounds=1,
    ),
)
