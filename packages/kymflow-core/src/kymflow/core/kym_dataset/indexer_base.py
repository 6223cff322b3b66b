"""What an indexer is: a name, rows of one image, and two strings that say where they come from."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kymflow.core.provenance import Params
    from kymflow_zarr import ZarrImageRecord

__all__ = ["BaseIndexer", "DeclaresColumns", "DocumentsParams", "HashesRows"]


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
class DeclaresColumns(Protocol):
    """An indexer that says beforehand which columns it returns, and of what types.

    Without it a table's types are learned from the first run. With it, rows that have other columns
    are refused, and a table without rows has its columns nevertheless.
    """

    def columns(self) -> pa.Schema:
        """The columns; the three of provenance may be left out."""
        ...


@runtime_checkable
class HashesRows(Protocol):
    """An indexer whose rows of one image come from several sets of parameters, one per region.

    Its rows carry a column ``params_hash``. `BaseIndexer.params_hash` is the hash of them all.
    """

    def row_params_hashes(self, rec: ZarrImageRecord) -> Collection[str]:
        """The hashes that the rows of this image may carry."""
        ...


@runtime_checkable
class DocumentsParams(Protocol):
    """An indexer whose parameters are no artifact of the record, but can be told from it."""

    def params(self, rec: ZarrImageRecord) -> Params:
        """The document whose hash `BaseIndexer.params_hash` returns."""
        ...
