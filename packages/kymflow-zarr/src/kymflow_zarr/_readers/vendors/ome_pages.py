"""Which planes of an OME-TIFF are in this file, and how they make up an image.

OME-XML may spread an image over several files, each of which describes the whole, and may declare
planes that were never written. tifffile reads what is whole in one file; of all else, this file's
own planes are found here: those whose ``UUID`` names this file, or that have none.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeAlias
from xml.etree import ElementTree

from kymflow_zarr._readers.axes import default_axes
from kymflow_zarr._readers.tiff_layout import PageLayout

_Plane: TypeAlias = tuple[int, int, int]  # along the slowest, the middle and the fastest axis


def ome_layout(
    root: ElementTree.Element, *, file_name: str, page_count: int, page_shape: tuple[int, ...]
) -> PageLayout | None:
    """Arrange the planes of an OME-TIFF that are in this file: those of its first image there.

    Returns:
        The layout; None where the file holds all of the first image, where the XML describes none,
        or where pages are not plain planes.

    Raises:
        ValueError: A number in it is none.
    """
    images = root.findall("{*}Image/{*}Pixels")
    others: dict[str, tuple[int, ...]] = {}
    for number, pixels in enumerate(images):
        axes = pixels.get("DimensionOrder", "")[:1:-1].upper()  # slowest first, without Y and X
        lengths = {axis: int(pixels.get(f"Size{axis}", 1)) for axis in "TZCYX"}
        is_plain = sorted(axes) == ["C", "T", "Z"] and min(lengths.values()) > 0
        if not is_plain or page_shape != (lengths["Y"], lengths["X"]):
            return None
        sizes = lengths[axes[0]], lengths[axes[1]], lengths[axes[2]]
        blocks, elsewhere = _own_blocks(root, pixels, file_name=file_name)
        others |= elsewhere
        is_alone = len(images) == 1
        told: tuple[str, ...] = ()
        if is_alone and pixels.find("{*}TiffData") is None:
            blocks = [ElementTree.Element("TiffData")]
            told = ("its OME-XML does not say which page is which plane; they are read in order",)
        pages = _planes(blocks, axes, sizes, page_count)
        is_whole = len(pages) == math.prod(sizes)
        if is_whole and number == 0 and not (is_alone and (told or len(pages) < page_count)):
            return None
        if is_alone and len(elsewhere) == 1 and not blocks:
            all_pages = _planes(pixels.findall("{*}TiffData"), axes, sizes, page_count)
            if len(all_pages) == math.prod(sizes) == page_count:  # this file, by a former name
                return _layout(all_pages, axes, page_shape, image=number)
        if pages:
            found = _layout(pages, axes, page_shape, image=number)
            if not others and not is_whole:
                told += (
                    f"its OME-XML declares {math.prod(sizes)} planes, the file holds {len(pages)}",
                )
            unnamed = page_count - len(set(pages.values())) if is_alone else 0
            if not is_alone:
                told += (
                    f"of its {len(images)} images only number {number + 1} is read; export each to "
                    "a file of its own",
                )
            if unnamed:
                told += (f"{unnamed} pages that its OME-XML does not describe are not read",)
            return replace(found, warnings=(*told, *found.warnings), elsewhere=others)
    if not others or len(page_shape) != 2:
        return None
    stack = (page_count,) if page_count > 1 else ()
    return PageLayout(
        kind="ome",
        shape=(*stack, *page_shape),
        axes=default_axes(len(stack) + 2),
        pages=range(page_count),
        elsewhere=others,
    )


def _layout(
    pages: dict[_Plane, int], axes: str, page_shape: tuple[int, ...], *, image: int
) -> PageLayout:
    """The box that planes of one image fill."""
    kept = _complete(pages)
    dims = [(axis, len({plane[number] for plane in kept})) for number, axis in enumerate(axes)]
    dims = [(axis, length) for axis, length in dims if length > 1]
    left_over = len(pages) - len(kept)
    warning = f"{left_over} planes of incomplete parts of the image are not read"
    return PageLayout(
        kind="ome",
        shape=(*(length for _, length in dims), *page_shape),
        axes=(*(axis.lower() for axis, _ in dims), "y", "x"),
        pages=[pages[plane] for plane in kept],
        image=image,
        channels=tuple(sorted({plane[axes.index("C")] for plane in kept})),
        warnings=(warning,) if left_over else (),
    )


def _own_blocks(
    root: ElementTree.Element, pixels: ElementTree.Element, *, file_name: str
) -> tuple[list[ElementTree.Element], dict[str, tuple[int, ...]]]:
    """The blocks of planes in this file, and the files of the others with their channels."""
    own: list[ElementTree.Element] = []
    others: dict[str, tuple[int, ...]] = {}
    own_uuid = root.get("UUID", "").strip().lower()
    for block in pixels.findall("{*}TiffData"):
        uuid = block.find("{*}UUID")
        if uuid is None:
            own.append(block)
            continue
        text, name = (uuid.text or "").strip(), uuid.get("FileName", "")
        if (own_uuid and text.lower() == own_uuid) or name == file_name:
            own.append(block)
        else:
            channels = others.get(name or text, ())
            others[name or text] = (*channels, int(block.get("FirstC", 0)))
    return own, others


def _planes(
    blocks: Iterable[ElementTree.Element], axes: str, sizes: _Plane, page_count: int
) -> dict[_Plane, int]:
    """The planes of blocks, with the numbers of their pages."""
    planes: dict[_Plane, int] = {}
    all_planes = math.prod(sizes)
    for block in blocks:
        slow, middle, fast = (int(block.get(f"First{axis}", 0)) for axis in axes)
        start = (slow * sizes[1] + middle) * sizes[2] + fast
        first = int(block.get("IFD", 0))
        stated = block.get("PlaneCount", block.get("NumPlanes"))
        count = int(stated) if stated is not None else 1 if "IFD" in block.attrib else all_planes
        if min(slow, middle, fast, first) < 0:
            continue
        for plane, page in zip(
            range(start, min(start + count, all_planes)), range(first, page_count), strict=False
        ):
            place = plane // (sizes[1] * sizes[2]), plane // sizes[2] % sizes[1], plane % sizes[2]
            planes[place] = page
    return planes


def _complete(planes: Iterable[_Plane]) -> list[_Plane]:
    """The planes that fill a box, in order: along the slowest axis only what is complete."""
    left = sorted(planes)
    for axis in range(3):
        groups: dict[int, list[_Plane]] = defaultdict(list)
        for plane in left:
            groups[plane[axis]].append(plane)
        across = [len({plane[other] for plane in left}) for other in range(3) if other != axis]
        complete = [group for group in groups.values() if len(group) == math.prod(across)]
        if complete:
            return sorted(plane for group in complete for plane in group)
        left = max(groups.values(), key=len)
    return left
