"""Which pages the site has, and where on it they stand.

A page is written where it belongs: in the docs of its package, or at the root. Here it gets its
place, after the needs that it serves (https://diataxis.fr): to learn, to do, to understand, to look
up. A page of a package that is missing here is an error, so that none is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["SECTIONS", "Page", "Section", "all_pages", "forgotten"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of the repository, and its place on the site."""

    source: str
    """Path from the root of the repository."""
    place: str
    """Path on the site, without an ending."""
    title: str | None = None
    """What the contents call it, where that is not its heading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the contents."""

    title: str
    pages: tuple[Page, ...]
    made: tuple[str, ...] = ()
    """Places of pages that are made while the site is built, after the others."""


ZARR = "packages/kymflow-zarr"
CORE = "packages/kymflow-core"
CLI = "packages/kymflow-cli"

SECTIONS = (
    Section(
        title="Start",
        pages=(
            Page(source="README.md", place="start", title="kymflow at a glance"),
            Page(source=f"{CLI}/docs/tour.md", place="tour", title="A tour in ten minutes"),
        ),
    ),
    Section(
        title="How to",
        pages=(
            Page(source=f"{ZARR}/docs/howto/new-files.md", place="how-to/new-files"),
            Page(source=f"{ZARR}/docs/howto/query.md", place="how-to/query"),
            Page(source=f"{CORE}/docs/write-an-analysis.md", place="how-to/write-an-analysis"),
            Page(source=f"{CORE}/docs/indexers.md", place="how-to/indexers"),
            Page(source=f"{CORE}/docs/howto/cluster.md", place="how-to/cluster"),
            Page(source=f"{ZARR}/docs/howto/recover.md", place="how-to/recover"),
            Page(source=f"{ZARR}/docs/howto/move.md", place="how-to/move"),
            Page(source=f"{ZARR}/docs/howto/alone.md", place="how-to/alone"),
        ),
    ),
    Section(
        title="Explanation",
        pages=(
            Page(source=f"{CORE}/docs/provenance.md", place="explanation/provenance"),
            Page(source=f"{CORE}/docs/velocity.md", place="explanation/velocity"),
            Page(source=f"{ZARR}/docs/durability.md", place="explanation/durability"),
            Page(source=f"{ZARR}/docs/scale.md", place="explanation/scale"),
        ),
    ),
    Section(
        title="Reference",
        pages=(
            Page(source=f"{CLI}/docs/cli.md", place="reference/cli"),
            Page(source=f"{ZARR}/docs/format.md", place="reference/format", title="Dataset format"),
            Page(source=f"{ZARR}/docs/export.md", place="reference/export", title="Export format"),
        ),
        made=("reference/options", "reference/python"),
    ),
    Section(
        title="The packages",
        pages=tuple(
            page
            for name in ("kymflow-zarr", "kymflow-core", "kymflow-cli")
            for page in (
                Page(source=f"packages/{name}/README.md", place=f"packages/{name}/index"),
                Page(
                    source=f"packages/{name}/docs/compatibility.md",
                    place=f"packages/{name}/compatibility",
                    title=f"What {name} promises",
                ),
                Page(
                    source=f"packages/{name}/CHANGELOG.md",
                    place=f"packages/{name}/changelog",
                    title=f"Changes of {name}",
                ),
            )
        ),
    ),
    Section(
        title="Take part",
        pages=(Page(source=".github/CONTRIBUTING.md", place="contributing", title="Contributing"),),
    ),
)


def all_pages() -> Iterator[Page]:
    """Every page that somebody wrote, in the order of the contents."""
    for section in SECTIONS:
        yield from section.pages


def forgotten(root: Path) -> list[str]:
    """Pages of the packages that have no place on the site."""
    written = {
        file.relative_to(root).as_posix()
        for pattern in ("*.md", "docs/**/*.md")
        for file in (root / "packages").glob(f"*/{pattern}")
    }
    return sorted(written - {page.source for page in all_pages()})
