"""Whether a region's result is what running the analysis now would give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from kymflow.core.analysis.params import params_json
from kymflow.core.analysis.regions import Region, calibration_of, pixels_digest, regions_of
from kymflow.core.analysis.storage import RegionResult, StoredResults, load_results
from kymflow.core.metadata import ImageMetadata, load_metadata

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from kymflow.core.analysis.definition import Analysis
    from kymflow.core.provenance import Params
    from kymflow_zarr import ZarrImageRecord

__all__ = [
    "Cause",
    "ImageStatus",
    "RegionStatus",
    "State",
    "image_status",
    "is_current",
    "parameter_documents",
]

State: TypeAlias = Literal["current", "outdated", "missing", "failed"]
Cause: TypeAlias = Literal["parameters", "geometry", "calibration", "pixels", "version"]

_CAUSES: Final[Mapping[str, Cause]] = {
    "parameters": "parameters",
    "region": "geometry",
    "calibration": "calibration",
    "pixels_digest": "pixels",
}
"""What has changed if a member of the parameter document has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionStatus:
    """How a region's result stands.

    Attributes:
        region: The region as it is now.
        state: ``current``, ``outdated``, ``missing``; ``failed`` if the last run failed, and
            nothing has changed since.
        causes: What has changed since an outdated result was computed.
        reason: Why the last run failed; "" if it did not.
    """

    region: Region
    state: State
    causes: tuple[Cause, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStatus:
    """How the results of an image stand.

    Attributes:
        regions: Each region that the image has now.
        gone: Results of regions that no longer exist.
    """

    regions: tuple[RegionStatus, ...]
    gone: tuple[RegionResult, ...]


def is_current(
    rec: ZarrImageRecord,
    region: Region,
    analysis: Analysis[Any],
    *,
    params: DataclassInstance | None = None,
    label: str = "",
) -> RegionStatus:
    """How the result of one region stands. `image_status` answers for all of an image at once.

    Args:
        rec: The image.
        region: One of its regions, see `kymflow.core.analysis.regions_of`.
        analysis: The analysis.
        params: The parameters that the result should have; any, if None.
        label: The label of the result; "" for none.

    Raises:
        MetadataError: The image's metadata or results are damaged.
    """
    documents = parameter_documents(rec, load_metadata(rec), (region,), params)
    stored = load_results(rec, analysis, label=label)
    return _region_status(region, documents[region], stored, analysis.version)


def image_status(
    rec: ZarrImageRecord,
    analysis: Analysis[Any],
    *,
    params: DataclassInstance | None = None,
    label: str = "",
) -> ImageStatus:
    """`is_current` of all regions of an image.

    Raises:
        RegionError: The image cannot be analysed.
        MetadataError: Its metadata or results are damaged.
    """
    metadata = load_metadata(rec)
    regions = regions_of(rec, metadata)
    documents = parameter_documents(rec, metadata, regions, params)
    stored = load_results(rec, analysis, label=label)
    places = {region.place for region in regions}
    return ImageStatus(
        regions=tuple(
            _region_status(region, documents[region], stored, analysis.version)
            for region in regions
        ),
        gone=tuple(entry for entry in stored.results if entry.place not in places),
    )


def parameter_documents(
    rec: ZarrImageRecord,
    metadata: ImageMetadata,
    regions: tuple[Region, ...],
    params: DataclassInstance | None,
) -> dict[Region, Params]:
    """For each region all that decides its result, but the code.

    Args:
        rec: The image.
        metadata: Its metadata.
        regions: Some of its regions.
        params: What a person chose; left out if None.
    """
    chosen: Params = {} if params is None else {"parameters": params_json(params)}
    shared: Params = {
        "calibration": calibration_of(rec, metadata).to_json(),
        "pixels_digest": pixels_digest(rec),
    }
    return {region: {**chosen, "region": region.geometry(), **shared} for region in regions}


def _region_status(
    region: Region, document: Params, stored: StoredResults, version: str
) -> RegionStatus:
    failure = next((f for f in stored.failures if f.place == region.place), None)
    if failure is not None and not _causes(
        failure.params, document, failure.analysis_version, version
    ):
        return RegionStatus(region=region, state="failed", reason=failure.reason)
    entry = next((result for result in stored.results if result.place == region.place), None)
    if entry is None or entry.params_hash not in stored.params or stored.lost_tables:
        return RegionStatus(region=region, state="missing")
    causes = _causes(stored.params[entry.params_hash], document, entry.analysis_version, version)
    return RegionStatus(region=region, state="outdated" if causes else "current", causes=causes)


def _causes(then: Params, now: Params, version_then: str, version_now: str) -> tuple[Cause, ...]:
    """What has changed."""
    changed = [cause for member, cause in _CAUSES.items() if then.get(member) != now.get(member)]
    if "parameters" not in now:
        changed.remove("parameters")
    return (*changed, *(("version",) if version_then != version_now else ()))
