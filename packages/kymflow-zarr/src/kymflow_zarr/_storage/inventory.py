"""What a folder should hold, so that a file that someone removed is missed.

``inventory.txt`` grows line by line and is never rewritten while anyone may add to it::

    + analysis/velocity/params.json e49b8143
    - analysis/velocity/params.json f2a4b49c

An artifact is entered after it was published and struck before it is removed. So a writer that
is killed in between leaves an artifact that is not entered, which does no harm, and never an
entry without its artifact. Entries are for `check` alone: readers do not use them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import google_crc32c

from kymflow_zarr._storage.blobs import BlobStore

INVENTORY = "inventory.txt"

_ENTERED, _STRUCK = "+", "-"
_LINE = re.compile(rb"([+-] [A-Za-z0-9._/-]+) ([0-9a-f]{8})")
_MAX_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What the lines of a folder's inventory say.

    Attributes:
        entered: Keys, relative to the folder, that were entered and not struck since.
        struck: Keys that were struck and not entered since.
        lines: How many lines there are about each key.
        whole: Whether every line is one that was written.
    """

    entered: frozenset[str]
    struck: frozenset[str]
    lines: Mapping[str, int]
    whole: bool

    def unchanged(self, later: Inventory) -> Inventory:
        """This inventory, with the keys struck that were written about until a later reading."""
        keys = self.lines.keys() | later.lines.keys()
        moved = {key for key in keys if self.lines.get(key) != later.lines.get(key)}
        return replace(self, entered=self.entered - moved, struck=self.struck | moved)


def read_inventory(blobs: BlobStore, folder: str) -> Inventory:
    """The inventory of a folder; empty where there is none. Damaged lines do not count."""
    data = blobs.get(f"{folder}/{INVENTORY}") or b""
    if len(data) > _MAX_BYTES:
        data = b"?"
    signs: dict[str, str] = {}
    counts = Counter[str]()
    *lines, rest = data.split(b"\n")
    whole = not rest
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None:
            whole = False
            continue
        if found[2] != _checksum(found[1]):
            whole = False
            continue
        sign, key = found[1].decode("ascii").split(" ")
        signs[key] = sign
        counts[key] += 1
    return Inventory(
        entered=frozenset(key for key, sign in signs.items() if sign == _ENTERED),
        struck=frozenset(key for key, sign in signs.items() if sign == _STRUCK),
        lines=counts,
        whole=whole,
    )


def enter(blobs: BlobStore, folder: str, keys: Iterable[str], *, inside: str = "") -> None:
    """Note what was published, by keys relative to the folder that the inventory is about.

    A power cut may take the note, never what was published. `inside` is as for
    `BlobStore.append_lines`.
    """
    lines = _lines(_ENTERED, keys)
    blobs.append_lines(f"{folder}/{INVENTORY}", lines, flush=False, inside=inside)


def strike(blobs: BlobStore, folder: str, keys: Iterable[str], *, inside: str = "") -> None:
    """Note what is about to be removed; arguments as for `enter`."""
    lines = _lines(_STRUCK, keys)
    blobs.append_lines(f"{folder}/{INVENTORY}", lines, flush=True, inside=inside)


def rewrite(blobs: BlobStore, folder: str, inventory: Inventory) -> None:
    """Rewrite an inventory without its damaged lines."""
    text = _lines(_ENTERED, inventory.entered) + _lines(_STRUCK, inventory.struck)
    blobs.put(f"{folder}/{INVENTORY}", text)


def _lines(sign: str, keys: Iterable[str]) -> bytes:
    bodies = [f"{sign} {key}".encode("ascii") for key in sorted(keys)]
    return b"".join(body + b" " + _checksum(body) + b"\n" for body in bodies)


def _checksum(body: bytes) -> bytes:
    return f"{google_crc32c.value(body):08x}".encode("ascii")
