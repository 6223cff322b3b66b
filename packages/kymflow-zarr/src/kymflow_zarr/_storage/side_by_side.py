"""The same work for many images, at as many places at a time as a store serves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from kymflow_zarr._storage.blobs import BlobStore

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_PART = 1024  # handed out together, so that millions do not wait in memory


def side_by_side(
    blobs: BlobStore, work: Callable[[_Item], _Result], items: Iterable[_Item]
) -> Iterator[_Result]:
    """What the work returns for each item, in order.

    A folder answers at once, so that one after the other is quickest. An object store takes its
    time over each request.
    """
    if blobs.at_once == 1:
        yield from map(work, items)
        return
    rest = iter(items)
    with ThreadPoolExecutor(blobs.at_once) as pool:
        while part := list(islice(rest, _PART)):
            yield from pool.map(work, part)
