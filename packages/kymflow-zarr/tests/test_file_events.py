"""Whatever happens to files between refreshes, a dataset ends up with each recording once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import tifffile
from hypothesis import given
from zarr.storage import MemoryStore

from kymflow_zarr import RefreshMode, ZarrDataset

NAMES = st.sampled_from(["a.tif", "b.tif", "c.tif"])
PIXELS = st.integers(0, 2)
EVENTS = st.one_of(
    st.tuples(st.just("write"), NAMES, PIXELS),
    st.tuples(st.just("touch"), NAMES),
    st.tuples(st.just("move"), NAMES, NAMES),
    st.tuples(st.just("copy"), NAMES, NAMES),
    st.tuples(st.just("remove"), NAMES),
    st.tuples(st.just("refresh"), st.sampled_from(["skip", "reingest_if_changed"])),
)


@dataclass
class Folder:
    """A folder, and what its files hold."""

    place: Path
    pixels: dict[str, int] = field(default_factory=dict)
    _clock: Iterator[int] = field(default_factory=lambda: count(1_000_000_000))

    def _later(self, name: str) -> None:
        time_ns = next(self._clock) * 1_000_000_000
        os.utime(self.place / name, ns=(time_ns, time_ns))

    def write(self, name: str, value: int) -> None:
        tifffile.imwrite(self.place / name, np.full((4, 3), value, np.uint8))
        self.pixels[name] = value
        self._later(name)

    def touch(self, name: str) -> None:
        if name in self.pixels:
            self._later(name)

    def move(self, old: str, new: str) -> None:
        if old in self.pixels and old != new:
            (self.place / old).replace(self.place / new)
            self.pixels[new] = self.pixels.pop(old)

    def copy(self, old: str, new: str) -> None:
        if old in self.pixels and old != new:
            self.write(new, self.pixels[old])

    def remove(self, name: str) -> None:
        if name in self.pixels:
            (self.place / name).unlink()
            del self.pixels[name]


@dataclass
class Known:
    """An image: where its file was last, and its pixels."""

    name: str
    value: int


def refresh(
    dataset: ZarrDataset, folder: Folder, images: dict[str, Known], mode: RefreshMode
) -> None:
    """Refresh, and compare each outcome with what the files say."""
    known_names = {image.name for image in images.values()}
    for outcome in dataset.iter_refresh(folder.place, mode=mode):
        name, value = outcome.path.name, folder.pixels[outcome.path.name]
        here = {key for key, image in images.items() if (image.name, image.value) == (name, value)}
        moved = {
            key
            for key, image in images.items()
            if image.value == value and image.name not in folder.pixels
        }
        if mode == "skip" and name in known_names:
            assert outcome.status == "changed"
            assert images[outcome.image_id].name == name
        elif here or moved:
            assert outcome.status == "renewed"
            assert outcome.image_id in (here or moved)
            images[outcome.image_id].name = name
        else:
            assert outcome.status == "ingested"
            assert outcome.image_id not in images
            images[outcome.image_id] = Known(name=name, value=value)


@given(st.lists(EVENTS, max_size=12))
def test_any_events_then_a_refresh(events: list[tuple[str, ...]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        dataset, folder = ZarrDataset(MemoryStore()), Folder(Path(place))
        images: dict[str, Known] = {}
        for event, *arguments in events:
            if event == "refresh":
                refresh(dataset, folder, images, *arguments)  # type: ignore[arg-type]  # a mode
            else:
                getattr(folder, event)(*arguments)
        refresh(dataset, folder, images, "reingest_if_changed")
        assert list(dataset.iter_refresh(folder.place)) == [], "nothing is left to do"
        assert dataset.list_image_ids() == sorted(images), "no image is ever removed"
        for image_id, image in images.items():
            assert (dataset.record(image_id).load_array() == image.value).all()
        held = {(image.name, image.value) for image in images.values()}
        assert set(folder.pixels.items()) <= held, "each file has an image of its pixels"
        assert dataset.check(deep=True) == []
