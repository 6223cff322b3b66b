"""The metadata payload of one image as a typed value."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kymflow.core.errors import MetadataError, RoiError
from kymflow.core.metadata.acts import ACTS, Act, read_acts
from kymflow.core.metadata.experiment import ExperimentMetadata
from kymflow.core.metadata.fields import Fields
from kymflow.core.metadata.header import Header
from kymflow.core.metadata.roi import Roi, check_roi, image_extent
from kymflow_zarr import CorruptDataError, JsonValue, MetadataNotFoundError, ZarrImageRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VERSION = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMetadata:
    """All metadata of one image.

    Attributes:
        header: What the files said.
        experiment: What people wrote down.
        rois: The regions of interest, in order.
        last_roi_id: The highest id that a ROI of this image ever had: ids are not used again.
        acts: What people decided, see `kymflow.core.decisions`. They are added there only:
            `save_metadata` keeps those that are stored.
        version: The version of the payload's layout.
        extra: All other fields, as they are.
    """

    header: Header = field(default_factory=Header)
    experiment: ExperimentMetadata = field(default_factory=ExperimentMetadata)
    rois: tuple[Roi, ...] = ()
    last_roi_id: int = 0
    acts: tuple[Act, ...] = ()
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
        rois = _read_rois(fields.raw("rois"))
        return cls(
            header=Header() if header is None else Header.from_json(header),
            experiment=ExperimentMetadata()
            if experiment is None
            else ExperimentMetadata.from_json(experiment),
            rois=rois,
            last_roi_id=_last_id(rois, fields.integer("last_roi_id", least=0) or 0),
            acts=read_acts({ACTS: fields.raw(ACTS)}),
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
            # The ids of the ROIs that are there say as much, most of the time.
            **(
                {"last_roi_id": self.last_roi_id}
                if self.last_roi_id > _last_id(self.rois, 0)
                else {}
            ),
            **({ACTS: [act.to_json() for act in self.acts]} if self.acts else {}),
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
        RoiError: A ROI does not fit the image, which `clamp_roi` corrects; or it is new and has an
            id that an earlier ROI of this image had.
        LockedError: Another writer is at work on images.
    """
    extent = image_extent(rec)
    for roi in metadata.rois:
        check_roi(roi, extent)
    with rec.exclusive():
        stored = _load_stored(rec, metadata)
        there = {roi.id for roi in stored.rois}
        for roi in metadata.rois:
            if roi.id not in there and roi.id <= stored.last_roi_id:
                raise RoiError(
                    "id", f"have the id {stored.last_roi_id + 1}: an earlier one had {roi.id}"
                )
        last = _last_id(metadata.rois, max(metadata.last_roi_id, stored.last_roi_id))
        new = replace(metadata, last_roi_id=last, acts=stored.acts)
        rec.save_metadata_payload(new.to_json())


def _load_stored(rec: ZarrImageRecord, metadata: ImageMetadata) -> ImageMetadata:
    """What is stored. What is damaged can be replaced, all but decisions that can be read."""
    try:
        return load_metadata(rec)
    except CorruptDataError:
        return ImageMetadata(acts=metadata.acts)
    except MetadataError:
        pass
    try:
        return ImageMetadata(acts=read_acts(rec.load_metadata_payload()))
    except MetadataError:
        return ImageMetadata(acts=metadata.acts)


def _last_id(rois: Sequence[Roi], known: int) -> int:
    return max([known, *(roi.id for roi in rois)])


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
