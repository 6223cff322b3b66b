"""The velocity analysis: from a record's pixels to artifacts of the record, region by region."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from kymflow.core.analysis.regions import Region, calibration_of, picture_of, regions_of
from kymflow.core.analysis.velocity import (
    Method,
    StallRule,
    estimate_velocity,
    find_intervals,
    summarize,
)
from kymflow.core.analysis.velocity_results import NAME, RegionResult, load_summaries, save_results
from kymflow.core.errors import InvalidKymographError, RegionError, RoiError, RoiNotFoundError
from kymflow.core.metadata import ImageMetadata, check_roi, find_roi, image_extent, load_metadata
from kymflow.core.provenance import Params, params_hash

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kymflow_zarr import JsonValue, ZarrImageRecord

__all__ = ["VELOCITY_VERSION", "VelocityAnalysis", "VelocityParams", "VelocityRun"]

VELOCITY_VERSION = "1"
"""Raised with every change that can change a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityParams:
    """What a person chooses; see `estimate_velocity` for the meaning of each.

    Attributes:
        window_lines: Lines per window, a multiple of 4, at least 8.
        method: ``"shear"``, or ``"radon"`` for comparison.
        tracked: Whether windows are estimated together.
        max_px_per_line: Fastest velocity to search; None: 0.6 of the line per line.
        unknown_below: Evidence below which a window is unknown; None keeps pure noise out.
        correct_scan_speed: Whether the time that the scan takes along the line is corrected for.
            It needs a dwell time and a line period in the header.
        stall_rule: When flow counts as standing still.
    """

    window_lines: int = 16
    method: Method = "shear"
    tracked: bool = True
    max_px_per_line: float | None = None
    unknown_below: float | None = None
    correct_scan_speed: bool = False
    stall_rule: StallRule = field(default_factory=StallRule)

    def to_json(self) -> dict[str, JsonValue]:
        """The parameters as JSON."""
        return {**asdict(self), "stall_rule": asdict(self.stall_rule)}


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityRun:
    """What a run on one image did.

    Attributes:
        computed: Regions that have new results.
        up_to_date: Regions that had results of just these parameters, and were left alone.
    """

    computed: tuple[Region, ...]
    up_to_date: tuple[Region, ...]

    @property
    def skipped(self) -> bool:
        """Whether all regions had results already."""
        return not self.computed


@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityAnalysis:
    """Estimates flow velocity in every region of an image: its ROIs, or whole channels.

    Attributes:
        params: What a person chose.
        only_missing: Leave regions alone that have results of these parameters, this geometry, this
            calibration, these pixels and this version of the code.
        roi_ids: Run on these ROIs only; all if None. The results of others stay.
    """

    name: ClassVar[str] = NAME

    params: VelocityParams = field(default_factory=VelocityParams)
    only_missing: bool = False
    roi_ids: Collection[int] | None = None

    def analysis_version(self) -> str:
        """The version of the computation."""
        return VELOCITY_VERSION

    def run(self, rec: ZarrImageRecord) -> VelocityRun:
        """Compute and write the results of an image.

        Args:
            rec: The image, writable.

        Raises:
            RegionError: It is no kymograph, or a region is not wholly inside it, or its pixels
                cannot be analysed. It names the region; the results of all others are written.
            RoiNotFoundError: It has none of the ROIs asked for.
            AnalysisParameterError: A parameter is outside of its range.
            MissingExtraError: The method needs an optional dependency.
        """
        metadata = load_metadata(rec)
        regions = regions_of(rec, metadata)
        wanted = [region for region in regions if self._is_wanted(region)]
        if self.roi_ids is not None and not wanted:
            raise RoiNotFoundError(
                min(self.roi_ids, default=0),
                (region.roi_id for region in regions if region.roi_id is not None),
            )
        documents = {region: self.document(rec, metadata, region) for region in wanted}
        done = self._up_to_date(rec, documents) if self.only_missing else set()
        todo = [region for region in wanted if region not in done]
        results, failures = self._compute_all(rec, metadata, {at: documents[at] for at in todo})
        places = {(region.channel, region.roi_id) for region in regions}
        # Nobody else takes away what was found in a region that is gone.
        if results or any(entry.place not in places for entry in load_summaries(rec)):
            save_results(rec, results, places=places)
        if failures:
            raise RegionError(rec.image_id, "; ".join(failures))
        return VelocityRun(
            computed=tuple(todo), up_to_date=tuple(region for region in wanted if region in done)
        )

    def document(self, rec: ZarrImageRecord, metadata: ImageMetadata, region: Region) -> Params:
        """All that decides a region's result, but the code.

        Args:
            rec: The image.
            metadata: Its metadata.
            region: One of its regions.
        """
        return {
            "parameters": self.params.to_json(),
            "region": region.geometry(),
            "calibration": calibration_of(rec, metadata).to_json(),
            "pixels_digest": rec.pixels_digest,
        }

    def _is_wanted(self, region: Region) -> bool:
        return self.roi_ids is None or region.roi_id in self.roi_ids

    def _up_to_date(self, rec: ZarrImageRecord, documents: dict[Region, Params]) -> set[Region]:
        there = {
            (*entry.place, entry.params_hash)
            for entry in load_summaries(rec)
            if entry.analysis_version == self.analysis_version()
        }
        return {
            region
            for region, document in documents.items()
            if (region.channel, region.roi_id, params_hash(document)) in there
        }

    def _compute_all(
        self, rec: ZarrImageRecord, metadata: ImageMetadata, todo: dict[Region, Params]
    ) -> tuple[list[RegionResult], list[str]]:
        """The results of regions, and what is wrong with the others."""
        results: list[RegionResult] = []
        failures: list[str] = []
        if not todo:
            return results, failures
        pixels = rec.load_array()
        for region, document in todo.items():
            try:
                results.append(self._compute(rec, pixels, region, document, metadata))
            except InvalidKymographError as error:
                failures.append(f"{region}: {error.reason}")
            except RoiError as error:
                failures.append(f"{region}: {error}")
        return results, failures

    def _compute(
        self,
        rec: ZarrImageRecord,
        pixels: NDArray[Any],
        region: Region,
        document: Params,
        metadata: ImageMetadata,
    ) -> RegionResult:
        if region.roi_id is not None:  # a channel 0 would be the last one, counted from the end
            check_roi(find_roi(metadata.rois, region.roi_id), image_extent(rec))
        calibration = calibration_of(rec, metadata)
        if self.params.correct_scan_speed and calibration.dwell_seconds is None:
            raise InvalidKymographError(
                "its header has no dwell time, which correct_scan_speed needs; "
                "turn it off, or add the dwell time to the header"
            )
        velocity = estimate_velocity(
            picture_of(rec, pixels, region),
            line_range=region.lines,
            pixel_range=region.pixels,
            seconds_per_line=calibration.seconds_per_line,
            um_per_pixel=calibration.um_per_pixel,
            window_lines=self.params.window_lines,
            method=self.params.method,
            tracked=self.params.tracked,
            dwell_seconds=calibration.dwell_seconds if self.params.correct_scan_speed else None,
            max_px_per_line=self.params.max_px_per_line,
            unknown_below=self.params.unknown_below,
        )
        intervals = find_intervals(velocity, self.params.stall_rule)
        return RegionResult(
            region=region,
            params=document,
            params_hash=params_hash(document),
            analysis_version=self.analysis_version(),
            velocity=velocity,
            intervals=intervals,
            summary=summarize(velocity, intervals),
        )
