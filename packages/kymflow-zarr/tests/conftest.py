"""What the tests of the store share: datasets on disk and in memory, and files to take in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from kymflow_zarr import ZarrDataset

# How long an example takes says more of the machine than of the code.
_EXAMPLES = int(os.environ.get("KYMFLOW_EXAMPLES", "40"))
hypothesis.settings.register_profile(
    "kymflow",
    deadline=None,
    max_examples=_EXAMPLES,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("kymflow")


@pytest.fixture(params=["disk", "memory"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> ZarrDataset:
    """An empty dataset; each test that takes it runs on disk and in memory."""
    if request.param == "disk":
        return ZarrDataset(tmp_path / "dataset.zarr")
    from zarr.storage import MemoryStore

    return ZarrDataset(MemoryStore())


@pytest.fixture
def disk(tmp_path: Path) -> ZarrDataset:
    """An empty dataset in a folder."""
    return ZarrDataset(tmp_path / "dataset.zarr")


class MakeKymograph(Protocol):
    """Makes pixels of shape ``(time, space)``."""

    def __call__(self, seed: int = 0, shape: tuple[int, ...] = (60, 16)) -> NDArray[np.uint16]: ...


@pytest.fixture
def kymograph() -> MakeKymograph:
    """Makes reproducible 12-bit pixels."""

    def make(seed: int = 0, shape: tuple[int, ...] = (60, 16)) -> NDArray[np.uint16]:
        return np.random.default_rng(seed).integers(0, 4096, shape).astype(np.uint16)

    return make


@pytest.fixture
def folder(tmp_path: Path, kymograph: MakeKymograph) -> Path:
    """A folder with three TIFFs, named ``a.tif``, ``b.tif`` and ``c.tif``."""
    path = tmp_path / "recordings"
    path.mkdir()
    for seed, name in enumerate("abc"):
        tifffile.imwrite(path / f"{name}.tif", kymograph(seed))
    return path


@pytest.fixture
def touch() -> Callable[[Path], None]:
    """Moves a file's time of change one second on."""

    def move(path: Path) -> None:
        found = path.stat()
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000_000))

    return move


@pytest.fixture
def rewrite() -> Callable[[Path], None]:
    """Gives a TIFF other pixels of the same shape, and a later time."""

    def write(path: Path) -> None:
        found = path.stat()
        tifffile.imwrite(path, tifffile.imread(path) + 1)
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000_000))

    return write


@pytest.fixture
def shared() -> Iterator[Path]:
    """The folder of real recordings; tests that need it are skipped where it is not there."""
    named = os.environ.get("KYMFLOW_SHARED")
    places = [Path(named)] if named else [up / "shared" for up in Path(__file__).parents]
    for place in places:
        if (place / "data" / "kymographs").is_dir():
            yield place / "data" / "kymographs"
            return
    pytest.skip("the shared recordings are not here")


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, bytes]]:
    """Reads every file below a folder."""

    def read(top: Path) -> dict[str, Any]:
        return {
            str(path.relative_to(top)): path.read_bytes()
            for path in sorted(top.rglob("*"))
            if path.is_file()
        }

    return read
