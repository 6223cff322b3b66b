"""What an indexer is: a name, rows of one image, and two strings that say where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kymflow.core.provenance import Params
    from kymflow_zarr import ZarrImageRecord


@runtime_checkable
class BaseIndexer(Protocol):
    """Reads one image and returns rows. It writes nothing: its records are read-only.

    Implement it by having these members; there is nothing to inherit. To run in other processes an
    indexer must survive pickling: a class at the top level of a module does.
    """

    @property
    def name(self) -> str:
        """``[a-z][a-z0-9_]*``; the table is ``kym_<name>``. A plain attribute will do."""
        ...

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """The rows of one image; none is a valid result.

        Args:
            rec: The image, read-only.

        Returns:
            Any columns of one type each. ``image_id``, ``analysis_version`` and ``params_hash`` are
            filled in where they are left out; where they are given they must be right.
        """
        ...

    def params_hash(self, rec: ZarrImageRecord) -> str:
        """The hash of all that decides this image's rows: `kymflow.core.provenance.params_hash`.

        It is asked only of images that have rows.
        """
        ...

    def analysis_version(self) -> str:
        """The version of the code that computed what the rows say."""
        ...


@runtime_checkable
class TypedIndexer(Protocol):
    """An indexer that declares which columns it returns, and of what types.

    Without it a table's types are learned from the first run. With it, rows that have other columns
    are refused, and a table without rows still has its columns.
    """

    def columns(self) -> pa.Schema:
        """The columns; the three of provenance may be left out."""
        ...


@runtime_checkable
class DocumentedIndexer(Protocol):
    """An indexer whose parameters are not an artifact of the record but follow from it."""

    def params(self, rec: ZarrImageRecord) -> Params:
        """The document whose hash `BaseIndexer.params_hash` returns."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionRows:
    """The rows of one image, each with its own provenance.

    Attributes:
        rows: Its columns ``analysis_version`` and ``params_hash`` say where each row comes from.
        left_out: What has no row though the record holds it, and why: one sentence each.
    """

    rows: pd.DataFrame
    left_out: tuple[str, ...] = ()


@runtime_checkable
class RegionIndexer(Protocol):
    """An indexer whose rows of one image come from several sets of parameters, one per region.

    `extract_region_rows` is called in place of `BaseIndexer.extract_rows`, and
    `BaseIndexer.params_hash` is not asked.
    """

    def extract_region_rows(self, rec: ZarrImageRecord) -> RegionRows:
        """The rows of one image, read-only as for `BaseIndexer.extract_rows`."""
        ...


@runtime_checkable
class ExcludedImageIndexer(Protocol):
    """An indexer that may want to be asked for images that a person excluded, too."""

    @property
    def covers_excluded(self) -> bool:
        """Whether it does. A plain attribute will do."""
        ...


@runtime_checkable
class DependentIndexer(Protocol):
    """An indexer that reads tables of other indexers.

    They are updated before it, and `KymDataset.update_index` with ``mode="incremental"`` asks it
    for an image again when one of them has other rows of that image.
    """

    @property
    def depends_on(self) -> Sequence[str]:
        """The names of those indexers. A plain attribute will do."""
        ...
