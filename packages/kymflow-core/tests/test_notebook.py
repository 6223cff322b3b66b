"""What a notebook shows of a `KymDataset`."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from kymflow.core import KymDataset
from kymflow.core.indexers import ImageSummary
from kymflow_zarr import ZarrDataset


class Texts(HTMLParser):
    """The texts and the tags of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.texts: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_it_shows_images_and_indexes(dataset: ZarrDataset) -> None:
    kymographs = KymDataset(dataset)
    kymographs.update_index(ImageSummary())
    shown = Texts(kymographs._repr_html_())
    assert shown.texts[0] == "KymDataset"
    facts = dict(zip(shown.texts[1::2], shown.texts[2::2], strict=True))
    assert facts["images"] == "3"
    assert facts["index image_summary"] == "3 rows"
    assert facts["location"] == dataset.location


def test_names_are_text_and_nothing_else(tmp_path: Path) -> None:
    try:
        dataset = ZarrDataset(tmp_path / "<script>x")
    except OSError:
        pytest.skip("this file system has no such names")
    shown = Texts(KymDataset(dataset)._repr_html_())
    assert shown.tags == {"div", "strong", "table", "tbody", "tr", "th", "td"}
    assert shown.attributes == {"scope", "style"}
    assert dataset.location in shown.texts
