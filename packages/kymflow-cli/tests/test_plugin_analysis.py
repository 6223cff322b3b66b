"""An analysis of another distribution has all that velocity has, in at most 60 lines."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kymflow_zarr import ZarrDataset

MODULE = Path(__file__).parent / "data" / "lab_brightness.py"

Kymflow = Callable[..., tuple[int, str, str]]
KymflowJson = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture(autouse=True)
def lab_brightness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The distribution, installed."""
    info = tmp_path / "site" / "lab_brightness-0.3.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: lab-brightness\nVersion: 0.3\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(
        "[kymflow.analyses]\nbrightness = lab_brightness:BRIGHTNESS\n", encoding="utf-8"
    )
    shutil.copy(MODULE, info.parent)
    monkeypatch.syspath_prepend(str(info.parent))
    sys.modules.pop("lab_brightness", None)


def test_it_is_short() -> None:
    assert len(MODULE.read_text(encoding="utf-8").splitlines()) <= 60


def test_its_parameters_are_options_with_their_meaning_range_and_default(
    dataset: str, kymflow: Kymflow
) -> None:
    code, out, _ = kymflow("analyze", dataset, "brightness", "--help")
    said = " ".join(out.replace("│", " ").split())
    assert code == 0
    assert "Parameters of brightness" in said
    assert "--block-lines INT lines per block (lines); at least 1. [default: 16]" in said
    assert "--statistic" in said
    assert "[choices: mean, median] [default: mean]" in said
    assert "window" not in said
    for wrong in (("--block-lines", "0"), ("--block-lines", "x"), ("--statistic", "mode")):
        code, out, err = kymflow("analyze", dataset, "brightness", *wrong)
        assert (code, out) == (2, "")
        assert wrong[0] in err


def test_it_is_computed_tabled_and_known_to_be_current(
    dataset: str, kymflow: Kymflow, kymflow_json: KymflowJson
) -> None:
    code, out, _ = kymflow("analyze", dataset, "brightness", "--block-lines", "8")
    assert (code, out) == (0, "brightness: 3 images analyzed\n")
    code, out, _ = kymflow("analyze", dataset, "brightness", "--missing", "--block-lines", "8")
    assert (code, out) == (0, "brightness: 0 images analyzed, 3 left alone\n")
    code, _, err = kymflow("analyze", dataset, "brightness")
    assert code == 1
    assert "--label NAME" in err
    label = ("--label", "median", "--statistic", "median", "--block-lines", "8")
    assert kymflow("analyze", dataset, "brightness", *label)[0] == 0

    kymflow("index", dataset, "brightness", "brightness_trace")
    _, records = kymflow_json("table", dataset, "kym_brightness")
    rows = [record["row"] for record in records[:-1]]
    assert sorted(row["label"] for row in rows) == ["", "", "", "median", "median", "median"]
    opened = ZarrDataset(dataset, mode="r")
    for row in rows:
        blocks = opened.record(row["image_id"]).load_array()
        blocks = blocks[: len(blocks) // 8 * 8].reshape(-1, 8 * blocks.shape[1])
        reduce = np.median if row["label"] else np.mean
        assert row["mean"] == pytest.approx(reduce(blocks, axis=1).mean())
    _, records = kymflow_json("table", dataset, "kym_brightness_trace")
    assert len(records) > 6

    _, records = kymflow_json("status", dataset)
    found = [r for r in records if r["type"] == "analysis"]
    assert [(r["name"], r["label"], r["current"], r["images"]) for r in found] == [
        ("brightness", "", 3, 3),
        ("brightness", "median", 3, 3),
    ]


def test_the_report_shows_it(dataset: str, kymflow: Kymflow) -> None:
    assert kymflow("analyze", dataset, "brightness")[0] == 0
    assert kymflow("report", dataset)[0] == 0
    page = Path(dataset).with_name("k-report.html").read_text(encoding="utf-8")
    assert page.count("Brightness, channel 1, whole picture") == 3
    assert page.count('alt="Brightness in channel 1 of') == 3
    assert page.count("Mean brightness of blocks of lines.") == 3
    assert ">brightness mean</th>" in page
    assert "<dt>lost share</dt>" in page
    assert " counts</span>" in page
    assert "elocity" not in page


def test_a_figure_of_it_goes_to_a_file(dataset: str, tmp_path: Path, kymflow: Kymflow) -> None:
    assert kymflow("analyze", dataset, "brightness")[0] == 0
    assert kymflow("index", dataset)[0] == 0
    for place, words in (("one.svg", ("a",)), ("groups.svg", ("--group-by", "folder_1"))):
        code, out, _ = kymflow("figure", dataset, *words, "-o", tmp_path / place)
        assert (code, out) == (0, f"{tmp_path / place}\n")
        assert (tmp_path / place).read_text(encoding="utf-8").startswith("<?xml")


def test_a_figure_that_fails_spoils_nothing_else(
    dataset: str, tmp_path: Path, kymflow: Kymflow
) -> None:
    module = tmp_path / "site" / "lab_brightness.py"
    text = module.read_text(encoding="utf-8").replace(
        "axes[0].set_ylabel(", "axes[999].set_ylabel("
    )
    module.write_text(text, encoding="utf-8")
    sys.modules.pop("lab_brightness", None)
    assert kymflow("analyze", dataset, "brightness")[0] == 0
    assert kymflow("report", dataset)[0] == 0
    page = Path(dataset).with_name("k-report.html").read_text(encoding="utf-8")
    assert page.count("The figure cannot be drawn: IndexError: list index out of range.") == 3
    assert page.count("Kymograph of ") == 3
    assert page.count("<dt>lost share</dt>") == 3
