"""Readers of other distributions: found by their entry points, and left out when broken."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kymflow_zarr._readers.registry import Registry
from kymflow_zarr._readers.tiff_reader import TiffReader
from kymflow_zarr.errors import ReaderError

EXAMPLE = Path(__file__).parents[2] / "examples" / "npy-reader"
Install = Callable[..., Path]

FOLDER_HEADER = '''
from kymflow_zarr.readers import Facts, Quantity, Rank


class PeriodFile:
    """Reads the line period of a whole folder from ``period.ms``."""

    name = "period"
    suffixes = (".ms",)

    def find(self, path, listing):
        return listing.named("period.ms")

    def read(self, path, listing, *, shape, limits):
        found = self.find(path, listing)
        if found is None:
            return None
        period = float(found.read_text())
        steps = {"t": Quantity(value=period / 1000, unit="s")}
        return Facts(source="period", rank=Rank.HEADER_FILE, line_scan=True, steps=steps)
'''


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """``install(module, source, group=, name=, target=)``: a distribution as pip leaves it."""

    def put(module: str, source: str, *, group: str, name: str, target: str) -> Path:
        site = tmp_path / "site"
        info = site / f"{module}-1.4.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(source, encoding="utf-8")
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.4\n", encoding="utf-8"
        )
        points = f"[kymflow_zarr.{group}]\n{name} = {module}:{target}\n"
        (info / "entry_points.txt").write_text(points, encoding="utf-8")
        return site

    return put


def run(site: Path, code: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    """Runs code in a process that finds the distributions of a folder."""
    program = f"import sys; sys.path.insert(0, {str(site)!r})\n{code}"
    return subprocess.run(
        [sys.executable, "-W", "default", "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def npy(install: Install) -> Path:
    """The example distribution, installed."""
    source = (EXAMPLE / "npy_reader.py").read_text(encoding="utf-8")
    return install("npy_reader", source, group="readers", name="npy", target="NpyReader")


def test_the_example_is_short() -> None:
    files = [EXAMPLE / "pyproject.toml", EXAMPLE / "npy_reader.py"]
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) <= 40


def test_the_page_shows_the_example() -> None:
    page = (EXAMPLE.parents[1] / "docs" / "howto" / "write-a-reader.md").read_text(encoding="utf-8")
    _, code = (EXAMPLE / "npy_reader.py").read_text(encoding="utf-8").split('"""\n\n', 1)
    assert f"```python\n{code}```" in page
    points = (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8").partition("\n[project.entry")
    assert "".join(points[1:]).strip() in page


def test_a_reader_of_another_distribution_goes_all_the_way(npy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    pixels = np.arange(60, dtype=np.uint16).reshape(12, 5)
    np.save(folder / "scan.npy", pixels)
    np.save(folder / "scan.mask.npy", pixels > 3)
    (folder / "broken.npy").write_bytes(b"not an array")
    done = run(
        npy,
        """
import numpy as np
from pathlib import Path
from kymflow_zarr import IngestError, ZarrDataset
from kymflow_zarr.readers import find_readers
from kymflow_zarr.testing import check_reader
from npy_reader import NpyReader

folder, place = map(Path, sys.argv[1:])
(info,) = [info for info in find_readers() if info.name == "npy"]
assert (info.distribution, info.version, info.suffixes) == ("npy_reader", "1.4", (".npy",)), info
assert check_reader(NpyReader(), [folder / "scan.npy"], [folder / "broken.npy"]) == []
dataset = ZarrDataset(place / "d.zarr")
try:
    dataset.refresh_from_folder(folder)
except IngestError as error:
    assert [path.name for path in error.failures] == ["broken.npy"], error
    (image_id,) = error.image_ids
record = dataset.record(image_id)
assert record.get_axes() == ("t", "x")
assert np.array_equal(record.load_array(), np.arange(60).reshape(12, 5))
header = record.load_metadata_payload()["header"]
assert (header["scale"]["t"], header["sources"]["scale.t"]) == (0.001, "npy"), header
assert record.list_array_artifacts() == ["mask"], "a mask beside the image is its artifact"
(folder / "broken.npy").unlink()
assert dataset.refresh_from_folder(folder) == []
assert dataset.check(deep=True) == []
dataset.export_legacy_folder(place / "out")
again = ZarrDataset(place / "again.zarr")
assert again.ingest_legacy_folder(place / "out") == [image_id]
assert again.check(deep=True) == []
""",
        folder,
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_header_for_a_whole_folder(install: Install, tmp_path: Path) -> None:
    import tifffile

    site = install("period", FOLDER_HEADER, group="headers", name="period", target="PeriodFile")
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("a", "b"):
        tifffile.imwrite(folder / f"{name}.tif", np.zeros((12, 5), np.uint16))
    (folder / "period.ms").write_text("1.5")
    done = run(
        site,
        """
from pathlib import Path
from kymflow_zarr import ZarrDataset
from kymflow_zarr.testing import check_header_reader
from period import PeriodFile

folder, place = map(Path, sys.argv[1:])
assert check_header_reader(PeriodFile(), folder / "a.tif", shape=(12, 5)) == []
dataset = ZarrDataset(place / "d.zarr")
dataset.refresh_from_folder(folder)
for record in dataset.iter_records():
    header = record.load_metadata_payload()["header"]
    assert record.get_axes() == ("t", "x"), header
    assert header["scale"]["t"] == 0.0015, header
    assert header["sources"] == {"axes": "period", "scale.t": "period"}, header
""",
        folder,
        tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")


BROKEN = {
    "import": ("raise OSError('no driver')", "OSError: no driver"),
    "incomplete": (
        "class Reader:\n    name = 'incomplete'\n    suffixes = ()",
        "it lacks claims, open",
    ),
    "constructor": ("class Reader:\n    def __init__(self, x): ...", "TypeError"),
    "misnamed": ("from kymflow_zarr._readers.tiff_reader import TiffReader as Reader", "name"),
}


def test_the_name_of_a_built_in_reader_is_taken_from_the_start() -> None:
    built_in = [("tiff", "kymflow_zarr._readers.tiff_reader:TiffReader")]
    fresh = Registry[TiffReader](role="reader", protocol=TiffReader, built_in=built_in)
    with pytest.raises(ReaderError, match="'kymflow-zarr' has a reader of this name"):
        fresh.register(TiffReader())


def test_each_broken_reader_is_a_warning_that_names_it(install: Install, tmp_path: Path) -> None:
    import tifffile

    for name, (source, _) in BROKEN.items():
        install(f"broken_{name}", source, group="readers", name=name, target="Reader")
    folder = tmp_path / "scans"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", np.zeros((12, 5), np.uint16))
    done = run(
        tmp_path / "site",
        """
import json
from pathlib import Path
from kymflow_zarr import ZarrDataset
from kymflow_zarr.readers import find_readers

folder, place = map(Path, sys.argv[1:])
assert len(ZarrDataset(place / "d.zarr").refresh_from_folder(folder)) == 1
print(json.dumps({info.name: info.problem for info in find_readers()}))
""",
        folder,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    problems = json.loads(done.stdout)
    for name, (_, reason) in BROKEN.items():
        assert reason in problems[name]
        warning = f"PluginWarning: the reader '{name}' of 'broken_{name}' is not used"
        assert warning in done.stderr
