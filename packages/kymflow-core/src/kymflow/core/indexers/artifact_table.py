"""`ArtifactTable`: one named table artifact of every record, as one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kymflow.core.errors import ParamsNotFoundError, ParamsValueError
from kymflow.core.kym_dataset.indexer_base import RegionRows
from kymflow.core.provenance import ANALYSIS_VERSION, PARAMS_HASH, params_hash
from kymflow_zarr import ArtifactNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from kymflow_zarr import JsonValue, ZarrImageRecord

_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactTable:
    """Lifts a Parquet artifact of each record, which another program wrote, into a table.

    A record without the artifact has no rows. Rows that say in a column ``params_hash`` which
    parameters made them keep that; others get the hash of the parameters' document. The version of
    the code that made them is ``"unknown"``, unless a column ``analysis_version`` says it.

    Attributes:
        name: The name of the index.
        artifact: The table artifact, like ``drift/trace``.
        params_artifact: The JSON artifact with the parameters that made it, like ``drift/params``;
            None for results whose parameters were not kept.
    """

    name: str
    artifact: str
    params_artifact: str | None

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """The artifact as it is, and where its rows come from.

        Raises:
            CorruptDataError: It cannot be read.
            ArtifactNotFoundError: It has rows, but no parameters.
            ParamsValueError: They are not a JSON object.
            ParamsNotFoundError: A row says parameters that are not among them.
        """
        import pandas as pd

        try:
            rows = rec.load_df_parquet(self.artifact)
        except ArtifactNotFoundError:
            return pd.DataFrame()
        if not len(rows):
            return rows
        if PARAMS_HASH not in rows.columns:
            rows = rows.assign(**{PARAMS_HASH: self.params_hash(rec)})
        else:
            self._check_hashes(rec, rows[PARAMS_HASH])
        if ANALYSIS_VERSION not in rows.columns:
            rows = rows.assign(**{ANALYSIS_VERSION: _UNKNOWN})
        return rows

    def extract_region_rows(self, rec: ZarrImageRecord) -> RegionRows:
        """`extract_rows`: each row says where it comes from."""
        return RegionRows(rows=self.extract_rows(rec))

    def params(self, rec: ZarrImageRecord) -> dict[str, JsonValue]:
        """The parameters that made the artifact; empty if they were not kept.

        Raises:
            ArtifactNotFoundError: They should be there and are not.
            ParamsValueError: They are not a JSON object.
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
        """``"unknown"``: a table cannot tell what made an artifact."""
        return _UNKNOWN

    def _check_hashes(self, rec: ZarrImageRecord, said: Iterable[str]) -> None:
        document = self.params(rec)
        for digest in sorted(set(said) - {params_hash(document)}):
            one = document.get(digest)
            if not isinstance(one, dict) or params_hash(one) != digest:
                reason = f"{self.params_artifact!r} of image {rec.image_id!r} does not hold them"
                raise ParamsNotFoundError(self.artifact, digest, reason)
