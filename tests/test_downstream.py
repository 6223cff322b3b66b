"""What projects outside see: wheels in fresh environments, with their own code on top."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("package_index")]

CLOSURE = """
import json
from importlib.metadata import distribution, distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

needed, todo = set(), [("microscope-archive", "")]
while todo:
    name, extra = todo.pop()
    if (name, extra) not in needed:
        needed.add((name, extra))
        for text in distribution(name).requires or []:
            wanted = Requirement(text)
            if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
                todo += [(canonicalize_name(wanted.name), one) for one in ("", *wanted.extras)]
found = {canonicalize_name(one.metadata["Name"]) for one in distributions()}
print(json.dumps(sorted(found - {name for name, _ in needed})))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """A separate environment, and a copy of the project that is installed in it."""

    folder: Path

    def script(self, name: str) -> str:
        """A program of the environment."""
        inside = f"Scripts/{name}.exe" if sys.platform == "win32" else f"bin/{name}"
        return str(self.folder / "environment" / inside)

    def run(self, *command: str, code: int = 0) -> str:
        """Runs a command outside the tree; returns what it prints."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=without_ours(),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + (done.stderr if code else "")

    def python(self, *options: str, code: int = 0) -> str:
        return self.run(self.script("python"), "-I", "-W", "error", *options, code=code)


def without_ours() -> dict[str, str]:
    """The environment of this process without what leads to the tree."""
    ours = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MYPYPATH"}
    return {name: value for name, value in os.environ.items() if name not in ours}


def uv(*arguments: str) -> None:
    command = [sys.executable, "-m", "uv", *arguments]
    done = subprocess.run(
        command,
        env=without_ours(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def wheels(root: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The wheels of the three packages, by name."""
    place = tmp_path_factory.mktemp("wheels")
    made = {}
    for name in ("kymflow-zarr", "kymflow-core", "kymflow-cli"):
        folder = str(root / "packages" / name)
        uv("build", "--quiet", "--python", sys.executable, "--out-dir", str(place), folder)
        (wheel,) = place.glob(f"{name.replace('-', '_')}-*.whl")
        made[name] = str(wheel)
    return made


def installed(project: Path, place: Path, wheels: Sequence[str]) -> Fresh:
    """Installs a copy of a project, with these wheels and what they ask for."""
    fresh = Fresh(folder=place)
    shutil.copytree(project, place / "project", ignore=shutil.ignore_patterns("__pycache__"))
    uv("venv", "--quiet", "--python", sys.executable, str(place / "environment"))
    python = fresh.script("python")
    uv("pip", "install", "--quiet", "--python", python, str(place / "project"), *wheels)
    uv("pip", "check", "--quiet", "--python", python)
    return fresh


@pytest.fixture(scope="module")
def alone(root: Path, tmp_path_factory: pytest.TempPathFactory, wheels: dict[str, str]) -> Fresh:
    """A project that depends on kymflow-zarr, and on nothing else."""
    place = tmp_path_factory.mktemp("alone")
    project = root / "tests" / "downstream" / "storage_only"
    return installed(project, place, [wheels["kymflow-zarr"]])


@pytest.fixture(scope="module")
def full(root: Path, tmp_path_factory: pytest.TempPathFactory, wheels: dict[str, str]) -> Fresh:
    """A project that depends on all three, and a reader of yet another distribution."""
    place = tmp_path_factory.mktemp("full")
    project = root / "tests" / "downstream" / "full_stack"
    reader = root / "packages" / "kymflow-zarr" / "examples" / "npy-reader"
    shutil.copytree(reader, place / "npy-reader")
    return installed(project, place, [*wheels.values(), str(place / "npy-reader")])


@pytest.fixture
def tiffs(tmp_path: Path) -> Path:
    """A folder with two small TIFFs, one of sevens and one of nines."""
    folder = tmp_path / "tiffs"
    folder.mkdir()
    for value in (7, 9):
        tifffile.imwrite(folder / f"{value}.tif", np.full((6, 8), value, np.uint16))
    return folder


@pytest.fixture(scope="module")
def mypy(hatch_config: dict[str, Any]) -> list[str]:
    """The command that checks types, from a separate environment."""
    wanted = hatch_config["envs"]["lint"]["extra-dependencies"]
    (version,) = [text for text in wanted if text.startswith("mypy==")]
    tool = [sys.executable, "-m", "uv", "tool", "run", "--quiet", "--python", sys.executable]
    return [*tool, version, "--strict", "--warn-unreachable", "--no-error-summary"]


def test_the_storage_brings_its_dependencies_and_nothing_else(alone: Fresh) -> None:
    assert json.loads(alone.python("-c", CLOSURE)) == []
    said = alone.python("-c", "import kymflow_zarr, kymflow", code=1)
    assert "ModuleNotFoundError: No module named 'kymflow'" in said


def test_a_project_on_the_storage_alone_works(alone: Fresh, tiffs: Path, tmp_path: Path) -> None:
    program = alone.script("microscope-archive")
    np.save(tiffs / "frame.npy", np.full((6, 8), 11, np.uint16))
    visit = json.loads(alone.run(program, str(tiffs), str(tmp_path)))
    assert visit["brightest"] == 199
    assert len(visit["refreshed"]) == 3, "two TIFFs, and a frame by the reader of the project"
    assert visit["refreshed_again"] == []
    assert visit["missing"] == "missing: no-such-image"
    assert set(visit["exported"]) == {visit["stored"], *visit["refreshed"]}
    exported = [tifffile.imread(file) for file in sorted((tmp_path / "plain").rglob("*.tif"))]
    assert sorted(int(pixels.max()) for pixels in exported) == [7, 9, 11, 199]


def test_a_project_on_the_storage_alone_is_typed(alone: Fresh, mypy: list[str]) -> None:
    check = [*mypy, "--python-executable", alone.script("python")]
    assert alone.run(*check, "project/microscope_archive.py") == ""
    wrong = "from kymflow_zarr import ZarrDataset\n\nZarrDataset('a.zarr').record(1)\n"
    (alone.folder / "wrong.py").write_text(wrong, encoding="utf-8")
    said = alone.run(*check, "wrong.py", code=1)
    assert 'incompatible type "int"; expected "str"' in said


def test_a_study_on_the_full_stack_works(full: Fresh, tiffs: Path, tmp_path: Path) -> None:
    kymflow = full.script("kymflow")
    path = str(tmp_path / "study.zarr")
    full.run(kymflow, "ingest", str(tiffs), path, "--quiet")
    full.run(kymflow, "index", path, "edge_brightness", "--quiet")
    told = full.run(kymflow, "table", path, "kym_edge_brightness", "--json")
    *rows, _ = map(json.loads, told.splitlines())
    assert len(rows) == 4
    assert {row["row"]["mean"] for row in rows} == {7.0, 9.0}
    call = "import sys; from pathlib import Path; from flow_study import tabulate; "
    assert full.python("-c", f"{call}print(tabulate(Path(sys.argv[1])))", path) == "4\n"


def test_a_reader_that_is_installed_is_part_of_the_command(full: Fresh, tmp_path: Path) -> None:
    kymflow = full.script("kymflow")
    found = [json.loads(line) for line in full.run(kymflow, "plugins", "--json").splitlines()]
    (npy,) = [plugin for plugin in found if plugin.get("name") == "npy"]
    assert (npy["origin"], npy["suffixes"], npy["status"]) == ("npy-reader", [".npy"], "ok")
    (tmp_path / "scans").mkdir()
    np.save(tmp_path / "scans" / "scan.npy", np.arange(60, dtype=np.uint16).reshape(12, 5))
    (tmp_path / "scans" / "broken.npy").write_bytes(b"not an array")
    ingest = [kymflow, "ingest", str(tmp_path / "scans"), str(tmp_path / "npy.zarr")]
    assert "broken.npy" in full.run(*ingest, code=1)
    (tmp_path / "scans" / "broken.npy").unlink()
    assert "0 new images" in full.run(*ingest)
    assert full.run(kymflow, "check", str(tmp_path / "npy.zarr"), "--deep")
    full.run(kymflow, "export", str(tmp_path / "npy.zarr"), str(tmp_path / "plain"), "--quiet")
    (exported,) = (tmp_path / "plain").rglob("*.tif")
    assert tifffile.imread(exported).tolist() == np.arange(60).reshape(12, 5).tolist()


def test_a_study_on_the_full_stack_is_typed(full: Fresh, mypy: list[str]) -> None:
    check = [*mypy, "--python-executable", full.script("python"), "--ignore-missing-imports"]
    assert full.run(*check, "project/flow_study.py") == ""
    wrong = "from kymflow.core import params_hash\n\nparams_hash(1)\n"
    (full.folder / "wrong.py").write_text(wrong, encoding="utf-8")
    assert 'incompatible type "int"' in full.run(*check, "wrong.py", code=1)
