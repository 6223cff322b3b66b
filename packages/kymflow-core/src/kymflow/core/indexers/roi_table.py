"""`roi`: the regions of interest of all images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from kymflow.core.metadata import load_metadata
from kymflow.core.provenance import params_hash

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kymflow_zarr import JsonValue, ZarrImageRecord


_FIELDS: Final = ("id", "name", "note", "revision", "channel", "z")
_BORDERS: Final = ("dim0_start", "dim0_stop", "dim1_start", "dim1_stop")
_COLUMNS: Final = {
    f"roi_{name}" if name in {"id", "name", "note"} else name: name
    for name in (*_FIELDS, *_BORDERS)
}
"""The columns, and for each the field of a ROI that it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoiTable:
    """One row per image and ROI, with its place, names and size.

    Columns: ``roi_id``, ``roi_name``, ``roi_note``, ``revision``, ``channel`` (from 1), ``z`` (from
    0), and half-open ``dim0_start``, ``dim0_stop`` (lines), ``dim1_start``, ``dim1_stop`` (pixels).
    """

    name: ClassVar[str] = "roi"

    def columns(self) -> pa.Schema:
        """The columns."""
        import pyarrow as pa

        types: dict[str, pa.DataType] = dict.fromkeys(_COLUMNS, pa.int64())
        return pa.schema({**types, "roi_name": pa.string(), "roi_note": pa.string()})

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """One row per ROI, in their order."""
        import pandas as pd

        rois = [roi.to_json() for roi in load_metadata(rec).rois]
        return pd.DataFrame(
            [{column: roi[field] for column, field in _COLUMNS.items()} for roi in rois]
        )

    def params(self, rec: ZarrImageRecord) -> dict[str, JsonValue]:
        """The ROIs as they were when the rows were made."""
        return {"rois": [roi.to_json() for roi in load_metadata(rec).rois]}

    def params_hash(self, rec: ZarrImageRecord) -> str:
        """The hash of `params`."""
        return params_hash(self.params(rec))

    def analysis_version(self) -> str:
        """The version of these rows' layout."""
        return "1"
