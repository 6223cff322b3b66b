"""The files of the page in this package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from kymflow.cli.viewer.messages import Answer

_MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}


@cache
def page_files() -> Mapping[tuple[str, ...], Answer]:
    """Every file of the page by its path; no other path can be asked for."""
    found = dict(_walk(files("kymflow.cli.viewer") / "page", ()))
    return {(): found[("index.html",)], **found}


def _walk(folder: Traversable, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Answer]]:
    for entry in folder.iterdir():
        here = (*path, entry.name)
        if entry.is_dir():
            yield from _walk(entry, here)
        elif (media_type := _MEDIA_TYPES.get(f".{entry.name.rpartition('.')[2]}")) is not None:
            yield here, Answer(media_type=media_type, body=entry.read_bytes())
