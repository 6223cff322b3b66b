"""Figures as files: of one image, and of groups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kymflow.cli.errors import OutputFileError, UnknownNameError
from kymflow.cli.verbs.analyze import analyze
from kymflow.cli.verbs.figure import figure
from kymflow.cli.verbs.index import index
from kymflow.core.decisions import exclude, set_fields
from kymflow.core.errors import ResultNotFoundError
from kymflow_zarr import ZarrDataset

Kymflow = Callable[..., tuple[int, str, str]]
BEGINS = {".svg": b"<?xml", ".pdf": b"%PDF-", ".png": b"\x89PNG"}


@pytest.fixture
def analyzed(dataset: str) -> str:
    opened = ZarrDataset(dataset)
    for name, condition in (("a", "before"), ("b", "after"), ("c", "after")):
        set_fields(opened.find(name), {"condition": condition})
    assert analyze(dataset, "velocity", workers=1).ok
    assert index(dataset, workers=1).ok
    return dataset


@pytest.mark.parametrize("suffix", BEGINS)
def test_a_figure_is_of_the_kind_that_its_name_says(
    analyzed: str, tmp_path: Path, kymflow: Kymflow, suffix: str
) -> None:
    place = tmp_path / f"figure{suffix}"
    code, out, _ = kymflow("figure", analyzed, "a.tif", "-o", place)
    assert (code, out) == (0, f"{place}\n")
    assert place.read_bytes().startswith(BEGINS[suffix])
    assert not list(tmp_path.glob(".*.part"))


def test_groups_are_compared_without_excluded_images(analyzed: str, tmp_path: Path) -> None:
    place = tmp_path / "groups.svg"
    figure(analyzed, out=place, group_by="condition")
    first = place.read_text(encoding="utf-8")
    for text in ("median mm s (mm/s)", "condition", "before", "after", "n = 1", "n = 2"):
        assert f"<!-- {text} -->" in first
    exclude(ZarrDataset(analyzed).find("c"), reason="out of focus")
    figure(analyzed, out=place, group_by="condition", column="cv")
    second = place.read_text(encoding="utf-8")
    assert "<!-- n = 2 -->" not in second
    assert "<!-- cv -->" in second


def test_what_cannot_be_drawn(analyzed: str, tmp_path: Path) -> None:
    place = tmp_path / "f.svg"
    with pytest.raises(UnknownNameError, match="name an image, or --group-by"):
        figure(analyzed, out=place)
    with pytest.raises(UnknownNameError, match="no field 'conditon'") as caught:
        figure(analyzed, out=place, group_by="conditon")
    assert caught.value.hint == "did you mean 'condition'?"
    with pytest.raises(UnknownNameError, match="no number 'speed'"):
        figure(analyzed, out=place, group_by="condition", column="speed")
    with pytest.raises(ResultNotFoundError):
        figure(analyzed, "a", out=place, analysis="velocity", channel=2)
    with pytest.raises(OutputFileError, match=r"does not end in \.svg or \.pdf or \.png"):
        figure(analyzed, "a", out=tmp_path / "f.docx")
    with pytest.raises(OutputFileError, match="inside the dataset"):
        figure(analyzed, "a", out=Path(analyzed) / "f.svg")
    assert not list(tmp_path.glob("f*"))
