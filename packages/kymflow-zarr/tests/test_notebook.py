"""What a notebook shows of datasets and records."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from zarr.storage import MemoryStore

from kymflow_zarr import ZarrDataset

HOSTILE = "<script>alert(1)</script> & \"'\x1b[2J\u202e"


class Cells(HTMLParser):
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


@pytest.fixture
def show() -> Callable[[object], Cells]:
    def parse(value: object) -> Cells:
        return Cells(value._repr_html_())  # type: ignore[attr-defined]

    return parse


def test_a_dataset_shows_what_is_in_it(show: Callable[[object], Cells]) -> None:
    dataset = ZarrDataset(MemoryStore())
    assert "none" in show(dataset).texts
    for _ in range(2):
        dataset.add_image(np.zeros((4, 3), np.uint8), axes=("t", "x"))
    dataset.save_table("notes", pd.DataFrame({"image_id": dataset.list_image_ids()}))

    shown = show(dataset)

    assert shown.tags == {"div", "strong", "table", "tbody", "tr", "th", "td"}
    assert shown.texts[0] == "ZarrDataset"
    facts = dict(zip(shown.texts[1::2], shown.texts[2::2], strict=True))
    assert facts["images"] == "2"
    assert facts["tables"] == "notes"
    assert facts["mode"] == "a"
    assert facts["location"] == dataset.location


def test_a_record_shows_what_it_is(show: Callable[[object], Cells]) -> None:
    record = ZarrDataset(MemoryStore()).add_image(np.zeros((4000, 3), np.uint16), axes=("t", "x"))
    shown = show(record)
    facts = dict(zip(shown.texts[1::2], shown.texts[2::2], strict=True))
    assert facts["image"] == record.image_id
    assert facts["size"] == "t: 4,000, x: 3"
    assert facts["type"] == "uint16"


def test_names_are_text_and_nothing_else(tmp_path: Path, show: Callable[[object], Cells]) -> None:
    name = "<b onclick='x'>&amp;\u202e"
    place = tmp_path / "".join(char for char in name if char not in "'")
    try:
        dataset = ZarrDataset(place)
        record = dataset.add_image(np.zeros((2, 2), np.uint8), axes=(HOSTILE, "x"))
    except OSError:
        pytest.skip("this file system has no such names")
    for value in (dataset, record):
        shown = show(value)
        assert shown.tags == {"div", "strong", "table", "tbody", "tr", "th", "td"}
        assert shown.attributes == {"scope", "style"}
        assert not any("\x1b" in text or "\u202e" in text for text in shown.texts)
    assert str(place).replace("\u202e", "\\u202e") in show(dataset).texts
    assert any(text.startswith("<script>alert(1)</script> & ") for text in show(record).texts)
