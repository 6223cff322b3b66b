"""Tables for people: names first, in the order in which people count, provenance last."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from kymflow.core.errors import MetadataError
from kymflow.core.image_facts import EXPERIMENT_FIELDS, FACTS, facts_frame, file_facts, image_facts
from kymflow.core.kym_dataset.table_names import indexer_names, table_name
from kymflow.core.natural_order import natural_key
from kymflow.core.provenance import ANALYSIS_VERSION, IMAGE_ID, PARAMS_HASH, PROVENANCE_COLUMNS
from kymflow_zarr import CorruptDataError, ImageNotFoundError

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr import ZarrDataset

__all__ = ["dataset_view", "joined_table", "velocity_view"]

logger = logging.getLogger(__name__)

_LAST: Final = ("region_hash", *PROVENANCE_COLUMNS)


def dataset_view(dataset: ZarrDataset) -> pd.DataFrame:
    """`KymDataset.view`."""
    frame = _facts(dataset)
    digests = frame["pixels_digest"]
    frame["copies"] = digests.map(digests.value_counts()).astype("Int64") - 1
    for name in indexer_names(dataset.list_table_names()):
        table = table_name(name)
        rows = dataset.load_table(table, columns=[IMAGE_ID])[IMAGE_ID].value_counts()
        frame[table] = frame[IMAGE_ID].map(rows).fillna(0).astype("int64")
    return _in_natural_order(frame)


def joined_table(dataset: ZarrDataset, indexer_name: str, *, excluded: bool) -> pd.DataFrame:
    """`KymDataset.joined`."""
    table = dataset.load_table(table_name(indexer_name))
    images = _facts(dataset)
    if not excluded:
        images = images[~images["excluded"].fillna(False)]
    fields = [name for name in images.columns if name in EXPERIMENT_FIELDS or name not in FACTS]
    said = [name for name in fields if name == IMAGE_ID or images[name].notna().any()]
    names = images[["file", "folder", "acquired", *said]]
    return _in_natural_order(names.merge(table, on=IMAGE_ID, suffixes=("_of_image", "")))


def velocity_view(dataset: ZarrDataset, *, label: str, excluded: bool) -> pd.DataFrame:
    """`KymDataset.velocities`."""
    table = joined_table(dataset, "velocity", excluded=excluded)
    if "label" in table.columns:  # a table that version 0.1 made has none
        table = table[table["label"] == label]
    # The hash covers the borders of a region, but not the number of its ROI.
    once = table.drop_duplicates([IMAGE_ID, ANALYSIS_VERSION, PARAMS_HASH])
    return once.reset_index(drop=True)


def _facts(dataset: ZarrDataset) -> pd.DataFrame:
    """The facts of all images; metadata that cannot be read are missing, and a line in the log."""
    import pandas as pd

    found: dict[str, dict[str, object]] = {}
    for image_id in dataset.load_manifest().entries:
        try:
            record = dataset.record(image_id)
        except ImageNotFoundError:
            continue  # deleted while we look
        try:
            found[image_id] = image_facts(record)
        except (MetadataError, CorruptDataError) as error:
            logger.warning("the metadata of image %r are not shown: %s", image_id, error)
            found[image_id] = file_facts(record)
    frame = facts_frame(list(found.values()))
    return frame.assign(**{IMAGE_ID: pd.Series(list(found), dtype="str")})


def _in_natural_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by folder and file, columns of provenance last."""
    by = [name for name in ("label", "channel", "roi_id") if name in frame.columns]
    keys = frame[by].assign(folder=_ranks(frame["folder"]), file=_ranks(frame["file"]))
    order = keys.sort_values(["folder", "file", *by], kind="stable").index
    first = [name for name in frame.columns if name not in _LAST]
    last = [name for name in _LAST if name in frame.columns]
    return frame.loc[order, [*first, *last]].reset_index(drop=True)


def _ranks(names: pd.Series[str]) -> pd.Series[float]:
    """For each name its place in the natural order."""
    ordered = sorted(names.dropna().unique(), key=natural_key)
    return names.map({name: float(rank) for rank, name in enumerate(ordered)})
