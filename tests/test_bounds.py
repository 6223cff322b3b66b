"""`hatch run lint:bounds` names what breaks a boundary: violations are planted in a copy."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

# The lint reads the whole tree, and says the same whatever the interpreter.
pytestmark = pytest.mark.slow

ZARR = "packages/kymflow-zarr/src/kymflow_zarr/planted.py"
STORAGE = "packages/kymflow-zarr/src/kymflow_zarr/_storage/planted.py"
CORE = "packages/kymflow-core/src/kymflow/core/planted.py"
DOMAIN = "packages/kymflow-core/src/kymflow/core/metadata/planted.py"
CLI = "packages/kymflow-cli/src/kymflow/cli/planted.py"
CODE = {
    ZARR: "def f() -> None:\n    import kymflow.core\n",
    STORAGE: "from kymflow_zarr._tables import tables\n",
    CORE: "import hypothesis\nimport rich\n\nfrom kymflow_zarr._storage import names\n",
    DOMAIN: "from kymflow.core import plugins\n",
    CLI: "import donfig\n\nfrom kymflow.core.metadata import fields\n",
}
NAMED = {
    "an upward import, in a function": "kymflow_zarr.planted -> kymflow.core (l.2)",
    "an upward import inside the storage": (
        "kymflow_zarr._storage.planted -> kymflow_zarr._tables.tables (l.1)"
    ),
    "an upward import inside the domain": (
        "kymflow.core.metadata.planted -> kymflow.core.plugins (l.1)"
    ),
    "a terminal library in the domain": "kymflow.core.planted -> rich (l.2)",
    "a private module of the storage": "kymflow.core.planted -> kymflow_zarr._storage.names (l.4)",
    "a private module of the domain": "kymflow.cli.planted -> kymflow.core.metadata.fields (l.3)",
    "a library that is not declared": f"{CORE}:1:8: DEP003 'hypothesis' imported",
    "a library that comes with another": f"{CLI}:1:8: DEP003 'donfig' imported",
    "a library that nothing imports": "DEP002 'attrs' defined as a dependency but not used",
    "a sibling that is not declared": "DEP003 'kymflow_zarr' imported",
}


@pytest.fixture(scope="module")
def said(
    root: Path, hatch_config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What each command of the lint says of a copy with all plants in it."""
    tree = tmp_path_factory.mktemp("tree")
    for sources in sorted(root.glob("packages/*/src")):
        shutil.copytree(sources, tree / sources.relative_to(root))
        shutil.copy(sources.parent / "pyproject.toml", (tree / sources.relative_to(root)).parent)
    shutil.copy(root / ".importlinter", tree)
    for file, code in CODE.items():
        (tree / file).write_text(code, encoding="utf-8")
    change(tree / "packages/kymflow-zarr", "dependencies = [", 'dependencies = [\n  "attrs",')
    change(tree / "packages/kymflow-core", '  "kymflow-zarr>=', '  "hatchling>=')
    commands = hatch_config["envs"]["lint"]["scripts"]["bounds"]
    return {command: failure(command, tree) for command in commands}


def change(package: Path, old: str, new: str) -> None:
    project = package / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    assert old in text
    project.write_text(text.replace(old, new, 1), encoding="utf-8")


def failure(command: str, tree: Path) -> str:
    """Runs a command that must fail; returns what it prints."""
    program, *arguments = shlex.split(command)
    found = shutil.which(program, path=Path(sys.executable).parent)
    assert found is not None, program
    done = subprocess.run(
        [found, *arguments],
        cwd=tree,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, sorted(tree.glob("packages/*/src")))),
            "NO_COLOR": "1",
            "COLUMNS": "1000",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1, done.stdout
    return done.stdout


@pytest.mark.parametrize("kind", NAMED)
def test_a_violation_is_named(said: dict[str, str], kind: str) -> None:
    assert [command for command, text in said.items() if NAMED[kind] in text]
