"""A lab's dataset with results, made once, and a page of it, taken apart."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kymflow.cli.demo_images import DEMO_SCENES, save_kymograph, synthesize
from kymflow.cli.opening import find_image
from kymflow.cli.verbs.analyze import analyze
from kymflow.cli.verbs.ingest import ingest
from kymflow.cli.verbs.report import report
from kymflow.core.metadata import RoiChange, create_roi, image_extent, load_metadata, save_metadata
from kymflow_zarr import ZarrDataset

Pixels = NDArray[np.uint8]

_CLOSES_ITSELF = frozenset({"meta", "source", "img", "br"})


@dataclass(kw_only=True)
class Element:
    """One element of a page: its tag, attributes, and all text in it."""

    tag: str
    attributes: dict[str, str]
    path: tuple[str, ...]
    text: str = ""


@dataclass(kw_only=True)
class ParsedPage:
    """A page, taken apart by Python's own parser."""

    html: str
    elements: list[Element] = field(default_factory=list)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        wanted = {name.rstrip("_"): value for name, value in attributes.items()}
        return [
            element
            for element in self.elements
            if element.tag == tag and wanted.items() <= element.attributes.items()
        ]

    def within(self, anchor: str) -> list[Element]:
        """The elements inside of the one with an id."""
        return [element for element in self.elements if f"#{anchor}" in element.path]

    @property
    def text(self) -> str:
        (body,) = self.all("body")
        return body.text


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.done: list[Element] = []
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        above = tuple(f"#{e.attributes['id']}" for e in self.open if "id" in e.attributes)
        element = Element(tag=tag, attributes=values, path=above)
        self.done.append(element)
        if tag not in _CLOSES_ITSELF:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        closed = self.open.pop()
        assert closed.tag == tag, f"</{tag}> closes <{closed.tag}>"

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data


@pytest.fixture(scope="session")
def parse() -> Callable[[Path | str], ParsedPage]:
    """Take a page apart; tags that do not match are an error."""

    def take_apart(page: Path | str) -> ParsedPage:
        html = page.read_text(encoding="utf-8") if isinstance(page, Path) else page
        parser = _Parser()
        parser.feed(html)
        parser.close()
        assert not parser.open
        return ParsedPage(html=html, elements=parser.done)

    return take_apart


@pytest.fixture(scope="session")
def decode() -> Callable[[str], Pixels]:
    """The pixels ``(rows, columns, rgba)`` of a PNG in a ``data:`` URI."""

    def pixels_of(uri: str) -> Pixels:
        from PIL import Image

        start = "data:image/png;base64,"
        assert uri.startswith(start)
        data = base64.b64decode(uri.removeprefix(start), validate=True)
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))

    return pixels_of


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that is read only: ``roi.tif`` with two regions, ``stall.tif``, ``todo.tif``."""
    folder = tmp_path_factory.mktemp("lab")
    images = folder / "images"
    images.mkdir()
    for name, scene in (
        ("stall", dataclasses.replace(DEMO_SCENES[3], stall_s=(1.2, 2.7), lines=3500, pixels=48)),
        ("roi", dataclasses.replace(DEMO_SCENES[0], lines=600, pixels=40)),
        ("todo", dataclasses.replace(DEMO_SCENES[1], lines=300, pixels=24)),
    ):
        save_kymograph(images / f"{name}.tif", synthesize(scene))
    place = str(folder / "lab.zarr")
    assert ingest(images, place).ok
    opened = ZarrDataset(place)
    record = opened.record(find_image(opened, "roi"))
    metadata, extent = load_metadata(record), image_extent(record)
    rois = create_roi((), extent, RoiChange(dim0_start=100, dim0_stop=400, name="vessel"))
    rois = create_roi(rois, extent, RoiChange(dim1_stop=20))
    header = dataclasses.replace(metadata.header, acquired_local_epoch_ns=1_700_000_000_500_000_000)
    save_metadata(record, dataclasses.replace(metadata, rois=rois, header=header))
    assert analyze(place, "velocity", image=("roi", "stall"), workers=1).ok
    return Path(place)


@pytest.fixture(scope="session")
def lab_report(lab: Path) -> Path:
    """The file with the page of `lab`, to read only."""
    return Path(report(str(lab), workers=1).report)


@pytest.fixture(scope="session")
def lab_page(lab_report: Path, parse: Callable[[Path | str], ParsedPage]) -> ParsedPage:
    """The page of `lab`."""
    return parse(lab_report)
