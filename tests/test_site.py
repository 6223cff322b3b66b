"""The documentation becomes a site, and what becomes wrong on its pages is seen."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from filelock import FileLock

from kymflow.cli.app import build_app

# A site takes its time, and is the same whatever the interpreter.
pytestmark = pytest.mark.slow

CopyTree = Callable[[str], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build said, and made."""

    code: int
    says: str
    site: Path


def build(tree: Path, into: Path) -> Built:
    """Builds the site of a tree, as `hatch run docs:build` does, from the sources in it."""
    sources = [str(folder) for folder in sorted(tree.glob("packages/*/src"))]
    done = subprocess.run(
        [sys.executable, str(tree / "tools" / "docs"), "build", "--into", str(into)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sources)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    return Built(code=done.returncode, says=done.stdout, site=into)


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
def site(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of this tree, in which every warning is an error; built once for all workers."""
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    with FileLock(place / "site.lock"):
        if not (place / "site").exists():
            built = build(root, place / "site")
            assert built.code == 0, built.says
    return place / "site"


class Addresses(HTMLParser):
    """What a page leads to and loads, and what on it can be led to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.add(value or "")
            elif value and name == "href" and tag == "a":
                self.links.append(value)
            elif value and name in {"href", "src"}:
                self.loads.append(value)


@pytest.fixture(scope="module")
def addresses(site: Path) -> dict[str, Addresses]:
    """For each page what is on it."""
    found = {}
    for page in site.rglob("*.html"):
        parser = Addresses()
        parser.feed(page.read_text(encoding="utf-8"))
        found[page.relative_to(site).as_posix()] = parser
    return found


def test_every_link_on_it_leads_somewhere(site: Path, addresses: dict[str, Addresses]) -> None:
    dead = []
    for page, content in addresses.items():
        for link in (*content.links, *content.loads):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = unquote(link).partition("#")
            path = path.partition("?")[0]
            target = os.path.normpath(Path(page).parent / path) if path else page
            target = Path(target).as_posix()
            known = addresses.get(target)
            if not (site / target).is_file() or (anchor and known and anchor not in known.ids):
                dead.append(f"{page}: {link}")
    assert dead == []


def test_it_needs_no_network(site: Path, addresses: dict[str, Addresses]) -> None:
    assert not [load for one in addresses.values() for load in one.loads if "//" in load]
    styles = "".join(file.read_text(encoding="utf-8") for file in site.rglob("*.css"))
    assert not re.findall(r"@import|url\(['\"]?(?:https?:)?//", styles)


def test_it_names_no_place_on_this_machine(site: Path, root: Path) -> None:
    places = [str(root).encode(), b"kymflow-docs-"]
    if (home := Path.home()) != home.parent:
        places.append(f"{home}{os.sep}".encode())
    named = [
        file.relative_to(site).as_posix()
        for file in site.rglob("*")
        if file.is_file() and any(place in file.read_bytes() for place in places)
    ]
    assert named == []


def test_every_public_name_is_on_it(addresses: dict[str, Addresses]) -> None:
    import kymflow.core
    import kymflow_zarr

    ids = set().union(*(one.ids for one in addresses.values()))
    wanted = {
        f"{module.__name__}.{name}"
        for module in (kymflow_zarr, kymflow.core)
        for name in module.__all__
    }
    assert wanted <= ids
    assert {"kymflow_zarr.ZarrDataset.refresh_from_folder", "kymflow.core.params_hash"} <= ids


def test_every_verb_and_option_is_on_it(site: Path) -> None:
    page = (site / "reference" / "options.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", page)
    app = build_app()
    for verb in (name for name in app if not name.startswith("-")):
        assert f"kymflow {verb}" in text
        for argument in app[verb].assemble_argument_collection():
            if argument.show:
                shown = {name for name in argument.names if name in text}
                assert shown or argument.name.upper() in text, f"{verb}: {argument.name}"


# --- what must be seen ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A fault in a page or a docstring, and what must be said of it."""

    file: str
    text: str
    says: str


HOWTO = "packages/kymflow-zarr/docs/howto/move.md"
LINKS = {
    "a page": Plant(file=HOWTO, text="[x](nowhere.md)", says="there is no 'nowhere.md'"),
    "a heading": Plant(
        file="packages/kymflow-core/docs/provenance.md",
        text="[x](indexers.md#nowhere)",
        says="no heading of indexers.md makes '#nowhere'",
    ),
    "a heading of the page": Plant(
        file="README.md", text="[x](#nowhere)", says="no heading of README.md makes '#nowhere'"
    ),
    "a picture": Plant(
        file="packages/kymflow-cli/docs/tour.md",
        text="![x](pictures/nowhere.png)",
        says="there is no 'pictures/nowhere.png'",
    ),
    "a source file": Plant(
        file=".github/CONTRIBUTING.md",
        text="[x](../tools/nowhere.py)",
        says="there is no '../tools/nowhere.py'",
    ),
    "out of the project": Plant(
        file="README.md",
        text="[x](../secret.md)",
        says="'../secret.md' leads out of the repository",
    ),
    "from a root": Plant(
        file="README.md", text="[x](/packages)", says="'/packages' starts at a root"
    ),
}


def plant(tree: Path, fault: Plant) -> int:
    """Adds a paragraph at the end of a page; returns its line."""
    page = tree / fault.file
    text = page.read_text(encoding="utf-8") + "\n"
    page.write_text(f"{text}{fault.text}\n", encoding="utf-8")
    return text.count("\n") + 1


def test_a_dead_link_is_named(copy_tree: CopyTree, tmp_path: Path) -> None:
    tree = copy_tree("dead")
    wanted = [f"{fault.file}:{plant(tree, fault)}: {fault.says}" for fault in LINKS.values()]
    forgotten = tree / "packages/kymflow-core/docs/forgotten.md"
    forgotten.write_text("# Forgotten\n", encoding="utf-8")
    wanted.append("packages/kymflow-core/docs/forgotten.md: has no place on the site")
    built = build(tree, tmp_path / "site")
    assert built.code == 1
    assert [line for line in wanted if line not in built.says] == []
    assert f"{len(wanted)} problems" in built.says
    assert not built.site.exists()


def test_a_name_that_does_not_exist_and_bad_markup_are_named(
    copy_tree: CopyTree, tmp_path: Path
) -> None:
    tree = copy_tree("names")
    source = tree / "packages/kymflow-zarr/src/kymflow_zarr/dataset.py"
    text = source.read_text(encoding="utf-8")
    says = '"""The path or URL.'
    assert says in text
    planted = f"{says}\n\n        See `kymflow_zarr.Nowhere`, and *what* |is| that.\n        "
    source.write_text(text.replace(says, planted, 1), encoding="utf-8")
    plant(tree, Plant(file=HOWTO, text="```{nowhere}\n```", says=""))
    built = build(tree, tmp_path / "site")
    assert built.code == 1
    assert "reference target not found: kymflow_zarr.Nowhere" in built.says
    assert 'Undefined substitution referenced: "is"' in built.says
    assert re.search(rf"^{HOWTO}:\d+: WARNING: Unknown directive type: 'nowhere'", built.says, re.M)


BLOCKS = {
    "code that fails": ("```python\nassert 1 + 1 == 3\n```", "AssertionError"),
    "an answer that is another": (
        "```python\nprint(1 + 1)\n```\n\n<!-- output -->\n```text\n3\n```",
        "says\n\n3\n\nand the answer was\n\n2",
    ),
    "a command that fails": ("```console\npython nowhere.py\n```", "nowhere.py"),
    "a language that nobody runs": ("```bash\nls\n```", "no test runs bash"),
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
def test_a_block_that_nobody_runs_or_that_fails_is_named(planted_blocks: str, kind: str) -> None:
    number, (_, says) = list(BLOCKS).index(kind), BLOCKS[kind]
    parts = re.findall(
        rf"^_+ test_\w+\[packages/kymflow-zarr/docs/planted{number}\.md\] _+\n(.*?)(?=^[_=]{{3,}})",
        planted_blocks,
        re.MULTILINE | re.DOTALL,
    )
    told = re.sub(r"^E +", "", "\n".join(parts), flags=re.MULTILINE)
    assert says in re.sub(r"\n{3,}", "\n\n", told)
