"""`ArtifactTable`: one named table artifact of every record, as one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kymflow.core.errors import ParamsValueError
from kymflow.core.provenance import params_hash
from kymflow_zarr import ArtifactNotFoundError

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr import JsonValue, ZarrImageRecord

__all__ = ["ArtifactTable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactTable:
    """Lifts a Parquet artifact of each record into a table, row by row.

    A record without the artifact has no rows. A record with it needs the parameters, too.

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
        """The artifact as it is.

        Raises:
            CorruptDataError: It cannot be read.
        """
        import pandas as pd

        try:
            return rec.load_df_parquet(self.artifact)
        except ArtifactNotFoundError:
            return pd.DataFrame()

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

    def params_hash(self, rec: ZarrImageRecord) -> str:
        """The hash of `params`."""
        return params_hash(self.params(rec))

    def analysis_version(self) -> str:
        """`version`."""
        return self.version
