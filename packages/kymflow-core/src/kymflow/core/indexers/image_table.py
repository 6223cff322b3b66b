"""`images`: what is known of each image, those that were excluded among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kymflow.core.image_facts import facts_frame, image_facts
from kymflow.core.provenance import params_hash

if TYPE_CHECKING:
    import pandas as pd

    from kymflow_zarr import JsonValue, ZarrImageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTable:
    """One row per image: file, folders, calibration, exclusion, experiment.

    Columns: ``file``, ``folder``, ``folder_1`` (the folder of the file) to ``folder_3``,
    ``acquired``, ``shape``, ``dtype``, ``axes``, ``seconds_per_line``, ``um_per_pixel``, ``rois``,
    ``marks`` (intervals that people marked), ``excluded``, ``exclusion_reason``, ``verdict``,
    ``verdict_reason``, ``notes``, the fields of `ExperimentMetadata`, ``supersedes``,
    ``pixels_digest`` (equal for copies), and other fields of the experiment as text.
    """

    name: ClassVar[str] = "images"
    covers_excluded: ClassVar[bool] = True

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """One row.

        Raises:
            MetadataError: The metadata of the image are malformed.
        """
        return facts_frame([image_facts(rec)])

    def params(self, rec: ZarrImageRecord) -> dict[str, JsonValue]:
        """What the row says, as text."""
        return {name: str(fact) for name, fact in image_facts(rec).items()}

    def params_hash(self, rec: ZarrImageRecord) -> str:
        """The hash of `params`."""
        return params_hash(self.params(rec))

    def analysis_version(self) -> str:
        """The version of these rows' layout."""
        return "2"
