"""`ArtifactTable`: one named table artifact of every record, as one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kymflow.core.errors import ParamsValueError
from kymflow.core.provenance import PARAMS_HASH, params_hash
from kymflow_zarr import ArtifactNotFoundError

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr import JsonValue, ZarrImageRecord

__all__ = ["ArtifactTable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactTable:
    """Lifts a Parquet artifact of each record into a table, row by row.

    A record without the artifact has no rows. A record with it needs the parameters, too: one
    document for all rows; or several, each under its hash, which each row then says in a column
    ``params_hash``, as those of ``velocity/trace`` do.

    Attributes:
        name: The name of the index.
        artifact: The table artifact, like ``velocity/trace``.
        params_artifact: The JSON artifact with the parameters that made it, like
            ``velocity/params``; None for results whose parameters nobody kept.
        version: The version of the code that made the artifacts.
    """

    name: str
    artifact: str
    params_artifact: str | None
    version: str

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """The artifact as it is, and the hash of the parameters.

        Raises:
            CorruptDataError: It cannot be read.
            ArtifactNotFoundError: It has rows, but no parameters.
            ParamsValueError: They are no JSON object.
        """
        import pandas as pd

        try:
            rows = rec.load_df_parquet(self.artifact)
        except ArtifactNotFoundError:
            return pd.DataFrame()
        if PARAMS_HASH in rows.columns or not len(rows):
            return rows
        return rows.assign(**{PARAMS_HASH: self.params_hash(rec)})

    def params(self, rec: ZarrImageRecord) -> dict[str, JsonValue]:
        """The parameters that made the artifact; empty where nobody kept them.

        Raises:
            ArtifactNotFoundError: They should be there and are not.
            ParamsValueError: They are no JSON object.
        """
        if self.params_artifact is None:
            return {}
        found = rec.load_json(self.params_artifact)
        if not isinstance(found, dict):
            raise ParamsValueError("$", f"a {type(found).__name__}, not an object")
        return found

    def row_params_hashes(self, rec: ZarrImageRecord) -> frozenset[str]:
        """The hash of `params`, and of each document that lies in it under its hash."""
        document = self.params(rec)
        several = {
            digest
            for digest, one in document.items()
            if isinstance(one, dict) and params_hash(one) == digest
        }
        return frozenset({params_hash(document), *several})

    def params_hash(self, rec: ZarrImageRecord) -> str:
        """The hash of `params`."""
        return params_hash(self.params(rec))

    def analysis_version(self) -> str:
        """`version`."""
        return self.version
