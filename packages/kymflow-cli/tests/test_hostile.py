"""Names that would be commands to a terminal, a browser or a spreadsheet are text to every verb."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kymflow.cli.opening import find_image
from kymflow_zarr import ZarrDataset

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")

Kymflow = Callable[..., tuple[int, str, str]]

HOSTILE = "=cmd() \x1b[2J\x1b]0;title\x07\u202e\n<script>alert(1)"
SHOWN = r"=cmd() \x1b[2J\x1b]0;title\x07\u202e\n<script>alert(1)"

VERBS = {
    "ingest more K": SHOWN,
    "ingest more K --dry-run": SHOWN,
    "refresh K more": SHOWN,
    "status K more": SHOWN,
    "analyze K velocity": SHOWN,
    "index K": "kym_image_summary",
    "ls K": SHOWN,
    "info K": SHOWN,
    "info K IMAGE": SHOWN,
    "table K": SHOWN,
    "table K sources": SHOWN,
    "table K kym_image_summary --csv": r"cmd() \x1b[2J",
    "query K FROM+sources": SHOWN,
    "query K FROM+kym_image_summary --csv": r"cmd() \x1b[2J",
    "report K": SHOWN,
    "check K": SHOWN,
    "repair K": "repaired",
    "export K files": "1 image in files",
    "upgrade K": SHOWN,
    "demo D": SHOWN,
    # What is not there.
    "ls nowhereD": SHOWN,
    "info K noD": SHOWN,
    "table K noD": SHOWN,
    "index K noD": SHOWN,
    "analyze K noD": SHOWN,
    "query K SELECT+noD": "error: ",
    "ingest noD K": SHOWN,
    "report K noD/x.html": SHOWN,
    "noD": r"=cmd() \x1b[2J",
    "ls K --noD": "unknown option",
}


@pytest.fixture
def place(tmp_path: Path, write_tiff: Callable[..., Path]) -> str:
    """A dataset, its name, its images' names and all that people wrote down in them hostile."""
    images = tmp_path / "images"
    images.mkdir()
    name = HOSTILE
    write_tiff(images / f"{name}.tif")
    dataset = ZarrDataset(tmp_path / f"{name}.zarr")
    dataset.refresh_from_folder(images)
    record = dataset.record(find_image(dataset, name))
    payload = record.load_metadata_payload()
    payload["experiment_metadata"] = {"note": HOSTILE, HOSTILE: HOSTILE}
    payload["rois"] = [{"id": 1, "name": HOSTILE, "dim0_stop": 60, "dim1_stop": 16}]
    record.save_metadata_payload(payload)
    import pandas as pd

    frame = pd.DataFrame({"image_id": [record.image_id], HOSTILE: [HOSTILE]})
    dataset.save_table("kym_image_summary", frame)
    more = tmp_path / "more"
    more.mkdir()
    shutil.copy(images / f"{name}.tif", more / f"{name} 2.tif")
    (more / f"{name} 3.tif").write_text("no picture", encoding="utf-8")
    (Path(dataset.location) / "images" / f"{name}.txt").write_text("stray", encoding="utf-8")
    return dataset.location


def words_of(command: str, place: str) -> list[str]:
    filled = {"K": place, "D": HOSTILE, "IMAGE": Path(place).stem}
    words = []
    for word in command.split():
        known = filled.get(word) or word.replace("D", HOSTILE) if "no" in word else filled.get(word)
        words.append((known or word).replace("+", " "))
    return words


@pytest.mark.parametrize("command", VERBS)
def test_nothing_in_it_is_a_command(
    place: str,
    kymflow: Kymflow,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    if "query" in command:
        pytest.importorskip("duckdb")
    monkeypatch.chdir(tmp_path)
    words = words_of(command, place)

    _, out, err = kymflow(*words)

    for text in (out, err):
        assert all(char.isprintable() or char in "\n\t" for char in text)
    assert VERBS[command] in out + err
    if "--csv" in words:
        assert not any(
            cell.startswith(("=", "+", "-", "@"))
            for row in csv.reader(io.StringIO(out))
            for cell in row
        )
        return
    _, out, err = kymflow(*words, "--json")
    for text in (out, err):
        assert all(char.isprintable() or char == "\n" for char in text)
    assert all(json.loads(line) for line in out.splitlines())
