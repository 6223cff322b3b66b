"""Folders that are staged in a scratch folder, flushed, and renamed into place."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from kymflow_zarr._storage.blobs import Durability
from kymflow_zarr._storage.durability import sync_filesystem, sync_folder, sync_tree
from kymflow_zarr._storage.exchange import exchange
from kymflow_zarr._storage.inner_folder import InnerFolder
from kymflow_zarr._storage.scratch import new_name
from kymflow_zarr.errors import AlreadyExistsError


class LocalStaging:
    """Folders on their way into a local dataset; see `blobs.Staging`.

    Args:
        folder: Where they are staged.
        parent: The key of the folder to publish them in.
        make_parent: Opens that folder, made where it is not there.
        scratch: Where a folder is put that another one replaces.
        durability: Whether what is published must survive a power cut.
    """

    def __init__(
        self,
        folder: InnerFolder,
        *,
        parent: str,
        make_parent: Callable[[], InnerFolder],
        scratch: InnerFolder,
        durability: Durability,
    ) -> None:
        self._folder = folder
        self._parent = parent
        self._make_parent = make_parent
        self._scratch = scratch
        self._durability = durability
        self._made = {""}

    def put(self, key: str, data: bytes) -> None:
        """Write a file, whose key starts with the name of its folder."""
        folder, _, _ = key.rpartition("/")
        self._make(folder)
        # Without a file object, which costs as much again: there are five files for each image.
        file = self._folder.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            rest = memoryview(data)
            while rest:  # a disk that is nearly full takes a part
                rest = rest[os.write(file, rest) :]
        finally:
            os.close(file)

    def publish(self, names: Sequence[str], *, replace: bool = False) -> None:
        """Flush folders and rename them into place, one after the other.

        Raises:
            AlreadyExistsError: There is such a folder, and it is not to be replaced.
        """
        durable = self._durability != "none"
        if durable:
            self._flush(names)
        with self._make_parent() as parent:
            for name in names:
                self._rename(name, parent, replace=replace)
            if durable:
                sync_folder(parent.at("."), dir_fd=parent.fd)

    def discard(self, name: str) -> None:
        """Remove a folder that will not be published."""
        shutil.rmtree(self._folder.at(name), ignore_errors=True, dir_fd=self._folder.fd)

    def _make(self, folder: str) -> None:
        """Make a folder and its parents, unless this staging has made them before."""
        if folder in self._made:
            return
        above, _, _ = folder.rpartition("/")
        self._make(above)
        with suppress(FileExistsError):  # by another thread
            os.mkdir(self._folder.at(folder), dir_fd=self._folder.fd)
        self._made.add(folder)

    def _flush(self, names: Sequence[str]) -> None:
        top = Path(self._folder.path)
        if self._durability == "batch" and len(names) > 1 and sync_filesystem(top):
            return
        for name in names:
            sync_tree(top / name)

    def _rename(self, name: str, parent: InnerFolder, *, replace: bool) -> None:
        if replace and parent.stat(name) is not None:
            self._replace(name, parent)
            return
        try:
            self._folder.move(name, parent, name, replace=False)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                raise AlreadyExistsError(f"{self._parent}/{name}") from error
            raise

    def _replace(self, name: str, parent: InnerFolder) -> None:
        # Afterwards the old one is in the staging, which is removed.
        if exchange(self._folder, name, parent, name):
            return
        to_delete = new_name()
        parent.move(name, self._scratch, to_delete)
        try:
            self._folder.move(name, parent, name)
        except OSError:
            self._scratch.move(to_delete, parent, name)
            raise
        with suppress(OSError):  # what stays, repair() sweeps
            self._scratch.remove(to_delete)
