"""The server follows no link that is inside a dataset: `../test_links.py` for ``kymflow view``."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kymflow.cli.viewer.changes import CHANGES
from kymflow_zarr import ZarrDataset

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")

READS = (
    "?since=0",
    "/{0}",
    "/{0}/tile?channel=1&level=0&index=0",
    "/{0}/figure?channel=1&first=0&stop=100",
    "/{0}/trace?channel=1",
)
# What all changes need, each of which takes what is its own.
BODY = {
    "channel": 1,
    "roi": None,
    "pixels": [4, 30],
    "folder": False,
    "verdict": "accepted",
    "reason": "seen",
    "text": "seen",
    "kind": "stall",
    "mark": "0" * 32,
    "start_s": 0.1,
    "stop_s": 0.2,
    "name": "note",
    "value": "moved",
}
SECRET = "of-somebody-else"


def state(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")}


@pytest.fixture(params=["images", "images/*", "images/*/analysis", "tables", "index"])
def outside(
    request: pytest.FixtureRequest, lab: ZarrDataset, image_ids: dict[str, str], tmp_path: Path
) -> Path:
    """A folder outside of `lab`, with a part of it in whose place a link stands."""
    place = Path(lab.location, request.param.replace("*", image_ids["flow"]))
    folder = tmp_path / "outside"
    folder.mkdir()
    shutil.move(place, folder / "it")
    place.symlink_to(folder / "it")
    for path in folder.rglob("*.json"):
        if path.name != "zarr.json":
            path.write_text(path.read_text("utf-8").replace("flow.tif", SECRET), "utf-8")
    return folder


def test_no_request_leaves_a_dataset_through_a_link(
    image_ids: dict[str, str], outside: Path, ask: Callable[..., Any]
) -> None:
    before = state(outside)
    image_id = image_ids["flow"]
    answers = {read: ask(f"/api/recordings{read.format(image_id)}") for read in READS}
    for change in sorted(CHANGES, key="borders".__eq__):  # last, as it replaces the region
        answers[change] = ask(f"/api/recordings/{image_id}/{change}", body=BODY)
    for asked, answer in answers.items():
        # Refused for what is stored, if at all, and not for how it was asked.
        assert answer.status in {200, 404, 409}, (asked, answer.body)
        assert SECRET.encode() not in answer.body, asked
    assert state(outside) == before
