"""No verb follows a link that is inside a dataset: nothing outside is read, changed or removed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kymflow_zarr import ZarrDataset

# Every verb five times; what a link does is up to the system, not to the interpreter.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there"),
]

Kymflow = Callable[..., tuple[int, str, str]]

VERBS = {
    "ingest": ("{folder}", "{dataset}"),
    "refresh": ("{dataset}",),
    "relocate": ("{dataset}", "/elsewhere", "{folder}"),
    "analyze": ("{dataset}", "diameter", "--recompute"),
    "index": ("{dataset}",),
    "update": ("{dataset}", "--no-report"),
    "status": ("{dataset}",),
    "ls": ("{dataset}",),
    "info": ("{dataset}", "a.tif"),
    "table": ("{dataset}", "kym_image_summary"),
    "query": ("{dataset}", "SELECT * FROM image_summary"),
    "report": ("{dataset}", "{out}/report.html", "--limit", "1"),
    "figure": ("{dataset}", "a.tif", "--out", "{out}/figure.png"),
    "metadata": ("{dataset}", "a.tif", "--set", "mouse=m1"),
    "calibrate": ("{dataset}", "a.tif", "--um-per-pixel", "0.5"),
    "roi": ("{dataset}", "a.tif", "--pixels", "2:9"),
    "mark": ("{dataset}", "a.tif", "0.01", "0.02"),
    "note": ("{dataset}", "a.tif", "seen"),
    "exclude": ("{dataset}", "a.tif", "--reason", "moved"),
    "undo": ("{dataset}",),
    "log": ("{dataset}",),
    "check": ("{dataset}", "--deep"),
    "repair": ("{dataset}", "--forget-gone", "--unlock"),
    "export": ("{dataset}", "{out}/export"),
    "upgrade": ("{dataset}",),
}
SECRET = "of-somebody-else"


def linked(dataset: Path, place: Path, outside: Path) -> None:
    """Move a file or folder outside, mark what text it has, and leave a link to it."""
    shutil.move(dataset / place, outside / "it")
    (dataset / place).symlink_to(outside / "it")
    for path in [outside / "it", *(outside / "it").rglob("*")]:
        if path.suffix == ".json" and path.name != "zarr.json":
            path.write_text(path.read_text("utf-8").replace("a.tif", SECRET), "utf-8")


def state(folder: Path) -> dict[str, bytes]:
    """What is in a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("place", ["images", "images/*", "images/*/analysis", "tables", "index"])
def test_no_verb_leaves_a_dataset_through_a_link(
    made_dataset: str, folder: Path, tmp_path: Path, kymflow: Kymflow, place: str
) -> None:
    first = ZarrDataset(made_dataset, "r").find("a.tif").image_id
    for verb, arguments in VERBS.items():
        top = tmp_path / verb
        outside, copy = top / "outside", top / "k.zarr"
        outside.mkdir(parents=True)
        shutil.copytree(made_dataset, copy)
        linked(copy, Path(place.replace("*", first)), outside)
        before = state(outside)
        given = [text.format(dataset=copy, folder=folder, out=top) for text in arguments]
        code, out, err = kymflow(verb, *given)
        assert code in {0, 1, 2}, (verb, err)
        assert SECRET not in out, verb
        assert "bug in kymflow" not in err, (verb, err)
        assert state(outside) == before, verb
