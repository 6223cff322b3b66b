"""The metadata payload of one image as a typed value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kymflow.core.errors import MetadataError
from kymflow.core.metadata._fields import Fields
from kymflow.core.metadata.experiment import ExperimentMetadata
from kymflow.core.metadata.header import Header
from kymflow.core.metadata.roi import Roi, check_roi, image_extent
from kymflow_zarr import JsonValue, MetadataNotFoundError, ZarrImageRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ImageMetadata", "load_metadata", "save_metadata"]

_VERSION = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMetadata:
    """All metadata of one image.

    Attributes:
        header: What the files said.
        experiment: What people wrote down.
        rois: The regions of interest, in order.
        version: The version of the payload's layout.
        extra: All other fields, as they are.
    """

    header: Header = field(default_factory=Header)
    experiment: ExperimentMetadata = field(default_factory=ExperimentMetadata)
    rois: tuple[Roi, ...] = ()
    version: str = _VERSION
    extra: Mapping[str, JsonValue] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: JsonValue) -> ImageMetadata:
        """Read a payload; absent parts are empty.

        Raises:
            MetadataError: A field is malformed, or two ROIs have one id.
        """
        fields = Fields(value, "payload")
        header, experiment = fields.raw("header"), fields.raw("experiment_metadata")
        return cls(
            header=Header() if header is None else Header.from_json(header),
            experiment=ExperimentMetadata()
            if experiment is None
            else ExperimentMetadata.from_json(experiment),
            rois=_read_rois(fields.raw("rois")),
            version=fields.text("version") or _VERSION,
            extra=fields.rest(),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """The payload as JSON."""
        return {
            "version": self.version,
            "header": self.header.to_json(),
            "experiment_metadata": self.experiment.to_json(),
            "rois": [roi.to_json() for roi in self.rois],
            **self.extra,
        }


def load_metadata(rec: ZarrImageRecord) -> ImageMetadata:
    """The metadata of an image; all empty if it has none.

    Raises:
        MetadataError: A field is malformed.
    """
    try:
        payload = rec.load_metadata_payload()
    except MetadataNotFoundError:
        return ImageMetadata()
    return ImageMetadata.from_json(payload)


def save_metadata(rec: ZarrImageRecord, metadata: ImageMetadata) -> None:
    """Replace the metadata of an image in one step.

    Raises:
        RoiError: A ROI does not fit the image; `clamp_roi` makes it.
    """
    extent = image_extent(rec)
    for roi in metadata.rois:
        check_roi(roi, extent)
    rec.save_metadata_payload(metadata.to_json())


def _read_rois(value: JsonValue) -> tuple[Roi, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise MetadataError("rois", f"is {value!r}, not a list")
    rois = tuple(Roi.from_json(item, where=f"rois[{at}]") for at, item in enumerate(value))
    ids = [roi.id for roi in rois]
    for at, number in enumerate(ids):
        if number in ids[:at]:
            raise MetadataError(f"rois[{at}].id", f"is {number!r}, which an earlier ROI has")
    return rois
