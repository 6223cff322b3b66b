"""Build the documentation as a site, and look at it.

    hatch run docs:build               into the folder .site, for a server or to open in a browser
    hatch run docs:build --into DIR    into another one
    hatch run docs:serve               builds it, and serves it at http://localhost:8000

Every warning is an error: a link that leads nowhere, a page that nothing leads to, a name in a
docstring that does not exist.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from docs.assemble import UnplacedLinkError, assemble
from docs.command import write_command
from docs.links import dead_links
from docs.pages import forgotten
from docs.python_api import write_python_api

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SITE = ".site"
PORT = 8000


def main() -> int:
    """Do what the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["build", "serve"])
    parser.add_argument("--into", type=Path, default=ROOT / SITE, help="folder of the site")
    said = parser.parse_args()
    into: Path = said.into
    problems = build(into.absolute())
    if problems:
        print(*problems, sep="\n")
        print(f"{len(problems)} problems: the site was not built")
        return 1
    print(f"the site is in {into}: open {into / 'index.html'}")
    if said.what == "serve":
        serve(into)
    return 0


def build(into: Path) -> list[str]:
    """Build the site.

    Args:
        into: The folder; what an earlier run has left there is replaced.

    Returns:
        What is wrong, one line each. If anything is, the folder is left as it was.
    """
    pages = sorted(
        file.relative_to(ROOT).as_posix()
        for pattern in ("*.md", ".github/*.md", "packages/**/*.md", "tools/docs/*.md")
        for file in ROOT.glob(pattern)
    )
    problems = [
        f"{page}: has no place on the site; give it one in tools/docs/pages.py"
        for page in forgotten(ROOT)
    ]
    problems += dead_links(ROOT, pages)
    if problems:
        return problems
    with tempfile.TemporaryDirectory(prefix="kymflow-docs-") as scratch:
        sources, site = Path(scratch) / "sources", Path(scratch) / "site"
        try:
            written = assemble(ROOT, sources)
        except UnplacedLinkError as error:
            return [str(error)]
        write_command(sources)
        write_python_api(sources)
        problems = _run_sphinx(sources, site, written)
        if not problems:
            _publish(site, into)
    return problems


def _run_sphinx(sources: Path, site: Path, written: dict[str, str]) -> list[str]:
    """Run Sphinx; what it complains about is said of the page that somebody wrote."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "--builder", "html", "--quiet", "--fail-on-warning"),
            *(
                "--jobs",
                "auto",
                "--conf-dir",
                str(HERE),
                "--doctree-dir",
                str(site.parent / "trees"),
            ),
            *(str(sources), str(site)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env={**os.environ, "NO_COLOR": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    if not done.returncode:
        return []
    text = done.stdout.replace(str(sources) + os.sep, "").replace(str(ROOT) + os.sep, "")
    for place, source in written.items():
        text = re.sub(rf"^{re.escape(place)}(?=:)", source, text, flags=re.MULTILINE)
    return [line for line in text.splitlines() if line.strip()]


def _publish(site: Path, into: Path) -> None:
    """Put the site where it is wanted, without what only a later build would need."""
    (site / ".buildinfo").unlink(missing_ok=True)
    shutil.rmtree(site / "_sources", ignore_errors=True)
    if into.exists():
        if any(into.iterdir()) and not (into / "objects.inv").is_file():
            raise SystemExit(f"{into} holds something else: name a folder that is empty or new")
        shutil.rmtree(into)
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(site, into)


def serve(site: Path) -> None:
    """Serve the site on this machine, until Ctrl-C."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    with ThreadingHTTPServer(("localhost", PORT), handler) as server:
        print(f"http://localhost:{PORT}, until Ctrl-C")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
