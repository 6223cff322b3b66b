"""The same power cut on other stores: `python tools/faults/compare.py` (root, Linux).

Thirty records are written one after the other to a mounted filesystem, each acknowledged; a second
later the power is cut (the filesystem is shut down). How many of those that were acknowledged are
there, and right, when it is mounted again?
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from faults.loop_disk import FILESYSTEMS, FLUSHES, LoopDisk, require_filesystem
from faults.shim import UnavailableError
from kymflow_zarr import ZarrDataset

_RECORDS = 30

Write = Callable[[Path, int, NDArray[np.uint16]], None]
Read = Callable[[Path, int], NDArray[np.uint16]]


def _pixels(number: int) -> NDArray[np.uint16]:
    return np.full((64, 32), number + 1, np.uint16)


def _write_kymflow(place: Path, number: int, image: NDArray[np.uint16]) -> None:
    del number
    ZarrDataset(place).add_image(image, axes=("t", "x"))


def _read_kymflow(place: Path, number: int) -> NDArray[np.uint16]:
    for record in ZarrDataset(place, "r").iter_records():
        image: NDArray[np.uint16] = record.load_array()
        if image.flat[0] == number + 1:
            return image
    raise KeyError(number)


def _write_zarr(place: Path, number: int, image: NDArray[np.uint16]) -> None:
    import zarr

    array = zarr.create_array(place / str(number), shape=image.shape, dtype=image.dtype)
    array[...] = image


def _read_zarr(place: Path, number: int) -> NDArray[np.uint16]:
    import zarr

    return np.asarray(zarr.open_array(place / str(number), mode="r")[...], dtype=np.uint16)


def _write_npy(place: Path, number: int, image: NDArray[np.uint16]) -> None:
    place.mkdir(exist_ok=True)
    np.save(place / f"{number}.npy", image)


def _read_npy(place: Path, number: int) -> NDArray[np.uint16]:
    image: NDArray[np.uint16] = np.load(place / f"{number}.npy", allow_pickle=False)
    return image


def _write_sqlite(place: Path, number: int, image: NDArray[np.uint16]) -> None:
    with sqlite3.connect(place) as database:
        database.execute("pragma journal_mode=wal")
        database.execute("pragma synchronous=full")
        database.execute("create table if not exists images (number primary key, pixels)")
        database.execute("insert into images values (?, ?)", (number, image.tobytes()))
    database.close()


def _read_sqlite(place: Path, number: int) -> NDArray[np.uint16]:
    database = sqlite3.connect(place)
    (row,) = database.execute("select pixels from images where number = ?", (number,))
    database.close()
    return np.frombuffer(row[0], np.uint16).reshape(64, 32)


STORES: dict[str, tuple[Write, Read]] = {
    "kymflow-zarr (batch)": (_write_kymflow, _read_kymflow),
    "zarr-python, plain": (_write_zarr, _read_zarr),
    "NumPy files": (_write_npy, _read_npy),
    "SQLite (WAL, FULL)": (_write_sqlite, _read_sqlite),
}


def lost(store: str, disk: LoopDisk, flush: int) -> int:
    """How many of the acknowledged records a cut takes."""
    write, read = STORES[store]
    place = disk.top / "store"
    with disk.trial():
        for number in range(_RECORDS):
            write(place, number, _pixels(number))
        time.sleep(1.0)
        disk.cut_power(FLUSHES[flush])
        return sum(not _is_there(read, place, number) for number in range(_RECORDS))


def _is_there(read: Read, place: Path, number: int) -> bool:
    try:
        return bool((read(place, number) == _pixels(number)).all())
    # Each library has its own errors: whatever it is, the record is not there.
    except Exception:  # noqa: BLE001
        return False


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filesystem", choices=list(FILESYSTEMS), default="ext4")
    parser.add_argument("--scratch", type=Path)
    arguments = parser.parse_args()
    kind: str = arguments.filesystem
    try:
        require_filesystem(kind)
    except UnavailableError as error:
        print(f"skipped: {error}")
        return 2
    print(f"| store, on {kind} | lost, {FLUSHES[0]} | lost, {FLUSHES[1]} |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as name:
        disk = LoopDisk(kind, Path(name))
        for store in STORES:
            found = [f"{lost(store, disk, flush)} of {_RECORDS}" for flush in (0, 1)]
            print(f"| {store} | {' | '.join(found)} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
