"""What a shell offers: verbs, options, and the names that a dataset has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kymflow.cli.verbs.ingest import ingest

Kymflow = Callable[..., tuple[int, str, str]]


@pytest.fixture
def offered(kymflow: Kymflow) -> Callable[..., list[str]]:
    """What is offered for the last of some words."""

    def ask(*words: str) -> list[str]:
        code, out, err = kymflow(f"--complete={words[-1]}", *words[:-1])
        assert (code, err) == (0, "")
        return out.splitlines()

    return ask


def test_verbs_and_options(offered: Callable[..., list[str]]) -> None:
    assert offered("in") == ["ingest", "index", "info", "include"]
    assert offered("table", "k.zarr", "--r") == ["--rows", "--raw"]
    assert offered("analyze", "k.zarr", "velocity", "--window") == ["--window-lines"]
    assert offered("analyze", "k.zarr", "velocity", "--method", "") == ["shear", "radon"]
    assert offered("ls", "--format", "") == ["text", "json", "csv", "tsv", "parquet"]
    assert offered("ls", "") == [], "files: a dataset is one"
    assert offered("nothing", "") == []


def test_names_of_what_is_installed_and_in_the_dataset(
    dataset: str, tmp_path: Path, folder: Path, offered: Callable[..., list[str]], kymflow: Kymflow
) -> None:
    (tmp_path / "more").mkdir()
    shutil.copy(folder / "c.tiff", tmp_path / "more" / "a.tif")
    ingest(tmp_path / "more", dataset)
    names = ["images/a.tif", "b.tif", "c.tiff", "more/a.tif"]
    assert offered("exclude", dataset, "") == offered("info", dataset, "") == names
    assert offered("exclude", dataset, "b", "--reason", "moved", "c") == ["c.tiff"]
    assert offered("analyze", dataset, "velocity", "-i", "m") == ["more/a.tif"]
    for name in names:
        assert kymflow("info", dataset, name)[0] == 0
    assert "velocity" in offered("analyze", dataset, "v")
    assert offered("index", dataset, "images", "image_s") == ["image_summary"]
    assert offered("table", dataset, "kym") == ["kym_image_summary"]
    kymflow("analyze", dataset, "velocity", "--label", "long", "--window-lines", "32")
    assert offered("figure", dataset, "--label", "") == ["long"]
    assert offered("exclude", "nowhere.zarr", "") == []


@pytest.mark.skipif(os.name != "posix" or shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_by_its_script(
    dataset: str, tmp_path: Path, folder: Path, environment: dict[str, str]
) -> None:
    shutil.copy(folder / "a.tif", folder / "a copy.tif")
    ingest(folder, dataset)
    command = tmp_path / "bin" / "kymflow"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kymflow.cli "$@"\n')
    command.chmod(0o755)
    asked = f"""
source <(kymflow completion bash)
COMP_WORDS=(kymflow note "{dataset}" "a ") COMP_CWORD=3
_kymflow
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    path = f"{command.parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", asked],
        env={**environment, "PATH": path},
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("a\\ copy.tif\n", "")
