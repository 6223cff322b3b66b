"""The view: what a person wants to see of each image, without a pixel being read."""

from __future__ import annotations

import logging
from pathlib import PurePath, PureWindowsPath
from typing import TYPE_CHECKING

import numpy as np

from kymflow.core.errors import MetadataError
from kymflow.core.kym_dataset.table_names import indexer_names, table_name
from kymflow.core.metadata import ImageMetadata, load_metadata
from kymflow.core.provenance import ANALYSIS_VERSION, IMAGE_ID, PARAMS_HASH
from kymflow_zarr import CorruptDataError, ImageNotFoundError

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr import ManifestEntry, ZarrDataset

__all__ = ["dataset_view", "velocity_view"]

logger = logging.getLogger(__name__)


def dataset_view(dataset: ZarrDataset) -> pd.DataFrame:
    """`KymDataset.view`."""
    import pandas as pd

    entries = dataset.load_manifest().entries
    metadata = {image_id: _metadata(dataset, image_id) for image_id in entries}
    images = pd.Index(list(entries), dtype=object)
    facts = [_facts(entry, metadata[entry.image_id]) for entry in entries.values()]
    columns = ("source", "acquired", "shape", "dtype", "axes", "rois", "note")
    frame = pd.DataFrame(facts, index=images, columns=columns)
    frame = frame.astype({"acquired": "datetime64[ns]", "rois": "Int64"})
    for name in indexer_names(dataset.list_table_names()):
        table = table_name(name)
        rows = dataset.load_table(table, columns=[IMAGE_ID])[IMAGE_ID].value_counts()
        frame[table] = rows.reindex(images, fill_value=0).astype("int64")
    return frame.rename_axis(index=IMAGE_ID).reset_index()


def velocity_view(dataset: ZarrDataset, *, label: str) -> pd.DataFrame:
    """`KymDataset.velocities`."""
    table = dataset.load_table(table_name("velocity"))
    if "label" in table.columns:  # a table that version 0.1 made has none
        table = table[table["label"] == label]
    # The hash covers the borders of a region, but not the number of its ROI.
    table = table.drop_duplicates([IMAGE_ID, ANALYSIS_VERSION, PARAMS_HASH])
    names = dataset_view(dataset)[[IMAGE_ID, "source", "acquired"]]
    joined = names.merge(table, on=IMAGE_ID).sort_values(["source", "channel", "roi_id"])
    return joined.reset_index(drop=True)


def _facts(entry: ManifestEntry, metadata: ImageMetadata | None) -> dict[str, object]:
    acquired = None if metadata is None else metadata.header.acquired_local_epoch_ns
    return {
        "source": None if entry.source is None else _file_name(entry.source.source_primary_path),
        "acquired": np.datetime64("NaT" if acquired is None else acquired, "ns"),
        "shape": "x".join(str(length) for length in entry.shape),
        "dtype": entry.dtype,
        "axes": ",".join(entry.axes),
        "rois": None if metadata is None else len(metadata.rois),
        "note": None if metadata is None else metadata.experiment.note,
    }


def _metadata(dataset: ZarrDataset, image_id: str) -> ImageMetadata | None:
    """The metadata of an image; None, and a line in the log, where they cannot be read."""
    try:
        return load_metadata(dataset.record(image_id))
    except ImageNotFoundError:
        return None  # deleted while we look
    except (MetadataError, CorruptDataError) as error:
        logger.warning("the metadata of image %r are not shown: %s", image_id, error)
        return None


def _file_name(path: str) -> str:
    """The last part of a path that may have been written on another system."""
    return (PureWindowsPath if "\\" in path else PurePath)(path).name
