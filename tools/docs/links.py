"""Links lead somewhere, both on the site and where the pages are read as files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from docs.markdown import Link, anchors_in, links_in

__all__ = ["dead_links"]


def dead_links(root: Path, pages: Iterable[str]) -> list[str]:
    """What is wrong with the links of these pages, one line each.

    Args:
        root: The folder of the repository.
        pages: Paths of Markdown pages from there.
    """
    return [
        f"{page}:{link.line}: {wrong}"
        for page in pages
        for link in links_in((root / page).read_text(encoding="utf-8"))
        if link.is_local and (wrong := _wrong(root, root / page, link))
    ]


def _wrong(root: Path, page: Path, link: Link) -> str:
    if link.target.startswith("/"):
        return (
            f"{link.target!r} starts at a root that GitHub and the site have not: make it relative"
        )
    target = (page.parent / link.path).resolve() if link.path else page
    if not target.is_relative_to(root.resolve()):
        return f"{link.target!r} leads out of the repository"
    if not target.exists():
        return f"there is no {link.path!r}"
    if link.anchor and target.suffix == ".md":
        anchors = anchors_in(target.read_text(encoding="utf-8"))
        if link.anchor not in anchors:
            return f"no heading of {target.name} makes {'#' + link.anchor!r}"
    return ""
