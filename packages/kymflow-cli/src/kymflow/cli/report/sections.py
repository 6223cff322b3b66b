"""From what was read of an image to what stands on the page."""

from __future__ import annotations

from collections.abc import Mapping

from kymflow.cli.opening import source_name
from kymflow.cli.report.figures import draw_detail, draw_kymograph, draw_velocity
from kymflow.cli.report.reading import ImageReading, RegionReading, number
from kymflow.cli.report.values import Fact, Illustration, ImageRow, ImageSection, RegionSection
from kymflow.cli.report.wording import (
    ABSENT,
    compact_json,
    lines_of_text,
    local_time,
    percent,
    quantity,
)
from kymflow.cli.safe_text import show
from kymflow.core.metadata import Roi
from kymflow.core.plotting import KymographPicture

__all__ = ["image_row", "image_section"]

_MOST_REGIONS_IN_ROW = 4
_MOST_REGIONS_DRAWN = 12
_SAME = " These regions have the same borders, and so the same result."


def image_row(reading: ImageReading) -> ImageRow:
    """An image's row of the summary."""
    shown = reading.regions[:_MOST_REGIONS_IN_ROW]
    names = [show(region.name) for region in shown]
    more = len(reading.regions) - len(shown)
    if more:
        names.append(f"and {more} more")
    metadata = reading.metadata
    return ImageRow(
        anchor=_anchor(reading),
        name=_name(reading),
        recorded=local_time(None if metadata is None else metadata.header.acquired_local_epoch_ns),
        size=_size(reading),
        regions=tuple(names) or ((ABSENT,) if reading.problems else (_regions_there(reading),)),
        median=tuple(_median(region) for region in shown) or (ABSENT,),
        unknown=tuple(percent(number(r.summary.values, "share_unknown")) for r in shown)
        or (ABSENT,),
        stalled=tuple(percent(number(r.summary.values, "share_stalled")) for r in shown)
        or (ABSENT,),
        state=_state(reading),
        damaged=bool(reading.problems),
    )


def image_section(reading: ImageReading) -> ImageSection:
    """An image's part of the page, with its figures."""
    drawn = reading.regions[:_MOST_REGIONS_DRAWN]
    remarks = [show(remark) for remark in reading.remarks]
    if reading.without_results and not reading.regions:
        remarks.append("No velocity yet: kymflow analyze makes it.")
    elif reading.without_results:
        listed = "; ".join(str(region) for region in reading.without_results)
        remarks.append(f"No velocity yet: {listed}.")
    if len(drawn) < len(reading.regions):
        remarks.append(
            f"{len(drawn)} of {len(reading.regions)} regions are shown; "
            "the table kym_velocity has them all."
        )
    return ImageSection(
        anchor=_anchor(reading),
        title=_name(reading),
        facts=_image_facts(reading),
        problems=tuple(show(problem) for problem in reading.problems),
        remarks=tuple(remarks),
        kymographs=_kymographs(reading),
        regions=tuple(_region_section(region, reading) for region in drawn),
        details=_details(reading),
        provenance=_image_provenance(reading),
    )


# --- the image --------------------------------------------------------------------------------


def _anchor(reading: ImageReading) -> str:
    return f"image-{reading.image_id}"


def _name(reading: ImageReading) -> str:
    return show(source_name(reading.source)) if reading.source else show(reading.image_id)


def _regions_there(reading: ImageReading) -> str:
    count = len(reading.without_results)
    return ABSENT if count == 0 else f"{count}"


def _state(reading: ImageReading) -> str:
    if reading.problems:
        return "damaged"
    if any(region.outdated for region in reading.regions):
        return "outdated"
    if not reading.regions:
        return "no results"
    return "some regions without results" if reading.without_results else ""


def _median(region: RegionReading) -> str:
    values = region.summary.values
    calibrated = number(values, "median_mm_s")
    if calibrated is not None:
        return quantity(calibrated, "mm/s")
    return quantity(number(values, "median_px_per_line"), "px/line")


def _size(reading: ImageReading) -> str:
    if reading.record is None:
        return ABSENT
    named = zip(reading.record.get_axes(), reading.record.shape, strict=True)
    sizes = " \N{MULTIPLICATION SIGN} ".join(
        f"{length:,} {_AXES.get(axis, axis)}" for axis, length in named
    )
    picture = next(iter(reading.pictures.values()), None)
    if picture is None:
        return sizes
    calibration = picture.calibration
    spans = []
    if calibration.seconds_per_line is not None:
        lines = picture.lines[1] - picture.lines[0]
        spans.append(quantity(lines * calibration.seconds_per_line, "s"))
    if calibration.um_per_pixel is not None:
        pixels = picture.pixels[1] - picture.pixels[0]
        spans.append(quantity(pixels * calibration.um_per_pixel, "µm"))
    return f"{sizes}\n{', '.join(spans)}" if spans else sizes


_AXES: Mapping[str, str] = {"t": "lines", "x": "pixels", "c": "channels", "z": "slices"}


def _image_facts(reading: ImageReading) -> tuple[Fact, ...]:
    metadata, record = reading.metadata, reading.record
    facts = [Fact(name="size", value=_size(reading))]
    if record is not None:
        facts[0] = Fact(name="size", value=f"{_size(reading)} ({record.dtype.name})")
    picture = next(iter(reading.pictures.values()), None)
    if picture is not None:
        calibration = picture.calibration
        facts += [
            Fact(
                name="line period",
                value="unknown: no velocity in mm/s"
                if calibration.seconds_per_line is None
                else quantity(calibration.seconds_per_line * 1000.0, "ms", digits=4),
            ),
            Fact(
                name="pixel size",
                value="unknown: no velocity in mm/s"
                if calibration.um_per_pixel is None
                else quantity(calibration.um_per_pixel, "µm", digits=4),
            ),
        ]
    if metadata is not None:
        acquired = metadata.header.acquired_local_epoch_ns
        if acquired is not None:
            facts.insert(0, Fact(name="recorded", value=local_time(acquired)))
        facts += [
            Fact(name=name.replace("_", " "), value=lines_of_text(value))
            for name, value in _said(reading).items()
        ]
    return tuple(facts)


def _said(reading: ImageReading) -> dict[str, str]:
    """What people wrote down about the recording, where they did."""
    if reading.metadata is None:
        return {}
    known = reading.metadata.experiment.to_json()
    texts = {
        name: value if isinstance(value, str) else f"{value}"
        for name, value in known.items()
        if isinstance(value, str | int | float) and value != ""
    }
    return {show(name): value for name, value in texts.items()}


def _image_provenance(reading: ImageReading) -> tuple[Fact, ...]:
    facts = [
        Fact(name="source", value=show(reading.source or "made in memory, of no file")),
        Fact(name="image id", value=show(reading.image_id), is_code=True),
    ]
    if reading.record is not None:
        facts += [
            Fact(name="ingested", value=show(reading.record.created_utc or "unknown")),
            Fact(
                name="digest of the pixels",
                value=show(reading.record.pixels_digest or "none (format 1)"),
                is_code=True,
            ),
        ]
    return tuple(facts)


# --- figures ----------------------------------------------------------------------------------


def _kymographs(reading: ImageReading) -> tuple[Illustration, ...]:
    found = []
    for (channel, z), picture in reading.pictures.items():
        rois = _rois(reading, channel, z)
        boxes = f" with the boxes of {_count(len(rois), 'region')} of interest" if rois else ""
        found.append(
            Illustration(
                drawing=draw_kymograph(picture, rois),
                alt=f"Kymograph of {_name(reading)}{boxes}: time to the right, position up.",
                caption=f"{_place(reading, channel, z)}Kymograph{boxes}. {_contrast(picture)}",
            )
        )
    return tuple(found)


def _details(reading: ImageReading) -> tuple[Illustration, ...]:
    found = []
    for (channel, z), picture in reading.details.items():
        region = next(
            (
                region
                for region in reading.regions
                if region.region is not None
                and (region.region.channel, region.region.z) == (channel, z)
                and region.trace is not None
                and not region.outdated
            ),
            None,
        )
        paths = (
            ""
            if region is None
            else f" The lines are the paths of cells that move as estimated for {region.name}: "
            "streaks that run along them agree with the estimate."
        )
        first, stop = picture.lines
        found.append(
            Illustration(
                drawing=draw_detail(picture, region),
                alt=f"{stop - first} lines from the middle of {_name(reading)}, enlarged.",
                caption=f"{_place(reading, channel, z)}{stop - first} lines from the middle of "
                f"the recording, each of them drawn.{paths} {_contrast(picture)}",
            )
        )
    return tuple(found)


def _rois(reading: ImageReading, channel: int, z: int) -> tuple[Roi, ...]:
    if reading.metadata is None:
        return ()
    return tuple(roi for roi in reading.metadata.rois if (roi.channel, roi.z) == (channel, z))


def _place(reading: ImageReading, channel: int, z: int) -> str:
    """Which channel and slice it is, if there are several."""
    lengths = (
        {}
        if reading.record is None
        else dict(zip(reading.record.get_axes(), reading.record.shape, strict=True))
    )
    words = []
    if lengths.get("c", 1) > 1:
        words.append(f"channel {channel}")
    if lengths.get("z", 1) > 1:
        words.append(f"slice {z}")
    return f"{', '.join(words).capitalize()}. " if words else ""


def _contrast(picture: KymographPicture) -> str:
    low, high = picture.limits
    return f"Black is {quantity(low)} and less, white {quantity(high)} and more."


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


# --- a region ---------------------------------------------------------------------------------


def _region_section(region: RegionReading, reading: ImageReading) -> RegionSection:
    remarks = []
    if region.region is None:
        remarks.append("This region no longer exists: kymflow analyze drops its results.")
    elif region.outdated:
        remarks.append(
            "Region, calibration or pixels have changed since this was computed: "
            "run kymflow analyze again."
        )
    if region.trace is None:
        remarks.append("Velocity over time cannot be shown.")
    return RegionSection(
        title=_region_title(region, reading),
        illustration=_velocity(region, reading),
        facts=_region_facts(region),
        provenance=_region_provenance(region),
        remarks=tuple(remarks),
    )


def _region_title(region: RegionReading, reading: ImageReading) -> str:
    if not region.roi_ids:
        return f"Velocity, {show(region.name)}, whole picture"
    rois = () if reading.metadata is None else reading.metadata.rois
    names = {roi.id: f" “{show(roi.name)}”" for roi in rois if roi.name}
    listed = ", ".join(f"{number}{names.get(number, '')}" for number in region.roi_ids)
    return f"Velocity, ROI {listed}"


def _velocity(region: RegionReading, reading: ImageReading) -> Illustration | None:
    place = region.region
    picture = reading.pictures.get((place.channel, place.z)) if place is not None else None
    if region.trace is None or picture is None:
        return None
    stalls = sum(stretch.kind == "stall" for stretch in region.stretches)
    searched = number(region.summary.values, "share_stalled") is not None
    found = f"with {_count(stalls, 'stall')}" if searched else "stalls not searched"
    return Illustration(
        drawing=draw_velocity(region, region.trace, picture),
        alt=f"Velocity over time in {show(region.name)} of {_name(reading)}, median "
        f"{_median(region)}, {found}; under it the evidence for it.",
        caption="Velocity, positive towards growing position, and the evidence for it: about 1 "
        "where the texture only moves, about 0 for noise. The bar on top tells stalls, transients "
        "and times without evidence." + (_SAME if len(region.roi_ids) > 1 else ""),
    )


def _region_facts(region: RegionReading) -> tuple[Fact, ...]:
    values = region.summary.values
    calibrated = number(values, "median_mm_s") is not None
    suffix, unit = ("mm_s", "mm/s") if calibrated else ("px_per_line", "px/line")

    def speed(name: str) -> str:
        return quantity(number(values, f"{name}_{suffix}"), unit)

    direction = values.get("direction")
    low, high = (quantity(number(values, f"{name}_{suffix}")) for name in ("p5", "p95"))
    return (
        Fact(name="median", value=speed("median")),
        Fact(name="mean", value=speed("mean")),
        Fact(name="standard error", value=speed("standard_error")),
        Fact(name="5 to 95 %", value=f"{low} to {high} {unit}"),
        Fact(name="direction", value=show(direction) if isinstance(direction, str) else ABSENT),
        Fact(name="no evidence", value=percent(number(values, "share_unknown"))),
        Fact(name="perhaps aliased", value=percent(number(values, "share_alias"))),
        Fact(name="standing still", value=_stalls(region)),
        Fact(name="median evidence", value=quantity(number(values, "median_r2adj"))),
        Fact(name="windows", value=_whole(number(values, "n_windows"))),
    )


def _stalls(region: RegionReading) -> str:
    share = number(region.summary.values, "share_stalled")
    if share is None:  # the rule for them is in seconds
        return "not searched without a line period"
    kinds = [stretch.kind for stretch in region.stretches]
    return ", ".join(
        (
            percent(share),
            _count(kinds.count("stall"), "stall"),
            _count(kinds.count("transient"), "transient"),
        )
    )


def _whole(value: float | None) -> str:
    return ABSENT if value is None else f"{value:,.0f}"


def _region_provenance(region: RegionReading) -> tuple[Fact, ...]:
    params = region.params
    facts = [
        Fact(name="analysis", value=f"velocity, version {show(region.summary.analysis_version)}"),
        Fact(name="params_hash", value=show(region.summary.params_hash), is_code=True),
    ]
    if params is None:
        return (*facts, Fact(name="parameters", value="lost: run kymflow analyze again"))
    for name in ("parameters", "region", "calibration"):
        value = params.get(name)
        if isinstance(value, dict):
            facts.append(Fact(name=name, value=compact_json(value), is_code=True))
    return tuple(facts)
