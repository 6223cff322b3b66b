"""Indexers of other distributions: found by their entry points, and kept apart when broken."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kymflow.core import BaseIndexer, KymDataset
from kymflow.core.errors import PluginError, PluginWarning, UnknownKeyError
from kymflow.core.plugins import (
    find_analyses,
    find_indexers,
    load_analyses,
    load_analysis,
    load_indexer,
    load_indexers,
)
from kymflow_zarr import ZarrDataset

Install = Callable[..., Path]

VESSEL_WIDTH = '''
import pandas as pd

from kymflow.core import params_hash


class VesselWidth:
    """Width of the bright part of each line."""

    name = "vessel_width"

    def extract_rows(self, rec):
        return pd.DataFrame({"width_px": [rec.shape[-1]]})

    def params(self, rec):
        return {"pixels": rec.pixels_digest}

    def params_hash(self, rec):
        return params_hash(self.params(rec))

    def analysis_version(self):
        return "0.3"
'''


DRIFT = '''
from dataclasses import dataclass, replace
from typing import Annotated

from kymflow.core.analysis import Analysis, Column, Param, Result, ResultTable


@dataclass(frozen=True)
class DriftParams:
    order: Annotated[int, Param("order of the fit")] = 1


def run(pixels, calibration, params, region):
    """One number."""
    return Result(summary={"px": float(params.order)}, tables={"steps": {"step": [0, 1]}})


DRIFT = Analysis(
    name="drift",
    version="1",
    params=DriftParams,
    run=run,
    summary=(Column("px", float, "drift", "px"),),
    tables=(ResultTable(name="steps", columns=(Column("step", int, "step"),)),),
)
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """``install(module, source, indexers={…}, analyses={…})``: a distribution as pip leaves it."""
    modules: list[str] = []

    def put(
        module: str,
        source: str,
        *,
        indexers: dict[str, str] | None = None,
        analyses: dict[str, str] | None = None,
    ) -> Path:
        site = tmp_path / f"site-{module}"
        info = site / f"{module}-1.4.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.4\n",
            encoding="utf-8",
        )
        lines = []
        for group, points in (("indexers", indexers or {}), ("analyses", analyses or {})):
            lines += [f"[kymflow.{group}]", *(f"{name} = {at}" for name, at in points.items())]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.syspath_prepend(site)
        modules.append(module)
        return site

    yield put
    for module in modules:
        sys.modules.pop(module, None)


def test_what_comes_along(dataset: ZarrDataset) -> None:
    found = find_indexers()

    assert {"image_summary", "roi"} <= set(found)
    assert list(found) == sorted(found)
    assert found["roi"].origin == "kymflow-core"
    loaded = load_indexers()
    assert set(loaded) == set(found)
    for name, indexer in loaded.items():
        assert indexer.name == name
        KymDataset(dataset).update_index(indexer)
    for name, analysis in load_analyses().items():
        assert analysis.name == name
    assert set(load_analyses()) == set(find_analyses())


def test_an_indexer_of_another_distribution(install: Install, dataset: ZarrDataset) -> None:
    install("lab_width", VESSEL_WIDTH, indexers={"vessel_width": "lab_width:VesselWidth"})

    info = find_indexers()["vessel_width"]
    assert (info.origin, info.version, info.target) == ("lab-width", "1.4", "lab_width:VesselWidth")
    assert "lab_width" not in sys.modules, "finding imports nothing"

    kym = KymDataset(dataset)
    kym.update_index(load_indexer("vessel_width"))
    table = kym.load_index("vessel_width")
    assert list(table["width_px"]) == [12, 12, 12]
    found = kym.params_for("kym_vessel_width", table["params_hash"][0])
    assert found == {"pixels": dataset.record(table["image_id"][0]).pixels_digest}


def test_an_analysis_of_another_distribution(install: Install, dataset: ZarrDataset) -> None:
    install("lab_drift", DRIFT, analyses={"drift": "lab_drift:DRIFT"})

    assert find_analyses()["drift"].origin == "lab-drift"
    kym = KymDataset(dataset)
    outcomes = kym.run("drift", order=2)

    assert [outcome.status for outcome in outcomes] == ["ok"] * 3
    assert {find_indexers()[name].origin for name in ("drift", "drift_steps")} == {"lab-drift"}
    for name in ("drift", "drift_steps"):
        kym.update_index(load_indexer(name))
    assert list(kym["drift"]["px"]) == [2.0] * 3
    assert list(kym["drift_steps"]["step"]) == [0, 1] * 3


def test_a_table_whose_name_is_taken(install: Install) -> None:
    install("lab_drift", DRIFT, analyses={"drift": "lab_drift:DRIFT"})
    source = VESSEL_WIDTH.replace('"vessel_width"', '"drift_steps"')
    install("lab_steps", source, indexers={"drift_steps": "lab_steps:VesselWidth"})

    with pytest.warns(PluginWarning, match="table 'drift_steps' of analysis 'drift' is not used"):
        found = find_indexers()

    assert found["drift_steps"].origin == "lab-steps"
    assert found["drift"].origin == "lab-drift"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("class X:\n    name = 'drift'", "is not a kymflow.core.analysis.Analysis"),
        (DRIFT + "\nX = replace(DRIFT, name='other')", "the analysis calls itself 'other'"),
        (DRIFT + "\nX = replace(DRIFT, name='Drift')", "'Drift' cannot be a name here"),
    ],
)
def test_a_broken_analysis_stops_only_itself(install: Install, source: str, reason: str) -> None:
    install("lab_broken", source, analyses={"drift": "lab_broken:X"})

    with pytest.warns(PluginWarning, match="'drift' of 'lab-broken' cannot be used"):
        assert "drift" not in load_analyses()
    with pytest.raises(PluginError, match="update or uninstall 'lab-broken'") as caught:
        load_analysis("drift")
    assert reason in str(caught.value)


def test_a_fresh_process_finds_it_too(install: Install) -> None:
    site = install("lab_fresh", VESSEL_WIDTH, indexers={"vessel_width": "lab_fresh:VesselWidth"})
    program = "from kymflow.core.plugins import load_indexers; print(*load_indexers())"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )

    assert "vessel_width" in done.stdout.split()


@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        ("import no_such_library", "X", "No module named 'no_such_library'"),
        ("raise RuntimeError('half installed')", "X", "RuntimeError: half installed"),
        ("pass", "Missing", "has no attribute 'Missing'"),
        ("X = 3", "X", "TypeError"),
        ("X = dict", "X", "it lacks analysis_version, extract_rows, name, params_hash"),
        ("def X():\n    raise ValueError('no licence')", "X", "ValueError: no licence"),
        (VESSEL_WIDTH + "\nX = VesselWidth\n", "X", "calls itself 'vessel_width', its entry"),
        (VESSEL_WIDTH + "\nVesselWidth.name = 'Bad'\nX = VesselWidth\n", "X", "must match"),
        (VESSEL_WIDTH + "\nVesselWidth.name = 3\nX = VesselWidth\n", "X", "must be text"),
        ("X = (", "X", "SyntaxError"),
    ],
    ids=[
        *("needs a library", "raises", "missing", "not callable", "no indexer", "cannot be made"),
        *("another name", "bad name", "no name", "no python"),
    ],
)
def test_a_broken_plugin_stops_only_itself(
    install: Install, source: str, target: str, reason: str
) -> None:
    install("lab_broken", source, indexers={"broken": f"lab_broken:{target}"})
    install("lab_sound", VESSEL_WIDTH, indexers={"vessel_width": "lab_sound:VesselWidth"})

    with pytest.warns(PluginWarning, match=r"'broken' of 'lab-broken' cannot be used"):
        loaded = load_indexers()
    assert "vessel_width" in loaded
    assert "broken" not in loaded

    with pytest.raises(PluginError, match="update or uninstall 'lab-broken'") as caught:
        load_indexer("broken")
    assert reason in str(caught.value)
    assert isinstance(load_indexer("vessel_width"), BaseIndexer)


def test_a_name_that_is_taken(install: Install) -> None:
    source = VESSEL_WIDTH + "\nVesselWidth.name = 'roi'\n"
    install("lab_roi", source, indexers={"roi": "lab_roi:VesselWidth"})

    with pytest.warns(PluginWarning, match=r"'roi' of 'lab-roi' is not used: 'kymflow-core'"):
        found = find_indexers()

    assert found["roi"].origin == "kymflow-core"


def test_own_entry_points_do_not_count_as_duplicates(install: Install) -> None:
    target = find_indexers()["roi"].target
    install("like_core", "", indexers={"roi": target})

    assert find_indexers()["roi"].target == target
    assert load_indexer("roi").name == "roi"


def test_an_unknown_name_lists_what_exists() -> None:
    with pytest.raises(UnknownKeyError, match=r"choose from: .*image_summary, .*roi") as caught:
        load_indexer("velocty")
    assert caught.value.key == "velocty"
    with pytest.raises(KeyError, match="there is no analysis 'nothing'"):
        load_analysis("nothing")
