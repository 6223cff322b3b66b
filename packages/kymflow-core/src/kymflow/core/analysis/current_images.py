"""Which images had nothing but current results when last looked at, and have not changed since.

It spares opening them: for each image a digest of the stamp of its artifacts is kept under
``index/derived``, which may be lost at any time. Object stores have no such stamps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from kymflow_zarr import ZarrDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentImages:
    """The images with nothing but current results of one analysis under one label.

    Attributes:
        name: What they are kept as.
        identity: What stands for the analysis, its version and its parameters.
    """

    name: str
    identity: str

    def known(self, dataset: ZarrDataset, stamps: Mapping[str, str]) -> frozenset[str]:
        """Those images that are known to be current.

        Args:
            dataset: The dataset.
            stamps: `ZarrDataset.artifact_stamps` of the images.
        """
        kept = dataset.load_derived(self.name)
        return frozenset(i for i, stamp in stamps.items() if kept.get(i) == self._digest(stamp))

    def remember(
        self, dataset: ZarrDataset, stamps: Mapping[str, str], *, other: Collection[str]
    ) -> None:
        """Keep what was found for the next time.

        Args:
            dataset: The dataset, writable.
            stamps: Images that are current, and their stamps before that was found.
            other: Images that are not.
        """
        kept = dataset.load_derived(self.name)
        found = {**kept, **{i: self._digest(stamp) for i, stamp in stamps.items() if stamp}}
        existing = set(dataset.list_image_ids()).difference(other)
        found = {image_id: digest for image_id, digest in found.items() if image_id in existing}
        if found != kept:
            dataset.save_derived(self.name, found)

    def _digest(self, stamp: str) -> str:
        return hashlib.sha256(f"{self.identity} {stamp}".encode()).hexdigest()
