"""Several people decide at the same time: no decision is lost."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from kymflow.core.decisions import add_note, add_region, read_decisions
from kymflow.core.metadata import load_metadata
from kymflow_zarr import ZarrDataset

DECIDE = """
import sys
from kymflow.core.decisions import add_note, add_region
from kymflow_zarr import ZarrDataset

(record,) = ZarrDataset(sys.argv[1], mode="r+").values()
for number in range(5):
    add_note(record, f"{sys.argv[2]} {number}")
    add_region(record, pixels=(number, number + 1), name=sys.argv[2])
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "k.zarr"
    ZarrDataset(place).add_image(np.ones((8, 12), np.uint16), axes=("t", "x"))
    return place


def test_processes(place: Path) -> None:
    people = [
        subprocess.Popen([sys.executable, "-c", DECIDE, str(place), name])
        for name in ("Ada", "Bob")
    ]
    assert [person.wait(timeout=300) for person in people] == [0, 0]
    dataset = ZarrDataset(place)
    (record,) = dataset.values()
    assert len(read_decisions(record).notes) == 10
    assert [roi.id for roi in load_metadata(record).rois] == list(range(1, 11))
    assert dataset.check(deep=True) == []


def test_threads(place: Path) -> None:
    (record,) = ZarrDataset(place).values()

    def decide(number: int) -> None:
        add_note(record, f"note {number}")
        add_region(record, pixels=(number, number + 1))

    with ThreadPoolExecutor(4) as executor:
        list(executor.map(decide, range(10)))
    assert len(read_decisions(record).notes) == 10
    assert len({roi.id for roi in load_metadata(record).rois}) == 10
