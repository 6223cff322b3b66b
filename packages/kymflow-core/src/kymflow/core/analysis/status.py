"""Whether a region's result is what running the analysis now would give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from kymflow.core.analysis.params import params_json
from kymflow.core.analysis.regions import Place, Region, calibration_of, pixels_digest, regions_of
from kymflow.core.analysis.storage import RegionResult, StoredResults, load_results
from kymflow.core.metadata import ImageMetadata, load_metadata

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from kymflow.core.analysis.definition import Analysis
    from kymflow.core.provenance import Params
    from kymflow_zarr import JsonValue, ZarrImageRecord

State: TypeAlias = Literal["current", "outdated", "missing", "failed"]
Cause: TypeAlias = Literal["parameters", "geometry", "calibration", "pixels", "inputs", "version"]

_CAUSES: Final[Mapping[str, Cause]] = {
    "parameters": "parameters",
    "region": "geometry",
    "calibration": "calibration",
    "pixels_digest": "pixels",
    "inputs": "inputs",
}
"""What has changed if a member of the parameter document has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionStatus:
    """The state of a region's result.

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
    """The state of the results of an image.

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
    """The state of one region's result. `image_status` gives that of all regions at once.

    Args:
        rec: The image.
        region: One of its regions, see `kymflow.core.analysis.regions_of`.
        analysis: The analysis.
        params: The parameters that the result should have; any, if None.
        label: The label of the result; "" for none.

    Raises:
        MetadataError: The image's metadata or results are damaged.
    """
    metadata = load_metadata(rec)
    documents = parameter_documents(rec, metadata, (region,), analysis, params, label=label)
    stored = load_results(rec, analysis, label=label)
    return _region_status(rec, analysis, region, documents[region], stored, label)


def image_status(
    rec: ZarrImageRecord,
    analysis: Analysis[Any],
    *,
    params: DataclassInstance | None = None,
    label: str = "",
) -> ImageStatus:
    """`is_current` of all regions of an image.

    Raises:
        NotAKymographError: The image is a picture or a movie.
        RegionError: It cannot be analyzed.
        MetadataError: Its metadata or results are damaged.
    """
    metadata = load_metadata(rec)
    regions = regions_of(rec, metadata)
    documents = parameter_documents(rec, metadata, regions, analysis, params, label=label)
    stored = load_results(rec, analysis, label=label)
    places = {region.place for region in regions}
    return ImageStatus(
        regions=tuple(
            _region_status(rec, analysis, region, documents[region], stored, label)
            for region in regions
        ),
        gone=tuple(entry for entry in stored.results if entry.place not in places),
    )


def parameter_documents(
    rec: ZarrImageRecord,
    metadata: ImageMetadata,
    regions: tuple[Region, ...],
    analysis: Analysis[Any],
    params: DataclassInstance | None,
    *,
    label: str,
) -> dict[Region, Params]:
    """For each region all that decides its result, but the code.

    Args:
        rec: The image.
        metadata: Its metadata.
        regions: Some of its regions.
        analysis: The analysis.
        params: What a person chose; left out if None, and so are the results that it builds on.
        label: The label of the result; "" for none.
    """
    shared: Params = {
        "calibration": calibration_of(rec, metadata).to_json(),
        "pixels_digest": pixels_digest(rec),
    }
    documents: dict[Region, Params] = {}
    for region in regions:
        chosen: dict[str, JsonValue] = {}
        if params is not None:
            chosen["parameters"] = params_json(params)
            places = {one.analysis.name: one.place(params, region) for one in analysis.inputs}
            if analysis.inputs:
                chosen["inputs"] = _input_documents(rec, analysis, places, label)
        documents[region] = {**chosen, "region": region.geometry(), **shared}
    return documents


def _input_documents(
    rec: ZarrImageRecord,
    analysis: Analysis[Any],
    places: Mapping[str, Place | None],
    label: str,
) -> dict[str, JsonValue]:
    """For each result that an analysis builds on, which one it is, and its state."""
    documents: dict[str, JsonValue] = {}
    for needed in analysis.inputs:
        place = places.get(needed.analysis.name)
        if place is not None:
            documents[needed.analysis.name] = _input_document(rec, needed.analysis, place, label)
    return documents


def _input_document(
    rec: ZarrImageRecord, analysis: Analysis[Any], place: Place, label: str
) -> dict[str, JsonValue]:
    channel, roi_id = place
    document: dict[str, JsonValue] = {"channel": channel, "roi_id": roi_id}
    region = next((r for r in regions_of(rec, load_metadata(rec)) if r.place == place), None)
    missing: dict[str, JsonValue] = {**document, "label": "", "state": "missing"}
    if region is None:
        return missing
    for under in dict.fromkeys((label, "")):
        status = is_current(rec, region, analysis, label=under)
        if status.state == "failed":
            return {**document, "label": under, "state": "failed", "reason": status.reason}
        stored = load_results(rec, analysis, label=under)
        entry = next((result for result in stored.results if result.place == place), None)
        if entry is not None:
            return {
                **document,
                "label": under,
                "state": status.state,
                "params_hash": entry.params_hash,
                "analysis_version": entry.analysis_version,
            }
    return missing


def _inputs_now(
    rec: ZarrImageRecord, analysis: Analysis[Any], then: Params, label: str
) -> dict[str, JsonValue]:
    """The states of the results that a stored one was built on."""
    chosen = then.get("inputs")
    places = [region.place for region in regions_of(rec, load_metadata(rec))]
    documents = chosen if isinstance(chosen, dict) else {}
    built_on = {
        name: next((p for p in places if p == (said["channel"], said["roi_id"])), None)
        for name, said in documents.items()
        if isinstance(said, dict)
    }
    return _input_documents(rec, analysis, built_on, label)


def _region_status(
    rec: ZarrImageRecord,
    analysis: Analysis[Any],
    region: Region,
    document: Params,
    stored: StoredResults,
    label: str,
) -> RegionStatus:
    def causes(then: Params, version: str) -> tuple[Cause, ...]:
        now = document
        if analysis.inputs and "parameters" not in document:
            now = {**document, "inputs": _inputs_now(rec, analysis, then, label)}
        return _causes(then, now, version, analysis.version)

    failure = next((f for f in stored.failures if f.place == region.place), None)
    if failure is not None and not causes(failure.params, failure.analysis_version):
        return RegionStatus(region=region, state="failed", reason=failure.reason)
    entry = next((result for result in stored.results if result.place == region.place), None)
    if entry is None or entry.params_hash not in stored.params or stored.lost_tables:
        return RegionStatus(region=region, state="missing")
    changed = causes(stored.params[entry.params_hash], entry.analysis_version)
    return RegionStatus(region=region, state="outdated" if changed else "current", causes=changed)


def _causes(then: Params, now: Params, version_then: str, version_now: str) -> tuple[Cause, ...]:
    """What has changed."""
    changed = [cause for member, cause in _CAUSES.items() if then.get(member) != now.get(member)]
    if "parameters" not in now:
        changed.remove("parameters")
    return (*changed, *(("version",) if version_then != version_now else ()))
