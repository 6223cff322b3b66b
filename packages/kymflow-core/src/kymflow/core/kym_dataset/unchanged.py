"""Which images' rows in a table are still those that an indexer would return.

For each image a fingerprint is kept under ``index/derived``: of the indexer, of the record's
artifacts, of the image's rows in the tables that the indexer depends on, and of its rows in the
table itself. An image whose fingerprint is the same has not changed. Where it cannot be told,
as in a Zarr store in memory, every image counts as changed.
"""

from __future__ import annotations

import hashlib
import pickle
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kymflow.core.kym_dataset.extract import check_version, declared_columns
from kymflow.core.kym_dataset.indexer_base import BaseIndexer, DependentIndexer
from kymflow.core.kym_dataset.table_names import table_name
from kymflow.core.provenance import PROVENANCE_COLUMNS
from kymflow_zarr import ZarrDataset

if TYPE_CHECKING:
    import pyarrow as pa

RowOrigins: TypeAlias = Mapping[str, tuple[tuple[str, str, int], ...]]
"""For each image with rows: versions and parameter hashes of its rows, and how many have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprints:
    """What decides the rows of images, as it was before any was read.

    Attributes:
        name: What they are kept as.
        inputs: For each image what decides its rows; empty if unknown.
        kept: The fingerprints that were kept when the table was last updated.
    """

    name: str
    inputs: Mapping[str, tuple[object, ...]]
    kept: Mapping[str, str]

    def unchanged(self, origins: RowOrigins) -> frozenset[str]:
        """The images whose rows in the table are what the indexer would return.

        Args:
            origins: The rows in the table now.
        """
        now = self.with_rows(origins)
        return frozenset(image_id for image_id in now if self.kept.get(image_id) == now[image_id])

    def with_rows(self, origins: RowOrigins) -> dict[str, str]:
        """The fingerprints of images and their rows; without images that are unknown."""
        return {
            image_id: _digest(*inputs, origins.get(image_id))
            for image_id, inputs in self.inputs.items()
            if inputs
        }


def take_fingerprints(
    dataset: ZarrDataset, indexer: BaseIndexer, stamps: Mapping[str, str], *, keep_excluded: bool
) -> Fingerprints:
    """Look at images, before an indexer is run on them.

    Args:
        dataset: The dataset.
        indexer: The indexer.
        stamps: `ZarrDataset.artifact_stamps` of the images.
        keep_excluded: Whether images that a person excluded have rows.
    """
    name = f"index/{table_name(indexer.name)}"
    identity = _identity(indexer, keep_excluded=keep_excluded)
    if not identity:
        return Fingerprints(name=name, inputs={}, kept={})
    upstream = [
        table_origins(dataset, table_name(other))
        for other in (indexer.depends_on if isinstance(indexer, DependentIndexer) else ())
    ]
    return Fingerprints(
        name=name,
        inputs={
            image_id: (identity, stamp, *(each.get(image_id) for each in upstream)) if stamp else ()
            for image_id, stamp in stamps.items()
        },
        kept=dataset.load_derived(name),
    )


def table_origins(dataset: ZarrDataset, table: str) -> RowOrigins:
    """`row_origins` of a table; empty if there is none."""
    if dataset.table_schema(table) is None:
        return {}
    # Part by part: a table may be larger than memory.
    return row_origins(dataset.iter_table(table, columns=list(PROVENANCE_COLUMNS)))


def row_origins(parts: Iterable[pa.Table]) -> RowOrigins:
    """Where the rows of each image come from; those of one image may lie in several parts."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for part in parts:
        groups = part.group_by(list(PROVENANCE_COLUMNS)).aggregate([([], "count_all")])
        columns = [groups[name].to_pylist() for name in (*PROVENANCE_COLUMNS, "count_all")]
        counts.update({tuple(origin): count for *origin, count in zip(*columns, strict=True)})
    found: dict[str, tuple[tuple[str, str, int], ...]] = {}
    for (image_id, version, digest), count in sorted(counts.items()):
        found[image_id] = (*found.get(image_id, ()), (version, digest, count))
    return found


def _identity(indexer: BaseIndexer, *, keep_excluded: bool) -> str:
    """What stands for the indexer and what it is asked for; "" if it cannot be determined."""
    try:
        parts = pickle.dumps(indexer), check_version(indexer), declared_columns(indexer)
        return _digest(*parts, keep_excluded)
    except (pickle.PicklingError, TypeError, AttributeError):
        return ""


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()
