"""The images of a folder, or of a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Literal, overload

from kymflow_zarr._ingest.scan import scan_folder
from kymflow_zarr.dataset import ZarrDataset
from kymflow_zarr.errors import ImageNotFoundError, UnreadableImageError
from kymflow_zarr.experimental_stores.acq_image import AcqImageV01
from kymflow_zarr.experimental_stores.stores.factory import open_if_dataset, open_stores
from kymflow_zarr.options import IngestOptions


class AcqImageListV01(Sequence[AcqImageV01]):
    """The images of a folder of TIFFs, or of a dataset, as they are when the list is made.

    Making it lists names and opens no file; pixels are read when one image is asked for them.

    Args:
        source: A folder of images; or a dataset, open or by its path.
        pattern: Which files of a folder; ``"**/*.tif"`` looks into subfolders, too. None stands
            for all files that an installed reader takes.

    Raises:
        NotADirectoryError: There is no such folder.

    Attributes:
        refused: Files of the folder that match but are not regular files → why they are left out.
    """

    def __init__(
        self, source: str | PathLike[str] | ZarrDataset, pattern: str | Sequence[str] | None = None
    ) -> None:
        opened = open_if_dataset(source)
        stores = open_stores(opened)
        self.refused: Mapping[Path, UnreadableImageError] = {}
        if isinstance(opened, ZarrDataset):
            images = [AcqImageV01(image_id, stores.pixels, stores.artifacts) for image_id in opened]
        else:
            scan = scan_folder(opened, pattern, options=IngestOptions())
            self.refused = scan.refused
            images = [
                AcqImageV01(str(file.primary), stores.pixels, stores.artifacts, file.primary)
                for file in scan.files
            ]
        self._stores = stores
        self._images = tuple(images)

    def __repr__(self) -> str:
        return f"<AcqImageListV01 of {len(self)} images>"

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> AcqImageV01: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[AcqImageV01]: ...
    def __getitem__(self, index: int | slice) -> AcqImageV01 | Sequence[AcqImageV01]:
        return self._images[index]

    def find(self, source_key: str) -> AcqImageV01:
        """The image with a source key.

        Raises:
            ImageNotFoundError: It is not in the list (it is a `KeyError`).
        """
        for image in self._images:
            if image.source_key == source_key:
                return image
        raise ImageNotFoundError(source_key)

    def sorted_by_acquisition_time(
        self, missing: Literal["last", "first"] = "last"
    ) -> list[AcqImageV01]:
        """The images from the oldest to the newest.

        In a folder the tags of each file, and its vendor header, are read for this; in a dataset
        the manifest serves.

        Args:
            missing: Where images go whose time is unknown; among them files that cannot be read.
        """
        times = self._stores.pixels.acquisition_times(image.source_key for image in self._images)

        def rank(image: AcqImageV01) -> tuple[bool, int, str]:
            time = times[image.source_key]
            unknown = time is None
            return unknown if missing == "last" else not unknown, time or 0, image.source_key

        return sorted(self._images, key=rank)
