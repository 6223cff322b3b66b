"""What a report needs of one image, read part by part: what is damaged stops only itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from kymflow.cli.errors import explain
from kymflow.core import KymflowCoreError
from kymflow.core.analysis import (
    Analysis,
    Region,
    RegionData,
    RegionFailure,
    RegionResult,
    image_status,
    list_labels,
    load_region_data,
    load_results,
    regions_of,
)
from kymflow.core.errors import RegionError
from kymflow.core.metadata import ImageMetadata, load_metadata, picture_axes
from kymflow.core.plotting import KymographPicture, load_picture
from kymflow_zarr import JsonValue, KymflowZarrError

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset, ZarrImageRecord

_T = TypeVar("_T")

_DETAIL_LINES = 240
# No more than a figure has pixels there, so that nothing is left out when it is drawn.
_COLUMNS = 1296
_ROWS = 187


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionReading:
    """What an analysis found in one region, or in several with the same borders.

    Attributes:
        analysis: The analysis.
        label: The label of the result; "" for none.
        entry: What is stored of it.
        roi_ids: The ROIs that it is the result of; empty for a whole channel.
        params: All that decided the result; None if that is lost.
        outdated: Whether region, calibration, pixels or the analysis are others now.
        data: The result with its tables; None if the region no longer exists.
    """

    analysis: Analysis[Any]
    label: str
    entry: RegionResult
    roi_ids: tuple[int, ...]
    params: Mapping[str, JsonValue] | None
    outdated: bool
    data: RegionData | None

    @property
    def name(self) -> str:
        """What people call the region."""
        if not self.roi_ids:
            return f"channel {self.entry.channel}"
        return f"ROI {', '.join(str(number) for number in self.roi_ids)}"

    @property
    def facts(self) -> Mapping[str, str]:
        """What the analysis found, as texts by name."""
        return {} if self.data is None else self.analysis.facts(self.data)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageReading:
    """One image, as far as it can be read.

    Attributes:
        image_id: Its id.
        source: The file that it was made of; None if that is not known.
        name: What people call it.
        record: The image; None if not even that can be opened.
        metadata: Its metadata; None if they cannot be read.
        pictures: The whole recording, by channel (from 1) and slice.
        details: A few lines from its middle, each of them drawn, likewise.
        regions: The results of all analyses, those of regions with the same borders as one.
        incomplete: Whether a region lacks results of an analysis that others have.
        problems: What is wrong with the image, a line each.
        remarks: What else a reader should know.
    """

    image_id: str
    source: str | None
    name: str
    record: ZarrImageRecord | None = None
    metadata: ImageMetadata | None = None
    pictures: Mapping[tuple[int, int], KymographPicture]
    details: Mapping[tuple[int, int], KymographPicture]
    regions: tuple[RegionReading, ...] = ()
    incomplete: bool = False
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def read_image(
    dataset: ZarrDataset,
    image_id: str,
    *,
    source: str | None,
    name: str,
    analyses: Sequence[Analysis[Any]],
) -> ImageReading:
    """Read what a report shows of an image.

    Args:
        dataset: The dataset.
        image_id: The image.
        source: The file that it was made of, if that is known.
        name: What people call it.
        analyses: The analyses whose results are shown.
    """
    problems: list[str] = []
    remarks: list[str] = []
    pictures: dict[tuple[int, int], KymographPicture] = {}
    details: dict[tuple[int, int], KymographPicture] = {}
    regions: tuple[Region, ...] = ()
    results: list[tuple[RegionReading, ...]] = []
    metadata = None
    record = _attempt("the image", lambda: dataset.record(image_id), problems)
    if record is not None:
        metadata = _attempt("its metadata", lambda: load_metadata(record), problems)
    if record is not None and metadata is not None:
        regions = _regions(record, metadata, remarks)
        if len(picture_axes(record)) == 2:  # if not, a remark says so already
            _read_pictures(record, regions, pictures, details, problems)
        for analysis in analyses:
            results += [
                _read_results(record, analysis, label, regions, problems, remarks)
                for label in list_labels(record, analysis.name)
            ]
        if regions and not any(results) and not problems:
            remarks.append("No results yet; run kymflow analyze.")
    return ImageReading(
        image_id=image_id,
        source=source,
        name=name,
        record=record,
        metadata=metadata,
        pictures=pictures,
        details=details,
        regions=tuple(reading for found in results for reading in found),
        incomplete=any(found and _without(regions, found) for found in results),
        problems=tuple(problems),
        remarks=tuple(remarks),
    )


def _attempt(what: str, read: Callable[[], _T], problems: list[str]) -> _T | None:
    """Read something; what keeps it from being read goes to the problems."""
    try:
        return read()
    except (KymflowZarrError, KymflowCoreError, OSError) as error:
        problems.append(f"{what} cannot be read: {explain(error).message}")
        return None


def _regions(
    record: ZarrImageRecord, metadata: ImageMetadata, remarks: list[str]
) -> tuple[Region, ...]:
    try:
        return regions_of(record, metadata)
    except RegionError as error:
        remarks.append(f"It cannot be analyzed: {error.reason}")
        return ()


def _read_pictures(
    record: ZarrImageRecord,
    regions: Sequence[Region],
    pictures: dict[tuple[int, int], KymographPicture],
    details: dict[tuple[int, int], KymographPicture],
    problems: list[str],
) -> None:
    places = sorted({(region.channel, region.z) for region in regions}) or [(1, 0)]
    for channel, z in places:
        read = partial(
            load_picture, record, channel=channel, z=z, max_columns=_COLUMNS, max_rows=_ROWS
        )
        whole = _attempt(f"channel {channel}", read, problems)
        if whole is None:
            continue
        pictures[channel, z] = whole
        if whole.lines_per_column == 1:
            continue
        start = (whole.lines[0] + whole.lines[1] - _DETAIL_LINES) // 2
        read = partial(read, lines=(start, start + _DETAIL_LINES))
        detail = _attempt(f"channel {channel}", read, problems)
        if detail is not None:
            details[channel, z] = detail


# --- results ----------------------------------------------------------------------------------


def _read_results(
    record: ZarrImageRecord,
    analysis: Analysis[Any],
    label: str,
    regions: Sequence[Region],
    problems: list[str],
    remarks: list[str],
) -> tuple[RegionReading, ...]:
    """The results of one analysis under one label."""
    what = f"{analysis.name} {label}".strip()
    stored = _attempt(f"its {what}", partial(load_results, record, analysis, label=label), problems)
    if stored is None:
        return ()
    remarks += [_failure(what, failure) for failure in stored.failures]
    status = image_status(record, analysis, label=label)
    states = {region.region.place: region.state for region in status.regions}
    load = partial(load_region_data, record, analysis, label=label)
    data = _attempt(f"a table of its {what}", load, problems) or load(tables=False)
    by_place = {one.region.place: one for one in data}
    found = _merged(
        RegionReading(
            analysis=analysis,
            label=label,
            entry=entry,
            roi_ids=() if entry.roi_id is None else (entry.roi_id,),
            params=stored.params.get(entry.params_hash),
            outdated=entry.params_hash in stored.params
            and states.get(entry.place, "outdated") == "outdated",
            data=by_place.get(entry.place),
        )
        for entry in stored.results
    )
    without = _without(regions, found)
    if found and without:
        remarks.append(f"No {what} yet: {'; '.join(without)}.")
    return found


def _without(regions: Sequence[Region], found: Sequence[RegionReading]) -> list[str]:
    """The regions that have no result."""
    there = {(one.entry.channel, roi) for one in found for roi in one.roi_ids or (None,)}
    return [str(region) for region in regions if region.place not in there]


def _failure(what: str, failure: RegionFailure) -> str:
    where = f"channel {failure.channel}" if failure.roi_id is None else f"ROI {failure.roi_id}"
    return f"{what} failed in {where}: {failure.reason}"


def _merged(readings: Iterable[RegionReading]) -> tuple[RegionReading, ...]:
    """Regions whose results come from the same pixels and parameters as one, as they are equal."""
    found: dict[object, RegionReading] = {}
    for reading in readings:
        entry = reading.entry
        of = entry.channel, entry.params_hash, entry.analysis_version
        key = (*of, entry.roi_id is None, reading.data is None, reading.outdated)
        first = found.get(key)
        found[key] = (
            reading if first is None else replace(first, roi_ids=(*first.roi_ids, *reading.roi_ids))
        )
    return tuple(found.values())
