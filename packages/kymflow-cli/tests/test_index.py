"""Indexing, plugins and what their failures look like."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from kymflow.cli.errors import UnknownNameError
from kymflow.cli.verbs.index import IndexedTable, IndexResult, index
from kymflow.cli.verbs.plugins import PluginListResult, plugins
from kymflow.core.plugins import load_analyses, load_indexers
from kymflow_zarr import ZarrDataset

Kymflow = Callable[..., tuple[int, str, str]]
KymflowJson = Callable[..., tuple[int, list[dict[str, Any]]]]

BUILT_IN = sorted(load_indexers())


@pytest.fixture
def picky_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution with two indexers: one fails on a file, one cannot be imported."""
    site = tmp_path / "site"
    info = site / "lab_tools-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: lab-tools\nVersion: 1.2\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(
        "[kymflow.indexers]\npicky = lab_tools:Picky\nshattered = lab_missing:Gone\n",
        encoding="utf-8",
    )
    (site / "lab_tools.py").write_text(
        textwrap.dedent(
            '''
            import pandas as pd
            class Picky:
                """Takes every image but those with 61 lines."""
                name = "picky"
                def extract_rows(self, rec):
                    if rec.shape[0] == 61:
                        raise ValueError("61 lines\\x1b[2J are one too many")
                    return pd.DataFrame({"lines": [rec.shape[0]]})
                def params_hash(self, rec):
                    return "0" * 64
                def analysis_version(self):
                    return "7"
            '''
        ),
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "lab_tools", raising=False)


def made_by(*arguments: str) -> list[IndexedTable]:
    result = index(*arguments)
    assert isinstance(result, IndexResult)
    return [item for item in result.items if isinstance(item, IndexedTable)]


def test_an_analysis_that_never_ran_gets_no_empty_table_unless_it_is_named(dataset: str) -> None:
    always = ["kym_image_summary", "kym_images", "kym_roi"]
    assert [item.table for item in made_by(dataset)] == always
    assert [item.table for item in made_by(dataset, "kym_velocity")] == ["kym_velocity"]
    assert [item.table for item in made_by(dataset)] == [*always, "kym_velocity"]


def test_every_indexer_makes_its_table(dataset: str) -> None:
    tables = made_by(dataset, *BUILT_IN)
    assert [item.table for item in tables] == [f"kym_{name}" for name in BUILT_IN]
    assert all((item.status, item.images, item.failed) == ("ok", 3, 0) for item in tables)
    frame = ZarrDataset(dataset).load_table("kym_image_summary")
    assert len(frame) == 3
    assert {"image_id", "analysis_version", "params_hash"} <= set(frame.columns)


@pytest.mark.slow
def test_one_indexer_by_name_in_several_processes(dataset: str) -> None:
    before = ZarrDataset(dataset).load_table("kym_image_summary")
    result = index(dataset, "image_summary", "image_summary", workers=2)
    assert isinstance(result, IndexResult)
    assert result.tables == 1
    pd.testing.assert_frame_equal(ZarrDataset(dataset).load_table("kym_image_summary"), before)


def test_an_unknown_indexer_is_named_before_anything_is_done(dataset: str) -> None:
    with pytest.raises(UnknownNameError, match="no indexer 'nope'") as caught:
        index(dataset, "image_summary", "nope")
    assert "image_summary" in caught.value.hint


def test_listing_indexers_runs_none(dataset: str, tmp_path: Path) -> None:
    (Path(dataset) / "tables" / "kym_image_summary.parquet").unlink()
    result = index(dataset, list_them=True)
    assert isinstance(result, PluginListResult)
    assert [item.name for item in result.items] == BUILT_IN
    assert all(item.summary for item in result.items)
    assert ZarrDataset(dataset).list_table_names() == ["run_log", "source_folders", "sources"]


@pytest.mark.usefixtures("picky_plugin")
def test_an_image_that_fails_stops_only_itself(
    dataset: str,
    folder: Path,
    write_tiff: Callable[..., Path],
    kymflow: Kymflow,
    kymflow_json: KymflowJson,
) -> None:
    bad = ZarrDataset(dataset).ingest_image(write_tiff(folder / "odd.tif", lines=61)).image_id

    code, out, err = kymflow("index", dataset, "picky", "image_summary")

    assert code == 1
    assert err.startswith("1 image could not be indexed:\n")
    assert "odd.tif" in err
    assert r"ValueError: 61 lines\x1b[2J are one too many" in err
    assert "Traceback" not in err
    assert out.splitlines()[1].split() == ["kym_picky", "3", "3", "1", "partial"]
    assert len(ZarrDataset(dataset).load_table("kym_image_summary")) == 4
    code, records = kymflow_json("index", dataset, "picky")
    assert code == 1
    assert records[0]["status"] == "partial"
    assert (records[0]["images"], records[0]["failed"], records[0]["rows"]) == (3, 1, 3)
    assert records[1]["type"] == "failure"
    assert records[1]["image_id"] == bad
    assert records[1]["step"] == "picky"
    assert records[1]["source"] == str(folder / "odd.tif")
    assert records[2]["failed"] == 1


@pytest.mark.usefixtures("picky_plugin")
def test_a_table_of_another_kind_is_not_overwritten(dataset: str, kymflow: Kymflow) -> None:
    opened = ZarrDataset(dataset)
    mine = pd.DataFrame({"image_id": opened.list_image_ids(), "mine": 1})
    opened.save_table("kym_picky", mine)

    code, out, err = kymflow("index", dataset, "picky", "image_summary")

    assert code == 1
    assert "1 indexer failed:" in err
    assert "was not made by an indexer" in err
    assert out.splitlines()[1].split() == ["kym_picky", "0", "3", "failed"]
    assert list(opened.load_table("kym_picky")["mine"]) == [1, 1, 1]
    assert out.splitlines()[2].split()[-1] == "ok"


def test_plugins_that_come_along() -> None:
    result = plugins()
    assert result.ok
    assert [item.name for item in result.items if item.kind == "indexer"] == BUILT_IN
    assert [item.name for item in result.items if item.kind == "analysis"] == sorted(
        load_analyses()
    )
    readers = {item.name: item.suffixes for item in result.items if item.kind == "reader"}
    assert readers["tiff"][:2] == (".tif", ".tiff")
    assert {item.name for item in result.items if item.kind == "header"} == {
        "kymflow_toml",
        "micro_manager",
        "olympus_txt",
        "payload",
        "prairie",
        "thor",
    }
    assert {item.origin for item in result.items} == {"kymflow-core", "kymflow-zarr"}


@pytest.mark.usefixtures("picky_plugin")
def test_a_broken_plugin_is_named_and_left_out(
    dataset: str, kymflow: Kymflow, environment: dict[str, str]
) -> None:
    code, out, err = kymflow("plugins")
    assert code == 1
    assert "1 plugin cannot be used:" in err
    assert "shattered" in err
    assert "lab_missing" in err
    assert "picky" in out
    assert "lab-tools 1.2" in out
    code, _, err = kymflow("index", dataset, "shattered")
    assert code == 1
    assert err.startswith("error: plugin 'shattered' of 'lab-tools' cannot be used")


@pytest.mark.usefixtures("picky_plugin")
@pytest.mark.filterwarnings("default::UserWarning")
def test_a_broken_plugin_is_a_warning_for_those_who_did_not_ask(
    dataset: str, kymflow: Kymflow
) -> None:
    code, out, err = kymflow("index", dataset)
    assert code == 0
    assert err.startswith("warning: plugin 'shattered' of 'lab-tools' cannot be used")
    assert len(err.splitlines()) == 1
    assert "kym_picky" in out
