"""A Markdown page, as far as links need it: headings, links, what is code and what is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

__all__ = ["Link", "anchors_in", "links_in", "map_links", "plain_commands", "without_comments"]

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\((?P<target>[^()\s]+)\)")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$")
_COMMENT = re.compile(r"^<!--.*-->$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link or a picture in a page."""

    line: int
    target: str

    @property
    def path(self) -> str:
        """What is before the ``#``."""
        return self.target.partition("#")[0]

    @property
    def anchor(self) -> str:
        """What is behind the ``#``."""
        return self.target.partition("#")[2]

    @property
    def is_local(self) -> bool:
        """Whether it leads to a file, and not to a server."""
        return not re.match(r"[a-z][a-z+.-]*:", self.target)


def _lines(text: str) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is prose: outside of fenced code."""
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip().strip(mark[1][0]):
                fence = ""
            yield line, False
        else:
            fence = mark[1] if mark else ""
            yield line, not mark


def _prose(text: str) -> str:
    """The text with all code blanked, so that every character stays where it is."""
    lines = [line if prose else "\0" * len(line) for line, prose in _lines(text)]
    return _CODE_SPAN.sub(lambda found: re.sub(r"[^\n]", "\0", found[0]), "\n".join(lines))


def _found(text: str) -> Iterator[tuple[Link, int, int]]:
    """All links and pictures of a page, with where their targets begin and end."""
    for found in _LINK.finditer(_prose(text)):
        start, end = found.span("target")
        yield Link(line=text.count("\n", 0, start) + 1, target=found["target"]), start, end


def links_in(text: str) -> list[Link]:
    """All links and pictures of a page."""
    return [link for link, _, _ in _found(text)]


def map_links(text: str, change: Callable[[Link], str]) -> str:
    """The page with other targets of its links; lines stay where they are."""
    parts, at = [], 0
    for link, start, end in _found(text):
        parts += [text[at:start], change(link)]
        at = end
    return "".join(parts) + text[at:]


def without_comments(text: str) -> str:
    """The page without what its comments tell the tests; lines stay where they are."""
    return "".join(
        f"{'' if prose and _COMMENT.match(line) else line}\n" for line, prose in _lines(text)
    )


def plain_commands(text: str) -> str:
    """The page with its commands named as such: without ``$``, a console shows only answers."""
    return re.sub(r"^```console\n(?!\$ )", "```sh\n", text, flags=re.MULTILINE)


def anchors_in(text: str) -> set[str]:
    """What a link into the page may name, as GitHub and the site make it of the headings."""
    seen: dict[str, int] = {}
    anchors = set()
    for line, prose in _lines(text):
        heading = _HEADING.match(line) if prose else None
        if not heading:
            continue
        words = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        anchors.add(f"{slug}-{count}" if count else slug)
    return anchors
