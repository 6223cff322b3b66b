"""A disk with a cache: what a power cut may leave of a folder, worked out from a log of changes.

POSIX promises little: a file's bytes are on the disk once the file was synced, a name is in its
folder once the folder was synced, and whatever was not may be there or not. Journals of real
filesystems promise more; what holds here holds on each of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

Loss: TypeAlias = Literal["nothing", "most", "data", "random"]
"""What a cut takes: ``"nothing"``: only the process died; ``"most"``: all that was not synced;
``"data"``: names got further than what is in the files; ``"random"``: some of each."""

_DELETED = " (deleted)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One logged call.

    Attributes:
        what: ``WRITE``, ``RENAME``, ``FSYNC``, …; ``MARK`` is a remark of the caller.
        path: What it is about; the remark's text.
        target: The second path of a rename or link.
        offset: Where in the file, or its new length.
        data: What was written.
    """

    what: str
    path: str
    target: str
    offset: int
    data: bytes


def read_log(stream: BinaryIO) -> Iterator[Change]:
    """The changes that the shim logged, in order."""
    while head := stream.readline():
        what, offset, *lengths = head.decode().split()
        path, target, data = (stream.read(int(length)) for length in lengths)
        yield Change(
            what=what,
            path=path.decode("utf-8", "surrogateescape"),
            target=target.decode("utf-8", "surrogateescape"),
            offset=int(offset),
            data=data,
        )


@dataclass(slots=True, eq=False)
class _File:
    data: bytearray
    synced: bytes = b""


@dataclass(slots=True, eq=False)
class _Folder:
    entries: dict[str, _File | _Folder] = field(default_factory=dict)
    synced: dict[str, _File | _Folder] = field(default_factory=dict)


class Disk:
    """A folder, in the cache and on the disk below it; what it holds at first counts as synced."""

    def __init__(self, top: Path) -> None:
        self._top = str(top)
        self._root = _load(top)
        self._apply = {
            "OPEN": self._open,
            "TRUNCATE_OPEN": self._open_empty,
            "WRITE": self._write,
            "TRUNCATE": self._truncate,
            "FSYNC": self._fsync,
            "SYNCFS": self._sync_all,
            "MKDIR": self._mkdir,
            "UNLINK": self._unlink,
            "RENAME": self._rename,
            "EXCHANGE": self._exchange,
            "LINK": self._link,
        }

    def apply(self, change: Change) -> None:
        """Let a call take effect; remarks and locks have none."""
        if change.what in self._apply and not change.path.endswith(_DELETED):
            self._apply[change.what](change)

    def write_out(self, folder: Path, loss: Loss, draw: random.Random) -> None:
        """Write what a power cut now would leave into an empty folder."""
        _write_folder(self._root, folder, loss, draw)

    def _open(self, change: Change) -> None:
        parent, name = self._parent(change.path)
        if name not in parent.entries:
            parent.entries[name] = _File(bytearray())

    def _open_empty(self, change: Change) -> None:
        self._open(change)
        del self._file(change.path).data[:]

    def _write(self, change: Change) -> None:
        data = self._file(change.path).data
        end = change.offset + len(change.data)
        data.extend(bytes(max(0, end - len(data))))
        data[change.offset : end] = change.data

    def _truncate(self, change: Change) -> None:
        data = self._file(change.path).data
        data.extend(bytes(max(0, change.offset - len(data))))
        del data[change.offset :]

    def _fsync(self, change: Change) -> None:
        _sync(self._node(change.path))

    def _sync_all(self, change: Change) -> None:
        del change
        waiting: list[_File | _Folder] = [self._root]
        while waiting:
            node = waiting.pop()
            _sync(node)
            if isinstance(node, _Folder):
                waiting += node.entries.values()

    def _mkdir(self, change: Change) -> None:
        parent, name = self._parent(change.path)
        parent.entries[name] = _Folder()

    def _unlink(self, change: Change) -> None:
        parent, name = self._parent(change.path)
        del parent.entries[name]

    def _rename(self, change: Change) -> None:
        source, old = self._parent(change.path)
        target, new = self._parent(change.target)
        target.entries[new] = source.entries.pop(old)

    def _exchange(self, change: Change) -> None:
        source, old = self._parent(change.path)
        target, new = self._parent(change.target)
        source.entries[old], target.entries[new] = target.entries[new], source.entries[old]

    def _link(self, change: Change) -> None:
        target, new = self._parent(change.target)
        target.entries[new] = self._node(change.path)

    def _parts(self, path: str) -> list[str]:
        inside = path.removeprefix(self._top)
        return [part for part in inside.split("/") if part]

    def _node(self, path: str) -> _File | _Folder:
        node: _File | _Folder = self._root
        for part in self._parts(path):
            if not isinstance(node, _Folder):
                raise NotADirectoryError(path)
            node = node.entries[part]
        return node

    def _file(self, path: str) -> _File:
        node = self._node(path)
        if not isinstance(node, _File):
            raise IsADirectoryError(path)
        return node

    def _parent(self, path: str) -> tuple[_Folder, str]:
        *folders, name = self._parts(path)
        node = self._node("/".join(folders))
        if not isinstance(node, _Folder):
            raise NotADirectoryError(path)
        return node, name


def _load(path: Path) -> _Folder:
    folder = _Folder()
    for entry in path.iterdir():
        if entry.is_dir():
            folder.entries[entry.name] = _load(entry)
        else:
            data = entry.read_bytes()
            folder.entries[entry.name] = _File(bytearray(data), data)
    folder.synced = dict(folder.entries)
    return folder


def _sync(node: _File | _Folder) -> None:
    if isinstance(node, _File):
        node.synced = bytes(node.data)
    else:
        node.synced = dict(node.entries)


def _write_folder(folder: _Folder, path: Path, loss: Loss, draw: random.Random) -> None:
    path.mkdir(exist_ok=True)
    for name, node in _left_names(folder, loss, draw).items():
        if isinstance(node, _Folder):
            _write_folder(node, path / name, loss, draw)
        else:
            (path / name).write_bytes(_left_data(node, loss, draw))


def _left_names(folder: _Folder, loss: Loss, draw: random.Random) -> dict[str, _File | _Folder]:
    match loss:
        case "most":
            return folder.synced
        case "data" | "nothing":
            return folder.entries
    left: dict[str, _File | _Folder] = {}
    for name in sorted(folder.entries.keys() | folder.synced.keys()):
        node = draw.choice([folder.entries, folder.synced]).get(name)
        if node is not None:
            left[name] = node
    return left


def _left_data(file: _File, loss: Loss, draw: random.Random) -> bytes:
    now = bytes(file.data)
    if loss == "nothing":
        return now
    if loss != "random":
        return file.synced
    if now == file.synced:
        return now
    return draw.choice([now, file.synced, bytes(len(now)), now[: len(now) // 2], b""])
