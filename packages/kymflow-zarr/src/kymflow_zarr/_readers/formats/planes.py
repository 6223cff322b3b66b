"""What the readers of microscopes' own formats share: planes, axes, and missing libraries."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from kymflow_zarr._readers.facts import Facts
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import SceneReader
from kymflow_zarr.errors import UnreadableImageError

_NAMES: Final = {"P": "position", "M": "mosaic", "L": "lambda", "S": "s"}
_NAMED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneImage:
    """An `OpenImage` whose file is read one plane at a time.

    Attributes:
        plane_ndim: How many of the last dimensions a plane has.
        read_plane: Reads a plane by its number, the axis before the plane fastest.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    facts: tuple[Facts, ...]
    plane_ndim: int
    read_plane: Callable[[int], npt.NDArray[Any]]
    close: Callable[[], None]

    def iter_blocks(self, rows: int) -> Iterator[npt.NDArray[Any]]:
        """See `OpenImage.iter_blocks`; beside the block, one plane is in memory."""
        lead = len(self.shape) - self.plane_ndim
        if lead == 0:
            plane = self._plane(0)
            for start in range(0, len(plane), rows):
                yield plane[start : start + rows]
            return
        each = math.prod(self.shape[1:lead])
        for start in range(0, self.shape[0], rows):
            count = min(rows, self.shape[0] - start)
            planes = np.empty((count * each, *self.shape[lead:]), self.dtype)
            for number in range(len(planes)):
                planes[number] = self._plane(start * each + number)
            yield planes.reshape(count, *self.shape[1:])

    def _plane(self, number: int) -> npt.NDArray[Any]:
        plane = self.read_plane(number)
        due = self.shape[len(self.shape) - self.plane_ndim :]
        if plane.shape != due:
            raise ValueError(f"plane {number} has the shape {plane.shape} where {due} is expected")
        return np.ascontiguousarray(plane, dtype=self.dtype)


def check_expansion(
    path: Path, sizes: Mapping[str, int], dtype: np.dtype[Any], limits: ReadLimits
) -> None:
    """Refuse a file whose pixels would be many times larger than itself, before any is decoded.

    Raises:
        ValueError: They would.
    """
    nbytes = math.prod(sizes.values()) * dtype.itemsize
    largest = max(limits.max_expansion * path.stat().st_size, limits.expansion_free_bytes)
    if nbytes > largest:
        raise ValueError(
            f"it declares {nbytes} bytes of pixels, over {limits.max_expansion:g} times its size"
        )


def line_scan_sizes(sizes: Mapping[str, int]) -> dict[str, int]:
    """Sizes by axis letter without dimensions of length 1; of lines over time, channels first.

    A dimension of length 1 is kept where fewer than two others are left.

    Args:
        sizes: Length by letter, in the file's order: ``{"T": 400, "C": 2, "Y": 1, "X": 64}``.

    Returns:
        The sizes as the image has them, here ``{"C": 2, "T": 400, "X": 64}``.
    """
    kept = {axis: size for axis, size in sizes.items() if size != 1 or axis == "X"}
    if len(kept) < 2:
        kept = {axis: size for axis, size in sizes.items() if size != 1 or axis in {"Y", "X"}}
    if "T" in kept and "Y" not in kept and "C" in kept:
        kept = {"C": kept.pop("C"), **kept}
    return kept


def axis_name(letter: str) -> str:
    """The name of an axis that a format knows by a letter."""
    return _NAMES.get(letter, letter.lower())


def is_line_scan(letters: Iterable[str]) -> bool:
    """Whether an image, by the letters of its axes, is of lines over time."""
    return {"T", "Y"}.intersection(letters) == {"T"}


@contextmanager
def required(library: str, path: Path, *, extra: str) -> Iterator[None]:
    """Import the library that reads a format inside; an extra of this package installs it.

    Raises:
        UnreadableImageError: It is not installed; the message ends with the command to install it.
    """
    try:
        yield
    except ImportError as error:
        raise UnreadableImageError(
            path, f"this format needs {library}: pip install 'kymflow-zarr[{extra}]'"
        ) from error


class PlaneReader(SceneReader, Protocol):
    """A reader of files of several images, each of which is read in planes."""

    @abstractmethod
    def open_scene(self, path: Path, scene: str, *, limits: ReadLimits) -> PlaneImage:
        """Open one of the images that `scenes` names."""

    def open(self, path: Path, *, limits: ReadLimits) -> PlaneImage:
        """Open the first image of a file, with a warning that names the others.

        Raises:
            ValueError: There is none.
        """
        names = self.scenes(path, limits=limits)
        if not names:
            raise ValueError("it holds no image")
        image = self.open_scene(path, names[0], limits=limits)
        if len(names) == 1:
            return image
        listed = ", ".join(map(repr, names[1 : 1 + _NAMED]))
        more = f" and {len(names) - 1 - _NAMED} more" if len(names) > 1 + _NAMED else ""
        warning = (
            f"of the file's {len(names)} images only {names[0]!r} is read here, not {listed}{more}"
        )
        (facts,) = image.facts
        return replace(image, facts=(replace(facts, warnings=(warning, *facts.warnings)),))
