"""`kymflow_zarr` serves projects that have never heard of kymflow."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

WRITE_AND_READ = """
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import kymflow_zarr

assert find_spec("kymflow") is None, "kymflow is there, so this shows nothing"
pixels = np.arange(20, dtype=np.uint16).reshape(4, 5)
path = Path(sys.argv[1])
record = kymflow_zarr.ZarrDataset(path).add_image(pixels, axes=("t", "x"))
record.save_json("note", {"by": "someone else"})

again = kymflow_zarr.ZarrDataset(path, mode="r").record(record.image_id)
assert np.array_equal(again.load_array(), pixels)
assert again.load_json("note") == {"by": "someone else"}
assert not [name for name in sys.modules if name.partition(".")[0] == "kymflow"]
print("done")
"""

IMPORT_ALL = """
import pkgutil
import sys
from importlib import import_module

import kymflow_zarr

names = [found.name for found in pkgutil.walk_packages(kymflow_zarr.__path__, "kymflow_zarr.")]
for name in names:
    import_module(name)
above = {"kymflow", "rich", "cyclopts", "matplotlib", "dask", "distributed", "IPython"}
assert not above & set(sys.modules), above & set(sys.modules)
print(len(names))
"""


def run_without_kymflow(root: Path, code: str, *arguments: str) -> str:
    """Runs code where `kymflow` does not exist.

    Without `site` no .pth file puts the other packages on the path: it holds what is installed, and
    the sources of kymflow-zarr.
    """
    sources = root / "packages" / "kymflow-zarr" / "src"
    installed = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    path = [str(sources), *installed]
    start = f"import sys; sys.path += {path!r}\n"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", start + code, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_writes_and_reads_where_kymflow_does_not_exist(root: Path, tmp_path: Path) -> None:
    assert run_without_kymflow(root, WRITE_AND_READ, str(tmp_path / "alone.zarr")) == "done"


def test_every_module_of_it_imports_where_kymflow_does_not_exist(root: Path) -> None:
    assert int(run_without_kymflow(root, IMPORT_ALL)) > 10
