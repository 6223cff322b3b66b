"""The facts of all images: from their table where that is current, else from their records."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kymflow.core.errors import MetadataError
from kymflow.core.image_facts import FACTS, facts_frame, file_facts, image_facts
from kymflow.core.kym_dataset.table_names import table_name
from kymflow.core.kym_dataset.unchanged import table_origins, take_fingerprints
from kymflow.core.provenance import IMAGE_ID, PROVENANCE_COLUMNS
from kymflow_zarr import CorruptDataError, ImageNotFoundError

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr import ZarrDataset


logger = logging.getLogger(__name__)

_TIMES = tuple(name for name, dtype in FACTS.items() if dtype.startswith("datetime"))


def load_facts(
    dataset: ZarrDataset,
    stamps: Mapping[str, str] | None = None,
    *,
    columns: Sequence[str] | None = None,
) -> dict[str, Mapping[str, object]]:
    """The facts of all images by id; what cannot be read is missing, and a line in the log.

    Args:
        dataset: The dataset.
        stamps: `ZarrDataset.artifact_stamps` of all images; read now if None.
        columns: These facts at least; all if None.
    """
    if stamps is None:
        stamps = dataset.artifact_stamps(dataset.list_image_ids())
    tabled = _tabled_facts(dataset, stamps, columns)
    image_ids = stamps if len(tabled) == len(stamps) else dataset.load_manifest().entries
    found: dict[str, Mapping[str, object]] = {}
    for image_id in image_ids:
        if image_id in tabled:
            found[image_id] = tabled[image_id]
            continue
        try:
            record = dataset.record(image_id)
        except ImageNotFoundError:
            continue  # deleted while we look
        try:
            found[image_id] = image_facts(record)
        except (MetadataError, CorruptDataError) as error:
            logger.warning("the metadata of image %r are not shown: %s", image_id, error)
            found[image_id] = file_facts(record)
    return found


def facts_by_image(dataset: ZarrDataset) -> pd.DataFrame:
    """All facts, one row per image: the columns of `facts_frame`, then ``image_id``."""
    import pandas as pd

    found = load_facts(dataset)
    frame = facts_frame(list(found.values()))
    return frame.assign(**{IMAGE_ID: pd.Series(list(found), dtype="str")})


def _tabled_facts(
    dataset: ZarrDataset, stamps: Mapping[str, str], columns: Sequence[str] | None
) -> dict[str, Mapping[str, object]]:
    """The facts of images that have not changed since the table of images was updated."""
    # Imported here: indexers build on this package.
    from kymflow.core.indexers.image_table import ImageTable

    table = table_name(ImageTable.name)
    origins = table_origins(dataset, table)
    if not origins:
        return {}
    fingerprints = take_fingerprints(dataset, ImageTable(), stamps, keep_excluded=True)
    unchanged = fingerprints.unchanged(origins)
    if not unchanged:
        return {}  # a table of another version may lack some of these columns
    wanted = None if columns is None else [IMAGE_ID, *columns]
    rows = dataset.load_arrow_table(table, columns=wanted)
    # Times as whole nanoseconds, which datetimes do not have.
    for name in set(_TIMES).intersection(rows.column_names):
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, name, rows[name].cast("int64"))
    facts: dict[str, dict[str, object]] = {str(i): {} for i in rows[IMAGE_ID].to_pylist()}
    for name in rows.column_names:
        if name not in PROVENANCE_COLUMNS:
            for each, value in zip(facts.values(), rows[name].to_pylist(), strict=True):
                if value is not None:
                    each[name] = value
    return {image_id: each for image_id, each in facts.items() if image_id in unchanged}
