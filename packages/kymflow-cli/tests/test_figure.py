"""Figures as files: of one image, and of groups."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from kymflow.cli.errors import OutputFileError, UnknownNameError
from kymflow.cli.verbs.analyze import analyze
from kymflow.cli.verbs.export import export
from kymflow.cli.verbs.figure import figure
from kymflow.cli.verbs.index import index
from kymflow.cli.workbook import sheets_of
from kymflow.core.decisions import exclude, set_fields
from kymflow.core.testing import simulate_cells
from kymflow_zarr import ZarrDataset

Kymflow = Callable[..., tuple[int, str, str]]
BEGINS = {".svg": b"<?xml", ".pdf": b"%PDF-", ".png": b"\x89PNG"}


@pytest.fixture
def analyzed(made_dataset: str, tmp_path: Path) -> str:
    place = shutil.copytree(made_dataset, tmp_path / "k.zarr")
    opened = ZarrDataset(place)
    for name, condition in (("a", "before"), ("b", "after"), ("c", "after")):
        set_fields(opened.find(name), {"condition": condition})
    return str(place)


@pytest.mark.parametrize("suffix", BEGINS)
def test_a_figure_is_of_the_kind_that_its_name_says(
    analyzed: str, tmp_path: Path, kymflow: Kymflow, suffix: str
) -> None:
    place = tmp_path / f"figure{suffix}"
    code, out, _ = kymflow("figure", analyzed, "a.tif", "-o", place)
    assert (code, out) == (0, f"{place}\n")
    assert place.read_bytes().startswith(BEGINS[suffix])
    assert not list(tmp_path.glob(".*.part"))


def test_an_analysis_without_a_figure_is_not_the_default(analyzed: str, tmp_path: Path) -> None:
    assert analyze(analyzed, "flow", workers=1).ok
    place = tmp_path / "figure.svg"
    figure(analyzed, "a.tif", out=place)
    assert place.is_file()


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
    with pytest.raises(UnknownNameError, match="no group 'befor' of field 'condition'"):
        figure(analyzed, out=place, group_by="condition", baseline="befor")
    with pytest.raises(UnknownNameError, match="no number 'speed'"):
        figure(analyzed, out=place, group_by="condition", column="speed")
    with pytest.raises(UnknownNameError, match="'a' has no result of velocity in channel 2"):
        figure(analyzed, "a", out=place, analysis="velocity", channel=2)
    for field, label in (("condition", "long"), ("genotype", "")):
        with pytest.raises(UnknownNameError, match="no image has both a field") as caught:
            figure(analyzed, out=place, group_by=field, label=label)
        assert "kymflow status" in caught.value.hint
    with pytest.raises(OutputFileError, match=r"does not end in \.svg or \.pdf or \.png"):
        figure(analyzed, "a", out=tmp_path / "f.docx")
    with pytest.raises(OutputFileError, match="inside the dataset"):
        figure(analyzed, "a", out=Path(analyzed) / "f.svg")
    assert not list(tmp_path.glob("f*"))


def test_groups_are_compared_by_animal_where_it_is_known(tmp_path: Path) -> None:
    place = tmp_path / "study.zarr"
    study = ZarrDataset(place, durability="none")
    for at, animal in enumerate(("m1", "m2", "m3")):
        for condition, speed in (("after", 1.2), ("before", 1.0)):
            pixels = simulate_cells(np.full(400, (2.0 + 0.2 * at) * speed), seed=at).pixels
            record = study.add_image(
                pixels.astype(np.uint16),
                axes=("t", "x"),
                scale={"t": 1.0, "x": 0.5},
                unit={"t": "ms", "x": "um"},
            )
            set_fields(record, {"condition": condition, "animal": animal})
    assert analyze(str(place), "velocity", workers=1).ok
    assert index(str(place), workers=1).ok

    figure(
        str(place),
        out=tmp_path / "f.svg",
        group_by="condition",
        column="median_mm_s",
        baseline="before",
    )
    drawn = (tmp_path / "f.svg").read_text(encoding="utf-8")
    assert "<!-- 3 animals -->" in drawn
    change = re.search(r"<!-- (\+\S+) % -->", drawn)
    assert change is not None
    assert float(change[1]) == pytest.approx(20.0, abs=2.0)

    (sheet,) = (one for one in sheets_of(study, group_by="condition") if one.name == "comparisons")
    rows = [dict(zip(sheet.columns, row, strict=True)) for row in sheet.rows]
    (row,) = (row for row in rows if row["column"] == "median_mm_s")
    assert (row["analysis"], row["from_group"], row["to_group"]) == ("velocity", "after", "before")
    assert row["change"] == pytest.approx(1.0 / 1.2 - 1.0, abs=0.02)
    assert (row["unit"], row["paired"], row["animals_from"], row["rows"]) == ("share", True, 3, 6)
    (sheet,) = (one for one in sheets_of(study, group_by="condition") if one.name == "estimates")
    rows = [dict(zip(sheet.columns, row, strict=True)) for row in sheet.rows]
    rows = [row for row in rows if row["column"] == "median_mm_s"]
    (before,) = (row for row in rows if (row["animal"], row["group"]) == (None, "before"))
    assert (before["value"], before["unit"]) == (pytest.approx(1.1, abs=0.05), "mm/s")
    low, value, high = (float(str(before[name])) for name in ("low", "value", "high"))
    assert low < value < high
    changes = [row for row in rows if row["group"] is None]
    assert [row["animal"] for row in changes] == ["m1", "m2", "m3"]
    assert [row["unit"] for row in changes] == ["share"] * 3
    assert "comparisons" not in [one.name for one in sheets_of(study)]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_one_table_has_all_analyses_of_the_images_that_are_included(
    analyzed: str, tmp_path: Path, kymflow: Kymflow, ending: str
) -> None:
    exclude(ZarrDataset(analyzed).find("c"), reason="out of focus")
    place = tmp_path / f"study.{ending}"
    code, out, _ = kymflow("export", analyzed, "--combined", place)
    assert (code, out) == (0, f"2 rows in {place}\n")
    table = pd.read_csv(place) if ending == "csv" else pd.read_parquet(place)
    assert table["file"].tolist() == ["a.tif", "b.tif"]
    assert table["condition"].tolist() == ["before", "after"]
    assert table["velocity_median_mm_s"].notna().all()
    code, out, _ = kymflow("export", analyzed, "--combined", place, "--over-time")
    times = pd.read_csv(place) if ending == "csv" else pd.read_parquet(place)
    assert (code, out) == (0, f"{len(times)} rows in {place}\n")
    for file, trace in times.groupby("file"):
        assert trace["time_s"].is_monotonic_increasing, file
        assert trace["velocity_trace_velocity_mm_s"].notna().any(), file
    assert set(times["file"]) == {"a.tif", "b.tif"}
    with pytest.raises(OutputFileError, match=r"does not end in \.parquet or \.csv or \.mat"):
        export(analyzed, combined=tmp_path / "study.rds")
