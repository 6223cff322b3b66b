"""One interface to images in a folder of TIFFs and images in a dataset.

`AcqImageV01` is one image, `AcqImageListV01` a folder or a dataset of them; where pixels and
results come from is up to two small protocols in `stores.base`. The names end in V01
because this is an experiment: it may change between releases.
"""

from __future__ import annotations

from kymflow_zarr.experimental_stores.acq_image import AcqImageV01
from kymflow_zarr.experimental_stores.acq_image_list import AcqImageListV01
from kymflow_zarr.experimental_stores.stores.base import (
    Artifact,
    ArtifactStore,
    PixelFacts,
    PixelStore,
)

__all__ = [
    "AcqImageListV01",
    "AcqImageV01",
    "Artifact",
    "ArtifactStore",
    "PixelFacts",
    "PixelStore",
]
