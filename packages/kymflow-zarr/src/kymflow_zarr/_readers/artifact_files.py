"""Load the artifact files beside an image: JSON, arrays, tables.

Nothing is ever unpickled, and what a file declares is compared with its size before memory is
reserved for it.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.files import check_unchanged, open_regular_file, read_bounded
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.sidecars import Sidecar
from kymflow_zarr._readers.translate import translated
from kymflow_zarr._storage.gunzip import gunzip_bounded
from kymflow_zarr._storage.json_text import MAX_BYTES, JsonValue, loads
from kymflow_zarr.errors import CorruptDataError, UnreadableImageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load_array_sidecar", "load_json_sidecar", "load_table_sidecar"]

_MAX_COLUMNS: Final = 10_000
_MAX_NDIM: Final = 8
_BYTES_PER_CELL: Final = 8


def load_json_sidecar(path: Path, *, follow_symlinks: bool = False) -> JsonValue:
    """Read a JSON file, strictly.

    Args:
        path: The file.
        follow_symlinks: Take the file that a symbolic link leads to; by default links are refused.

    Returns:
        The document.

    Raises:
        UnreadableImageError: It cannot be read, is larger than 64 MiB, or is not strict JSON.
    """
    data = read_bounded(path, limit=MAX_BYTES, follow_symlinks=follow_symlinks)
    try:
        return loads(data, key=path.name)
    except CorruptDataError as error:
        raise UnreadableImageError(path, f"{error.reason}; correct or remove it") from error


def load_array_sidecar(
    path: Path, *, limits: ReadLimits | None = None, follow_symlinks: bool = False
) -> npt.NDArray[Any]:
    """Read a ``.npy`` file that holds one array of plain numbers.

    Args:
        path: The file.
        limits: Bounds on its size; the defaults of `ReadLimits` when None.
        follow_symlinks: Take the file that a symbolic link leads to; by default links are refused.

    Returns:
        The array, in C order and native byte order.

    Raises:
        UnreadableImageError: It cannot be read, is no ``.npy`` file, holds Python objects (which
            are never unpickled), is cut short, or is too large.
    """
    limit = (limits or ReadLimits()).max_sidecar_bytes
    raw, facts = open_regular_file(path, follow_symlinks=follow_symlinks)
    with raw, translated(path):
        file = io.BufferedReader(raw)
        shape, dtype = _npy_header(file)
        if dtype.hasobject:
            raise UnreadableImageError(
                path, "it holds Python objects, which are never unpickled; save plain numbers"
            )
        declared, held = math.prod(shape) * dtype.itemsize, facts.size_bytes - file.tell()
        if declared != held or len(shape) > _MAX_NDIM or min(shape, default=0) < 0:
            raise UnreadableImageError(
                path,
                f"its header declares {declared} bytes of shape {shape}, it holds {held}; "
                "save it again",
            )
        if declared > limit:
            raise UnreadableImageError(
                path,
                f"it has {declared} bytes, the limit is {limit}; "
                "raise ReadLimits.max_sidecar_bytes if it is sound",
            )
        file.seek(0)
        array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        check_unchanged(path, raw, facts)
        return np.ascontiguousarray(array, dtype=dtype.newbyteorder("=")).reshape(shape)


def load_table_sidecar(
    sidecar: Sidecar, *, limits: ReadLimits | None = None, follow_symlinks: bool = False
) -> pd.DataFrame:
    """Read a table from Parquet, CSV or compressed CSV.

    CSV is UTF-8, else Windows-1252, with a header row. Its numbers are read exactly (by pandas 3.1
    on), and its types are what pandas infers.

    Args:
        sidecar: The file and its kind: ``parquet``, ``csv`` or ``csv.gz``.
        limits: Bounds on its size; the defaults of `ReadLimits` when None.
        follow_symlinks: Take the file that a symbolic link leads to; by default links are refused.

    Returns:
        The table.

    Raises:
        ValueError: The sidecar is of another kind.
        UnreadableImageError: It cannot be read, is no table, fails a checksum, or is too large.
    """
    limit = (limits or ReadLimits()).max_sidecar_bytes
    path = sidecar.path
    if sidecar.kind not in {"parquet", "csv", "csv.gz"}:
        raise ValueError(f"{path.name!r} is no table but {sidecar.kind}; load it as that")
    data = read_bounded(path, limit=limit, follow_symlinks=follow_symlinks)
    with translated(path):
        match sidecar.kind:
            case "parquet":
                return _parquet(path, data, limit)
            case "csv.gz":
                return _csv(path, _gunzip(path, data, limit))
            case _:
                return _csv(path, data)


def _npy_header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of the npy format is not supported")
    return shape, dtype


def _gunzip(path: Path, data: bytes, limit: int) -> bytes:
    try:
        return gunzip_bounded(data, key=path.name, limit=limit)
    except CorruptDataError as error:
        raise UnreadableImageError(path, f"{error.reason}; copy or export it again") from error


def _csv(path: Path, data: bytes) -> pd.DataFrame:
    import pandas as pd

    columns = data[: data.find(b"\n") if b"\n" in data else len(data)].count(b",") + 1
    if columns > _MAX_COLUMNS:
        raise UnreadableImageError(
            path, f"its first row has {columns} columns, the limit is {_MAX_COLUMNS}; transpose it"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252")
    return pd.read_csv(io.StringIO(text), low_memory=False)


def _parquet(path: Path, data: bytes, limit: int) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(
        pa.BufferReader(data), page_checksum_verification=True, pre_buffer=False
    ) as file:
        metadata = file.metadata
        groups = range(metadata.num_row_groups)
        declared = max(
            sum(metadata.row_group(index).total_byte_size for index in groups),
            metadata.num_rows * metadata.num_columns * _BYTES_PER_CELL,
        )
        if metadata.num_columns > _MAX_COLUMNS or declared > limit:
            raise UnreadableImageError(
                path,
                f"it declares {metadata.num_rows} rows of {metadata.num_columns} columns, "
                f"{declared} bytes, the limit is {limit}; split it, or raise "
                "ReadLimits.max_sidecar_bytes if it is sound",
            )
        frame: pd.DataFrame = file.read(use_threads=False).to_pandas()
    return frame
