"""Gather the pages from where they are written to where the site wants them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path, PurePosixPath

from docs.markdown import Link, links_in, map_links, plain_commands, without_comments
from docs.pages import SECTIONS, Page, all_pages

__all__ = ["UnplacedLinkError", "assemble"]

INDEX = "tools/docs/index.md"


class UnplacedLinkError(Exception):
    """A link that leads somewhere in the repository, but nowhere on the site."""


def assemble(root: Path, into: Path) -> dict[str, str]:
    """Write all pages below a folder, with links and pictures that fit their new places.

    Links to other pages lead to these pages; other files come along, for download.

    Returns:
        For each page that was written its source, both relative.

    Raises:
        UnplacedLinkError: A link that has no equivalent on the site.
    """
    pages = (Page(source=INDEX, place="index"), *all_pages())
    places = {page.source: f"{page.place}.md" for page in pages}
    for page in pages:
        text = (root / page.source).read_text(encoding="utf-8")
        if page.source == INDEX:
            text += _contents()
        text = map_links(text, partial(_on_site, root, page, places))
        written = into / places[page.source]
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(plain_commands(without_comments(text)), encoding="utf-8")
        for link in links_in((root / page.source).read_text(encoding="utf-8")):
            file = _source_of(page.source, link)
            if link.is_local and link.path and file not in places and (root / file).is_file():
                (into / "files" / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / file, into / "files" / file)
    return {place: source for source, place in places.items()}


def _source_of(page: str, link: Link) -> str:
    """Where in the repository a link leads."""
    return os.path.normpath(PurePosixPath(page).parent / link.path).replace(os.sep, "/")


def _on_site(root: Path, page: Page, places: Mapping[str, str], link: Link) -> str:
    """What a link becomes on the site."""
    if not link.is_local or not link.path:
        return link.target
    file = _source_of(page.source, link)
    if f"{file}/README.md" in places:
        file = f"{file}/README.md"
    if file in places:
        target = places[file]
    elif (root / file).is_file():
        target = f"files/{file}"
    else:
        raise UnplacedLinkError(
            f"{page.source}:{link.line}: {link.target!r} has no place on the site: "
            "link to a file, or to a folder with a README.md"
        )
    way = os.path.relpath(target, PurePosixPath(page.place).parent).replace(os.sep, "/")
    return f"{way}#{link.anchor}" if link.anchor else way


def _contents() -> str:
    """The contents of the site, one tree for each section."""
    trees = []
    for section in SECTIONS:
        entries = [
            f"{page.title} <{page.place}>" if page.title else page.place for page in section.pages
        ]
        lines = "\n".join([*entries, *section.made])
        trees.append(f"\n```{{toctree}}\n:hidden:\n:caption: {section.title}\n\n{lines}\n```\n")
    return "".join(trees)
