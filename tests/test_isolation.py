"""Nothing imports upward, not even by a computed name, which `hatch run lint:bounds` cannot see."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterable
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

top, *above = sys.argv[1:]
package = import_module(top)
names = [found.name for found in pkgutil.walk_packages(package.__path__, top + ".")]
for name in names:
    import_module(name)
loaded = [name for name in above if name in sys.modules]
assert not loaded, loaded
print(len(names))
"""

ABOVE = ("kymflow.cli", "rich", "cyclopts", "matplotlib", "dask", "distributed", "IPython")


def run_with_only(root: Path, packages: Iterable[str], code: str, *arguments: str) -> str:
    """Runs code where no other packages of the workspace exist.

    Without `site` no .pth file puts them on the path: it holds what is installed, and the sources
    of these.
    """
    sources = [str(root / "packages" / package / "src") for package in packages]
    installed = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    start = f"import sys; sys.path += {[*sources, *installed]!r}\n"
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
    place = str(tmp_path / "alone.zarr")
    assert run_with_only(root, ["kymflow-zarr"], WRITE_AND_READ, place) == "done"


def test_every_module_of_it_imports_where_kymflow_does_not_exist(root: Path) -> None:
    printed = run_with_only(root, ["kymflow-zarr"], IMPORT_ALL, "kymflow_zarr", "kymflow", *ABOVE)
    assert int(printed) > 10


def test_every_module_of_the_domain_imports_without_the_command(root: Path) -> None:
    below = ["kymflow-zarr", "kymflow-core"]
    assert int(run_with_only(root, below, IMPORT_ALL, "kymflow.core", *ABOVE)) > 10
