"""From what a caller names (a path, a URL, an open Zarr store) to a key space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from kymflow_zarr._storage.blobs import BlobStore, Durability
from kymflow_zarr._storage.local import LocalBlobs
from kymflow_zarr._storage.zarr_blobs import ZarrStoreBlobs
from kymflow_zarr.errors import NotADatasetError

if TYPE_CHECKING:
    from zarr.abc.store import Store

__all__ = ["open_blobs"]


def open_blobs(store_or_path: str | Path | Store, *, durability: Durability) -> BlobStore:
    """The key space that a path, a URL or an open Zarr store stands for.

    Args:
        store_or_path: A path, a ``file://`` URL, the URL of an object store (extra ``cloud``), or
            an open Zarr store.
        durability: What a local folder promises; an object store keeps what it acknowledges.

    Raises:
        NotADatasetError: The path is that of a plain file, or the URL cannot be served.
    """
    if isinstance(store_or_path, Path):
        return _open_path(store_or_path, durability=durability)
    if isinstance(store_or_path, str):
        parts = urlsplit(store_or_path)
        if parts.scheme == "file":
            return _open_path(Path(url2pathname(parts.path)), durability=durability)
        if "://" not in store_or_path:  # a colon alone may be in a name, or follow a drive letter
            return _open_path(Path(store_or_path), durability=durability)
        return ZarrStoreBlobs(_open_url(store_or_path), location=store_or_path)

    from zarr.storage import LocalStore

    if isinstance(store_or_path, LocalStore):
        return _open_path(Path(store_or_path.root), durability=durability)
    return ZarrStoreBlobs(store_or_path)


def _open_path(path: Path, *, durability: Durability) -> LocalBlobs:
    absolute = path.expanduser().absolute()
    if absolute.exists() and not absolute.is_dir():
        raise NotADatasetError(str(path), "it is a plain file; name a folder")
    return LocalBlobs(absolute, durability=durability)


def _open_url(url: str) -> Store:
    try:
        import obstore.store
    except ImportError as error:
        raise NotADatasetError(
            url, "object stores need an extra; run pip install 'kymflow-zarr[cloud]'"
        ) from error
    from obstore.exceptions import BaseError
    from zarr.storage import ObjectStore

    try:
        return ObjectStore(obstore.store.from_url(url))
    except BaseError as error:
        said, *_ = str(error).splitlines()
        raise NotADatasetError(
            url, f"it cannot be opened ({said}); name a path, or a URL such as 's3://bucket/prefix'"
        ) from error
