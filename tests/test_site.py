"""The documentation becomes a site, and what becomes wrong on its pages is seen."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from kymflow.cli.app import build_app

# A site takes its time, and is the same whatever the interpreter.
pytestmark = pytest.mark.slow

CopyTree = Callable[[str], Path]
Build = Callable[..., tuple[int, str]]
PUBLIC_PARTS = ("artifacts", "experimental_stores", "options", "readers", "testing")


@pytest.fixture(scope="module")
def build(hatch_config: dict[str, Any]) -> Build:
    """Builds the site of a tree, as `hatch run docs:build` does; returns exit code and output."""
    program, *options, sources, _ = shlex.split(hatch_config["envs"]["docs"]["scripts"]["build"])
    assert program == "sphinx-build"

    def run(tree: Path, into: Path, *more: str) -> tuple[int, str]:
        packages = [str(folder) for folder in sorted(tree.glob("packages/*/src"))]
        done = subprocess.run(
            [sys.executable, "-m", "sphinx", *options, *more, sources, str(into)],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(packages), "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        return done.returncode, done.stdout

    return run


@pytest.fixture(scope="module")
def copy_tree(root: Path, tmp_path_factory: pytest.TempPathFactory) -> CopyTree:
    """Copies all that the pages are made of."""

    def copy(name: str) -> Path:
        tree = tmp_path_factory.mktemp(name)
        unwanted = shutil.ignore_patterns("__pycache__", ".*_cache", ".hypothesis", "faults")
        for folder in ("packages", "tests", "tools", ".github"):
            shutil.copytree(root / folder, tree / folder, ignore=unwanted)
        for name in ("LICENSE", "README.md", "hatch.toml", ".pytest.toml"):
            shutil.copy(root / name, tree)
        return tree

    return copy


# --- the site -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(root: Path, build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this tree, in which every warning is an error; built once for all workers."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    with FileLock(place / "site.lock"):
        if not (place / "site").exists():
            code, said = build(root, place / "site")
            assert code == 0, said
    return place / "site"


def test_it_begins_at_its_root(site: Path) -> None:
    (target,) = re.findall(r'href="(.+?)"', (site / "index.html").read_text(encoding="utf-8"))
    assert "<title>kymflow</title>" in (site / target).read_text(encoding="utf-8")


def test_it_needs_no_network(site: Path) -> None:
    pages = "".join(file.read_text(encoding="utf-8") for file in site.rglob("*.html"))
    assert not re.findall(r'<(?:script|link|img)\b[^>]*(?:src|href)="[a-z]*:?//[^>]*>', pages)
    styles = "".join(file.read_text(encoding="utf-8") for file in site.rglob("*.css"))
    assert not re.findall(r"@import|url\(['\"]?(?:https?:)?//", styles)


def test_it_names_no_place_on_this_machine(site: Path, root: Path) -> None:
    pages = {file: file.read_text(encoding="utf-8") for file in site.rglob("*.html")}
    assert [file for file, text in pages.items() if str(root) in text] == []


def test_every_public_name_is_on_it(site: Path) -> None:
    pages = "".join(file.read_text(encoding="utf-8") for file in site.glob("tools/docs/*.html"))
    ids = set(re.findall(r'id="([\w.]+)"', pages))
    modules = ("kymflow_zarr", *(f"kymflow_zarr.{name}" for name in PUBLIC_PARTS), "kymflow.core")
    wanted = {f"{name}.{public}" for name in modules for public in import_module(name).__all__}
    # The errors of the domain are described where they are defined.
    missing = {name for name in wanted - ids if not re.fullmatch(r"kymflow\.core\.\w+Error", name)}
    assert missing == set()
    assert "kymflow_zarr.ZarrDataset.refresh_from_folder" in ids


def test_every_verb_and_option_is_on_it(site: Path) -> None:
    page = (site / "tools" / "docs" / "options.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", page)
    app = build_app()
    for verb in (name for name in app if not name.startswith("-")):
        assert f"kymflow {verb}" in text
        for argument in app[verb].assemble_argument_collection():
            if argument.show:
                shown = {name for name in argument.names if name in text}
                assert shown or argument.name.upper() in text, f"{verb}: {argument.name}"


# --- what must be seen ----------------------------------------------------------------------------


HOWTO = "packages/kymflow-zarr/docs/howto/move.md"
PLANTED = {
    "a page": (HOWTO, "[x](nowhere.md)", "target not found: 'nowhere.md'"),
    "a heading": (
        "packages/kymflow-core/docs/provenance.md",
        "[x](forgotten.md#nowhere)",
        "local id not found in doc 'packages/kymflow-core/docs/forgotten': 'nowhere'",
    ),
    "a heading of the page": ("README.md", "[x](#nowhere)", "target not found: 'nowhere'"),
    "a picture": (
        "packages/kymflow-cli/docs/tour.md",
        "![x](pictures/nowhere.png)",
        "not readable: packages/kymflow-cli/docs/pictures/nowhere.png",
    ),
    "a source file": (
        ".github/CONTRIBUTING.md",
        "[x](../tools/nowhere.py)",
        "target not found: '../tools/nowhere.py'",
    ),
    "markup": ("packages/kymflow-core/README.md", "```{nowhere}\n```", "'nowhere'"),
    "a name in a docstring": (
        "packages/kymflow-zarr/src/kymflow_zarr/planted.py",
        '"""See `kymflow_zarr.Nowhere`."""',
        "reference target not found: kymflow_zarr.Nowhere",
    ),
    "a page without a place": (
        "packages/kymflow-core/docs/forgotten.md",
        "# Forgotten",
        "document isn't included in any toctree",
    ),
}


def test_what_leads_nowhere_is_named(copy_tree: CopyTree, build: Build, tmp_path: Path) -> None:
    tree = copy_tree("planted")
    concerned = {tree / file for file, _, _ in PLANTED.values()} | {tree / "tools/docs/index.md"}
    for page in {*tree.glob("packages/*/docs/**/*.md"), *tree.glob("tools/docs/*.*")} - concerned:
        if page.suffix in {".md", ".rst"}:  # what is right takes its time, too
            page.unlink()
    for file, text, _ in PLANTED.values():
        with (tree / file).open("a", encoding="utf-8") as changed:
            changed.write(f"\n{text}\n")
    reference = tree / "tools/docs/python-zarr.rst"
    reference.write_text("Planted\n=======\n\n.. automodule:: kymflow_zarr.planted\n", "utf-8")
    code, said = build(tree, tmp_path / "site", "--builder", "dummy")  # finds all, writes nothing
    assert code == 1
    lines = said.splitlines()
    unseen = [
        kind
        for kind, (file, _, says) in PLANTED.items()
        if not any(file in line and says in line for line in lines)
    ]
    assert unseen == [], said


BLOCKS = {
    "code that fails": ("```python\nassert 1 + 1 == 3\n```", "AssertionError"),
    "an answer that is another": (
        "```python\nprint(1 + 1)\n```\n\n<!-- output -->\n```text\n3\n```",
        "says\n\n3\n\nand the answer was\n\n2",
    ),
    "a command that fails": ("```console\npython nowhere.py\n```", "nowhere.py"),
    "a language that is not run": ("```bash\nls\n```", "no test runs bash"),
    "no language": ("```\nls\n```", "no test runs a block of no language"),
    "no reason": ("<!-- not run -->\n```bash\nls\n```", "say why it is not run"),
    "a test that does not read it": (
        "<!-- tested by: tests/test_front_door.py -->\n```python\nx\n```",
        "tests/test_front_door.py does not read",
    ),
    "a package above": (
        "<!-- not run: it needs nothing -->\n```python\nimport kymflow.core\n```",
        "['kymflow.core'] == []",
    ),
    "a fence that is indented": ("- a list\n\n  ```python\n  x\n  ```", "a fence is indented"),
    "code without a fence": ("Look:\n\n    ls -l", "code by indentation"),
    "bad TOML": ("```toml\n[project\n```", "TOMLDecodeError"),
}


@pytest.fixture(scope="module")
def planted_blocks(copy_tree: CopyTree) -> str:
    """What the tests of the pages say, with a new page for each kind of fault."""
    tree = copy_tree("blocks")
    for number, (text, _) in enumerate(BLOCKS.values()):
        page = tree / f"packages/kymflow-zarr/docs/planted{number}.md"
        page.write_text(f"# Planted\n\n{text}\n", encoding="utf-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short"),
            *("-k", "planted", "tests/test_pages.py"),
        ],
        cwd=tree,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1, done.stdout
    return done.stdout


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_block_that_is_not_run_or_that_fails_is_named(planted_blocks: str, kind: str) -> None:
    number, (_, says) = list(BLOCKS).index(kind), BLOCKS[kind]
    parts = re.findall(
        rf"^_+ test_\w+\[packages/kymflow-zarr/docs/planted{number}\.md\] _+\n(.*?)(?=^[_=]{{3,}})",
        planted_blocks,
        re.MULTILINE | re.DOTALL,
    )
    told = re.sub(r"^E +", "", "\n".join(parts), flags=re.MULTILINE)
    assert says in re.sub(r"\n{3,}", "\n\n", told)
