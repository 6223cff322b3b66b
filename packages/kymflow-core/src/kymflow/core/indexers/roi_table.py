"""`roi`: the regions of interest of all images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kymflow.core.metadata import load_metadata
from kymflow.core.provenance import params_hash

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kymflow_zarr import JsonValue, ZarrImageRecord


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

        types: dict[str, pa.DataType] = {
            "roi_id": pa.int64(),
            "roi_name": pa.string(),
            "roi_note": pa.string(),
            "revision": pa.int64(),
            "channel": pa.int64(),
            "z": pa.int64(),
            "dim0_start": pa.int64(),
            "dim0_stop": pa.int64(),
            "dim1_start": pa.int64(),
            "dim1_stop": pa.int64(),
        }
        return pa.schema(types)

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """One row per ROI, in their order."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "roi_id": roi.id,
                    "roi_name": roi.name,
                    "roi_note": roi.note,
                    "revision": roi.revision,
                    "channel": roi.channel,
                    "z": roi.z,
                    "dim0_start": roi.dim0_start,
                    "dim0_stop": roi.dim0_stop,
                    "dim1_start": roi.dim1_start,
                    "dim1_stop": roi.dim1_stop,
                }
                for roi in load_metadata(rec).rois
            ]
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
