"""What several tests need: folders of small TIFFs, datasets, and ways to run the command."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from kymflow.cli.app import run
from kymflow.cli.demo_images import DEMO_SCENES, save_kymograph, synthesize
from kymflow.cli.verbs.analyze import analyze
from kymflow.cli.verbs.check import check
from kymflow.cli.verbs.index import index
from kymflow.cli.verbs.ingest import ingest
from kymflow.cli.verbs.relocate import relocate

# How long an example takes says more of the machine than of the code.
_EXAMPLES = int(os.environ.get("KYMFLOW_EXAMPLES", "40"))
hypothesis.settings.register_profile(
    "kymflow",
    deadline=None,
    max_examples=_EXAMPLES,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("kymflow")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine changes how the command writes."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def write_tiff() -> Callable[..., Path]:
    """Write a small kymograph ``(time, space)``."""

    def write(path: Path, *, lines: int = 60, pixels: int = 16, seed: int = 0) -> Path:
        scene = dataclasses.replace(DEMO_SCENES[0], lines=lines, pixels=pixels, seed=seed)
        save_kymograph(path, synthesize(scene))
        return path

    return write


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, write_tiff: Callable[..., Path]) -> Path:
    """Three kymographs and a dataset of them, with a table; to be copied, and never written."""
    top = tmp_path_factory.mktemp("made")
    (top / "images").mkdir()
    for seed, name in enumerate(("a.tif", "b.tif", "c.tiff")):
        write_tiff(top / "images" / name, seed=seed)
    assert ingest(top / "images", str(top / "k.zarr")).ok
    assert index(str(top / "k.zarr"), "image_summary").ok
    return top


@pytest.fixture(scope="session")
def made_dataset(made: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same dataset, analyzed, with all tables; to be copied, and never written."""
    path = str(shutil.copytree(made / "k.zarr", tmp_path_factory.mktemp("analyzed") / "k.zarr"))
    assert analyze(path, "velocity", workers=1).ok
    assert index(path, workers=1).ok
    return path


@pytest.fixture
def folder(tmp_path: Path, made: Path) -> Path:
    """Three kymographs: ``a.tif``, ``b.tif`` and ``c.tiff``."""
    return shutil.copytree(made / "images", tmp_path / "images")


@pytest.fixture
def dataset(tmp_path: Path, folder: Path, made: Path) -> str:
    """A dataset of these three, with a table."""
    path = str(shutil.copytree(made / "k.zarr", tmp_path / "k.zarr"))
    assert relocate(path, str(made / "images"), str(folder)).ok
    return path


@pytest.fixture
def kymflow(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line in this process; returns exit code, stdout and stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = int(run([str(argument) for argument in arguments]))
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def kymflow_json(
    kymflow: Callable[..., tuple[int, str, str]],
) -> Callable[..., tuple[int, list[dict[str, Any]]]]:
    """Run a command line with ``--json``; returns exit code and records."""

    def call(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
        code, out, _ = kymflow(*arguments, "--json")
        return code, [json.loads(line) for line in out.splitlines()]

    return call


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """For processes: they find what this one finds, and every warning is an error."""
    found = os.pathsep.join(path for path in sys.path if path)
    # A shell has what it runs in the background ignore Ctrl-C, and so would what is started here.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield {**os.environ, "PYTHONPATH": found, "PYTHONWARNINGS": "error", "TERM": "xterm-256color"}
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def damage() -> Callable[[str | Path], list[str]]:
    """Where a dataset is damaged, not counting scratch folders, which a killed writer may leave."""

    def places(dataset: str | Path) -> list[str]:
        found = check(str(dataset), deep=True).items
        return [problem.location for problem in found if problem.kind != "leftover"]

    return places


@pytest.fixture
def unending(
    environment: dict[str, str], tmp_path: Path, write_tiff: Callable[..., Path]
) -> dict[str, str]:
    """A folder ``many`` of five kymographs and a file that never gets read; returns an environment.

    So a signal comes in the middle of the work on any machine, however fast or busy it is.
    """
    many = tmp_path / "many"
    many.mkdir()
    for seed in range(5):
        write_tiff(many / f"{seed}.tif", seed=seed)
    (many / "z.unending").touch()
    os.mkfifo(tmp_path / "unending")
    info = tmp_path / "site" / "unending-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: unending\nVersion: 1\n", "utf-8")
    (info / "entry_points.txt").write_text(
        "[kymflow_zarr.readers]\nunending = unending:Unending\n", encoding="utf-8"
    )
    (info.parent / "unending.py").write_text(
        "class Unending:\n"
        "    name = 'unending'\n"
        "    suffixes = ('.unending',)\n"
        "    def claims(self, listing):\n"
        "        return listing.with_suffix(self.suffixes)\n"
        "    def open(self, path, *, limits):\n"
        "        with open('unending', 'rb') as stream:\n"
        "            stream.read()\n",
        encoding="utf-8",
    )
    return {
        **environment,
        "PYTHONPATH": f"{info.parent}{os.pathsep}{environment['PYTHONPATH']}",
        # An interrupt between open() and its with-statement leaves a file to the collector.
        "PYTHONWARNINGS": "error,ignore::ResourceWarning",
    }


@pytest.fixture
def process(
    environment: dict[str, str], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command line in a separate process."""

    def call(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kymflow.cli", *(str(argument) for argument in arguments)],
            env={**environment, **extra},
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )

    return call
