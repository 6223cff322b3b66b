"""From what a caller gives (a path, a URL, an open Zarr store, a place in one) to a key space."""

from __future__ import annotations

import os
from os import PathLike, fsdecode
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit
from urllib.request import url2pathname

from kymflow_zarr._storage.blobs import BlobStore, Durability
from kymflow_zarr._storage.key_blobs import KeyBlobs
from kymflow_zarr._storage.local import LocalBlobs
from kymflow_zarr._storage.object_keys import ObjectKeys
from kymflow_zarr._storage.zarr_keys import ZarrKeys
from kymflow_zarr.errors import NotADatasetError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore
    from zarr import Group
    from zarr.abc.store import Store
    from zarr.storage import StorePath

_CLIENT_OPTIONS = {  # after "AWS_", "AZURE_" or "GOOGLE_"
    *("allow_http", "allow_invalid_certificates", "connect_timeout", "http1_only", "http2_only"),
    *("proxy_url", "proxy_ca_certificate", "proxy_excludes", "randomize_addresses", "user_agent"),
}


def open_blobs(
    store_or_path: str | PathLike[str] | Store | StorePath | Group, *, durability: Durability
) -> BlobStore:
    """The key space that a path, a URL or an open Zarr store stands for.

    Args:
        store_or_path: A path, a ``file://`` URL, the URL of an object store (extra ``cloud``), an
            open Zarr store, or a place in one.
        durability: What a local folder promises; an object store keeps what it acknowledges.

    Raises:
        NotADatasetError: The path is that of a plain file, or the URL cannot be served.
        TypeError: It is none of these.
    """
    if isinstance(store_or_path, str):
        parts = urlsplit(store_or_path)
        if parts.scheme == "file":
            return _open_path(Path(url2pathname(parts.path)), durability=durability)
        if "://" in store_or_path:  # a colon alone may be in a name, or follow a drive letter
            return KeyBlobs(ObjectKeys(_open_url(store_or_path)), url=store_or_path)
    if isinstance(store_or_path, str | PathLike):
        return _open_path(Path(fsdecode(store_or_path)), durability=durability)

    from zarr.storage import LocalStore
    from zarr.storage import ObjectStore as ZarrObjectStore

    place = _store_path(store_or_path)
    if isinstance(place.store, LocalStore):
        return _open_path(Path(place.store.root, place.path), durability=durability)
    if isinstance(place.store, ZarrObjectStore):
        return KeyBlobs(ObjectKeys(place.store.store, place.path))
    return KeyBlobs(ZarrKeys(place.store, place.path))


def from_home(path: str | PathLike[str]) -> Path:
    """A path with a home folder in place of a ``~`` or ``~name``.

    Raises:
        FileNotFoundError: There is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise FileNotFoundError(
            f"there is no home folder for {str(path)!r}; give the whole path"
        ) from error


def why_read_only(
    store_or_path: str | PathLike[str] | Store | StorePath | Group, blobs: BlobStore
) -> str:
    """Why nothing can be written to what was opened, and what to do; empty if it can be."""
    if not isinstance(store_or_path, str | PathLike) and _store_path(store_or_path).store.read_only:
        return 'the store is read-only; use mode="r", or a store that can be written to'
    return blobs.why_read_only()


def _store_path(given: Store | StorePath | Group) -> StorePath:
    from zarr import Group
    from zarr.abc.store import Store
    from zarr.storage import StorePath

    if isinstance(given, Store):
        return StorePath(given)
    if isinstance(given, StorePath):
        return given
    if isinstance(given, Group):
        return given.store_path
    raise TypeError(
        f"a dataset cannot be opened from a {type(given).__name__!r}; give a path, a URL, "
        "or a zarr Store, StorePath or Group"
    )


def _open_path(path: Path, *, durability: Durability) -> LocalBlobs:
    absolute = from_home(path).absolute()
    if absolute.exists() and not absolute.is_dir():
        raise NotADatasetError(str(path), "it is a plain file", hint="name a folder")
    return LocalBlobs(absolute, durability=durability)


def _open_url(url: str) -> ObjectStore:
    try:
        import obstore.store
    except ImportError as error:
        raise NotADatasetError(
            url, "object stores need an extra", hint="run pip install 'kymflow-zarr[cloud]'"
        ) from error
    from obstore.exceptions import BaseError

    try:
        if urlsplit(url).scheme == "memory":
            return obstore.store.from_url(url)
        # `Requests` tries again, and knows how long each request may take.
        return obstore.store.from_url(
            url,
            client_options={**_client_options(), "timeout": "1h"},
            retry_config={"max_retries": 0},
        )
    except BaseError as error:
        said, *_ = str(error).splitlines()
        raise NotADatasetError(
            url,
            f"it cannot be opened ({said})",
            hint="name a path, or a URL such as 's3://bucket/prefix'",
        ) from error


def _client_options() -> ClientConfig:
    """What the environment says of connections: `obstore` reads it only if it is told nothing."""
    found = {
        name: value
        for variable, value in os.environ.items()
        if (name := variable.lower().partition("_")[2]) in _CLIENT_OPTIONS
    }
    return cast("ClientConfig", found)
