"""The ``.kymflow.toml`` in which a person calibrates all images of a folder and of those below.

It may hold::

    seconds_per_line = 0.001134
    um_per_pixel = 0.331
    axes = ["x", "t"]

This is a person's word, and ranks above every header of a microscope. The nearest file counts, and
no other. A line period is that of pictures: stacks and movies, and pictures whose rows have a pixel
size by the microscope, have none.
"""

from __future__ import annotations

import math
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from kymflow_zarr._readers.facts import Facts, Rank
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.protocols import FOLDER_CALIBRATION, FolderListing
from kymflow_zarr._readers.units import LENGTH, TIME, Quantity
from kymflow_zarr.errors import UnreadableImageError

_STEPS: Final = {"seconds_per_line": ("t", TIME), "um_per_pixel": ("x", LENGTH)}
_AXES: Final = "axes"


class FolderCalibration:
    """Reads the nearest ``.kymflow.toml``. See `kymflow_zarr.readers.HeaderReader`."""

    name = "kymflow_toml"
    suffixes = (FOLDER_CALIBRATION,)

    def find(self, path: Path, listing: FolderListing) -> Path | None:
        """The file of the image's folder, or of the nearest one above it."""
        return listing.calibration

    def read(
        self, path: Path, listing: FolderListing, *, shape: tuple[int, ...], limits: ReadLimits
    ) -> Facts | None:
        """What a person says about all images of the folder."""
        found = self.find(path, listing)
        if found is None:
            return None
        text = listing.read_text(found, limits=limits)
        try:
            stated = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise UnreadableImageError(found, f"it is not TOML: {error}; correct it") from error
        problems = [problem for key, value in stated.items() if (problem := _problem(key, value))]
        if problems:
            raise UnreadableImageError(found, f"{'; '.join(problems)}; correct it")
        return Facts(
            source=self.name,
            rank=Rank.USER,
            axes=tuple(stated.get(_AXES, ())),
            line_scan="seconds_per_line" in stated,
            steps={
                axis: Quantity(value=float(stated[key]), unit=unit)
                for key, (axis, unit) in _STEPS.items()
                if key in stated
            },
        )


def _problem(key: str, value: object) -> str | None:
    """What is wrong with an entry."""
    if key == _AXES:
        is_list = isinstance(value, list) and all(isinstance(name, str) for name in value)
        return None if is_list else f'{key} is {value!r}, give a list of names such as ["t", "x"]'
    if key in _STEPS:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and 0 < float(str(value)) < math.inf:
            return None
        return f"{key} is {value!r}, give a number above 0"
    meant = get_close_matches(key, [*_STEPS, _AXES], n=1)
    return f"{key!r} is unknown, " + (
        f"{meant[0]!r} may be meant" if meant else f"only {', '.join([*_STEPS, _AXES])} are known"
    )
