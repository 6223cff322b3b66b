"""A reader of line scans saved by NumPy as ``.npy``, lines over time."""

from pathlib import Path

import numpy as np

from kymflow_zarr.readers import ArrayImage, Facts, FolderListing, Quantity, ReadLimits


class NpyReader:
    """Reads ``.npy`` files of shape ``(time, space)`` with 1 ms per line."""

    name = "npy"
    suffixes = (".npy",)

    def claims(self, listing: FolderListing) -> list[str]:
        """All files with the suffix."""
        return listing.with_suffix(self.suffixes)

    def open(self, path: Path, *, limits: ReadLimits) -> ArrayImage:  # noqa: ARG002
        """Map the file into memory, so that a block is read when it is asked for."""
        pixels = np.load(path, mmap_mode="r", allow_pickle=False)
        steps = {"t": Quantity(value=0.001, unit="s")}
        return ArrayImage(pixels, facts=(Facts(source="npy", axes=("t", "x"), steps=steps),))
