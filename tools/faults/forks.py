"""Work done in a forked child, which may die of it.

All imports are made once, in the parent: a child then takes a few milliseconds.
"""

from __future__ import annotations

import importlib
import mmap
import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

_T = TypeVar("_T")

_MODULES = (
    "kymflow.core.analysis.run",
    "kymflow.core.analysis.velocity",
    "kymflow.core.indexers",
    "kymflow.core.kym_dataset.kym_dataset",
    "kymflow_zarr",
    "kymflow_zarr._check.dataset",
    "kymflow_zarr._export.export",
    "kymflow_zarr._export.ingest",
    "kymflow_zarr._ingest.batch",
    "kymflow_zarr._ingest.scan",
    "kymflow_zarr._pixels.view",
    "kymflow_zarr._upgrade.format1",
    "numcodecs.zstd",
    "pandas",
    "pyarrow.compute",
    "pyarrow.csv",
    "pyarrow.parquet",
    "tifffile",
    "zarr.storage",
    "zarr.testing",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class End(Generic[_T]):
    """How a child ended.

    Attributes:
        value: What its function returned; None if it did not.
        error: The traceback of what it raised; empty if nothing.
        kind: The names of the classes of that error, the most special one first.
        killed_by: The signal that ended it; 0 if none.
        hung: Whether it had to be stopped because it took too long.
    """

    value: _T | None
    error: str = ""
    kind: tuple[str, ...] = ()
    killed_by: int = 0
    hung: bool = False


class Counter:
    """A number that parent and children share."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    @property
    def value(self) -> int:
        """The number."""
        return int.from_bytes(self._memory[:8], "little")

    @value.setter
    def value(self, number: int) -> None:
        self._memory[:8] = number.to_bytes(8, "little")


def warm_up() -> None:
    """Import what children need, so that none has to; nothing that starts a thread."""
    for name in _MODULES:
        try:
            importlib.import_module(name)
        except ImportError:  # a module that has moved makes children slower, and nothing else
            continue


def in_child(work: Callable[[], _T], *, timeout_s: float = 300.0) -> End[_T]:
    """Call a function, which returns what can be pickled, in a forked child.

    A child that takes longer than `timeout_s` counts as hung, and is stopped.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be_child(work, writing)
    os.close(writing)
    data = bytearray()
    hung = False
    deadline = time.monotonic() + timeout_s
    with open(reading, "rb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor, no path
        while True:
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                hung = True
                os.kill(pid, signal.SIGKILL)
                break
            part = pipe.read(2**16)
            if not part:
                break
            data += part
    _, status = os.waitpid(pid, 0)
    if hung:
        return End(value=None, hung=True)
    if os.WIFSIGNALED(status):
        return End(value=None, killed_by=os.WTERMSIG(status))
    end: End[_T] = pickle.loads(bytes(data))  # noqa: S301 - from our own child
    return end


def _be_child(work: Callable[[], _T], writing: int) -> None:
    if "FAULTS_VERBOSE" not in os.environ:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
    try:
        end: End[_T] = End(value=work())
    except BaseException as error:  # noqa: BLE001 - whatever it is, the parent reports it
        kind = tuple(cls.__name__ for cls in type(error).__mro__)
        end = End(value=None, error=traceback.format_exc(), kind=kind)
    with open(writing, "wb") as pipe:
        pickle.dump(end, pipe)
    os._exit(0)
