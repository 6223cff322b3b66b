"""The lint of the boundaries sees every kind of violation: each is planted, and named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

# The lint reads the whole tree, and says the same whatever the interpreter.
pytestmark = pytest.mark.slow

UPWARD = "nothing imports upward"
ALONE = "kymflow_zarr imports neither"
QUIET = "kymflow.core imports no terminal"
HIDDEN = "imports by string, tests and scripts"
PRIVATE = "no package uses private"
ZARR_DECLARES = "kymflow-zarr declares what it imports"
CORE_DECLARES = "kymflow-core declares what it imports"
CLI_DECLARES = "kymflow-cli declares what it imports"
NAMESPACE = "kymflow is a namespace"
TESTS = "tests are no packages"

ZARR = "packages/kymflow-zarr/src/kymflow_zarr"
CORE = "packages/kymflow-core/src/kymflow/core"
CLI = "packages/kymflow-cli/src/kymflow/cli"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One violation, and what the lint must say of it."""

    file: str
    code: str
    rule: str
    says: str


PLANTS = {
    "upward": Plant(
        file=f"{ZARR}/planted_upward.py",
        code="import kymflow.core",
        rule=UPWARD,
        says="kymflow_zarr.planted_upward imports kymflow.core (line 1)",
    ),
    "upward, lazily": Plant(
        file=f"{ZARR}/planted_lazily.py",
        code="def f() -> None:\n    from kymflow.core import errors\n",
        rule=UPWARD,
        says="kymflow_zarr.planted_lazily imports kymflow.core.errors (line 2)",
    ),
    "upward, for types": Plant(
        file=f"{CORE}/planted_types.py",
        code="from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import kymflow.cli\n",
        rule=UPWARD,
        says="kymflow.core.planted_types imports kymflow.cli (line 4)",
    ),
    "the bare namespace": Plant(
        file=f"{ZARR}/planted_namespace.py",
        code="import kymflow",
        rule=ALONE,
        says="kymflow_zarr.planted_namespace imports kymflow (line 1)",
    ),
    "a terminal library in the storage": Plant(
        file=f"{ZARR}/planted_terminal.py",
        code="import rich",
        rule=ALONE,
        says="kymflow_zarr.planted_terminal imports rich (line 1)",
    ),
    "a plotting library in the storage": Plant(
        file=f"{ZARR}/planted_plot.py",
        code="def f() -> None:\n    import matplotlib.pyplot\n",
        rule=ALONE,
        says="kymflow_zarr.planted_plot imports matplotlib (line 2)",
    ),
    "a cluster library in the storage": Plant(
        file=f"{ZARR}/planted_cluster.py",
        code="from distributed import Client",
        rule=ALONE,
        says="kymflow_zarr.planted_cluster imports distributed (line 1)",
    ),
    "a terminal library in the domain": Plant(
        file=f"{CORE}/planted_terminal.py",
        code="from cyclopts import App",
        rule=QUIET,
        says="kymflow.core.planted_terminal imports cyclopts (line 1)",
    ),
    "upward, by string": Plant(
        file=f"{ZARR}/planted_string.py",
        code='from importlib import import_module\n\nimport_module("kymflow.core")\n',
        rule=HIDDEN,
        says="kymflow_zarr.planted_string imports kymflow.core (line 3)",
    ),
    "upward, by __import__": Plant(
        file=f"{CORE}/planted_string.py",
        code='__import__("kymflow.cli.app")',
        rule=HIDDEN,
        says="kymflow.core.planted_string imports kymflow.cli.app (line 1)",
    ),
    "a terminal library, by string": Plant(
        file=f"{CORE}/planted_quiet.py",
        code='import importlib\n\nimportlib.import_module("rich.console")\n',
        rule=HIDDEN,
        says="kymflow.core.planted_quiet imports rich.console (line 3)",
    ),
    "upward, in a test": Plant(
        file="packages/kymflow-zarr/tests/test_planted.py",
        code="import kymflow.core",
        rule=HIDDEN,
        says="packages/kymflow-zarr/tests/test_planted.py imports kymflow.core (line 1)",
    ),
    "a private module": Plant(
        file=f"{CORE}/planted_private.py",
        code="import kymflow_zarr._storage.names",
        rule=PRIVATE,
        says="kymflow.core.planted_private imports kymflow_zarr._storage.names (line 1)",
    ),
    "a private name": Plant(
        file=f"{CLI}/planted_private.py",
        code="from kymflow.core.errors import _hint",
        rule=PRIVATE,
        says="kymflow.cli.planted_private imports kymflow.core.errors._hint (line 1)",
    ),
    "a private attribute": Plant(
        file=f"{CLI}/planted_attribute.py",
        code="import kymflow_zarr as kz\n\nnames = kz._storage.names\n",
        rule=PRIVATE,
        says="kymflow.cli.planted_attribute imports kymflow_zarr._storage.names (line 3)",
    ),
    "a private module, in a test": Plant(
        file="packages/kymflow-core/tests/test_planted.py",
        code="from kymflow_zarr import _tables",
        rule=PRIVATE,
        says="packages/kymflow-core/tests/test_planted.py imports kymflow_zarr._tables (line 1)",
    ),
    "a library that is not declared": Plant(
        file=f"{CORE}/planted_library.py",
        code="import hypothesis",
        rule=CORE_DECLARES,
        says=(
            "kymflow.core.planted_library imports hypothesis (line 1), "
            "which kymflow-core does not declare"
        ),
    ),
    "a library that comes with another": Plant(
        file=f"{CLI}/planted_library.py",
        code="import donfig",
        rule=CLI_DECLARES,
        says="kymflow.cli.planted_library imports donfig (line 1), "
        "which kymflow-cli does not declare",
    ),
    "an __init__.py in a test folder": Plant(
        file="packages/kymflow-cli/tests/__init__.py",
        code="",
        rule=TESTS,
        says="packages/kymflow-cli/tests/__init__.py makes pytest lose tests: delete it",
    ),
}

Report = Mapping[str, tuple[str, list[str]]]
"""For each rule its verdict and its lines."""
CopyTree = Callable[[str], Path]


@pytest.fixture(scope="module")
def copy_tree(root: Path, tmp_path_factory: pytest.TempPathFactory) -> CopyTree:
    """Copies the packages, the tools and their configuration."""

    def copy(name: str) -> Path:
        tree = tmp_path_factory.mktemp(name)
        unwanted = shutil.ignore_patterns("__pycache__", ".*_cache")
        for folder in ("packages", "tests", "tools"):
            shutil.copytree(root / folder, tree / folder, ignore=unwanted)
        shutil.copy(root / ".importlinter", tree)
        return tree

    return copy


def run_lint(tree: Path) -> tuple[int, Report]:
    """Runs the lint of a tree, as a person would, and reads its verdicts."""
    done = subprocess.run(
        [sys.executable, str(tree / "tools" / "bounds.py")],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert not done.stderr
    report: dict[str, tuple[str, list[str]]] = {}
    lines: list[str] = []
    for line in done.stdout.splitlines()[:-1]:
        if line.startswith(" "):
            lines.append(line.strip())
        else:
            verdict, _, rule = line.partition(" ")
            lines = []
            report[rule.strip()] = (verdict, lines)
    return done.returncode, report


def of_rule(report: Report, rule: str) -> tuple[str, list[str]]:
    (found,) = [result for says, result in report.items() if says.startswith(rule)]
    return found


@pytest.fixture(scope="module")
def planted(copy_tree: CopyTree) -> tuple[int, Report]:
    """What the lint says of a tree with all plants in it."""
    tree = copy_tree("planted")
    for plant in PLANTS.values():
        (tree / plant.file).write_text(plant.code, encoding="utf-8")
    project = tree / "packages" / "kymflow-zarr" / "pyproject.toml"
    declared = project.read_text(encoding="utf-8")
    changed = declared.replace("dependencies = [", 'dependencies = [\n  "attrs",', 1)
    project.write_text(changed, encoding="utf-8")
    project = tree / "packages" / "kymflow-core" / "pyproject.toml"
    declared = project.read_text(encoding="utf-8")
    project.write_text(declared.replace('  "kymflow-zarr>=0.2,<0.3",\n', ""), encoding="utf-8")
    return run_lint(tree)


def test_a_clean_tree_keeps_every_rule(copy_tree: CopyTree) -> None:
    code, report = run_lint(copy_tree("clean"))
    assert {says: lines for says, (verdict, lines) in report.items() if verdict != "kept"} == {}
    assert code == 0
    expected = {UPWARD, ALONE, QUIET, HIDDEN, PRIVATE, NAMESPACE, TESTS}
    expected |= {ZARR_DECLARES, CORE_DECLARES, CLI_DECLARES}
    assert len(report) == len(expected)
    assert all(of_rule(report, rule) for rule in expected)


def test_a_broken_rule_is_an_exit_code(planted: tuple[int, Report]) -> None:
    assert planted[0] == 1


@pytest.mark.parametrize("kind", PLANTS)
def test_a_violation_is_named(planted: tuple[int, Report], kind: str) -> None:
    plant = PLANTS[kind]
    verdict, lines = of_rule(planted[1], plant.rule)
    assert verdict == "BROKEN"
    assert plant.says in lines


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (ZARR_DECLARES, "kymflow-zarr declares attrs, and no module of it imports that"),
        (CORE_DECLARES, "which kymflow-core does not declare: it is in kymflow-zarr"),
    ],
)
def test_a_wrong_requirement_is_named(planted: tuple[int, Report], rule: str, says: str) -> None:
    verdict, lines = of_rule(planted[1], rule)
    assert verdict == "BROKEN"
    assert any(line.endswith(says) for line in lines)


def test_a_module_in_the_namespace_itself_is_named(copy_tree: CopyTree) -> None:
    tree = copy_tree("namespace")
    (tree / "packages/kymflow-core/src/kymflow/__init__.py").touch()
    code, report = run_lint(tree)
    file = "packages/kymflow-core/src/kymflow/__init__.py"
    assert code == 1
    says = f"{file} hides the rest of kymflow: delete it"
    assert of_rule(report, NAMESPACE) == ("BROKEN", [says])
