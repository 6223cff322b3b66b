"""From what was read of an image to what stands on the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kymflow.cli.blocks import counted
from kymflow.cli.report.figures import draw_detail, draw_kymograph, draw_panels
from kymflow.cli.report.reading import ImageReading, RegionReading
from kymflow.cli.report.values import Fact, Illustration, ImageRow, ImageSection, RegionSection
from kymflow.cli.report.wording import compact_json, lines_of_text, local_time
from kymflow.cli.safe_text import show
from kymflow.core.decisions import fold_acts
from kymflow.core.errors import FigureError
from kymflow.core.metadata import ImageMetadata, Roi
from kymflow.core.plotting import KymographPicture
from kymflow.core.wording import ABSENT, quantity

_MOST_REGIONS_IN_ROW = 4
_MOST_REGIONS_DRAWN = 12
_SAME = " These regions have the same borders, and so the same result."


def image_row(reading: ImageReading) -> ImageRow:
    """An image's row of the summary."""
    names = list(dict.fromkeys(region.name for region in reading.regions))
    shown = names[:_MOST_REGIONS_IN_ROW]
    cells: dict[str, list[str]] = {}
    for region in reading.regions:
        if region.name in shown:
            for column, text in _headline(region):
                lines = cells.setdefault(column, [ABSENT] * len(shown))
                lines[shown.index(region.name)] = show(text)
    more = [f"and {len(names) - len(shown)} more"] if len(names) > len(shown) else []
    metadata = reading.metadata
    return ImageRow(
        image_id=reading.image_id,
        name=_name(reading),
        recorded=local_time(None if metadata is None else metadata.header.acquired_local_epoch_ns),
        size=_size(reading),
        regions=(*(show(name) for name in shown), *more) or (ABSENT,),
        labels={name: show(text) for name, text in _written_down(reading).items()},
        cells={column: tuple(lines) for column, lines in cells.items()},
        state=_state(reading),
        damaged=bool(reading.problems),
    )


def image_section(reading: ImageReading) -> ImageSection:
    """An image's part of the page, with its figures."""
    drawn = reading.regions[:_MOST_REGIONS_DRAWN]
    remarks = [show(remark) for remark in reading.remarks]
    if len(drawn) < len(reading.regions):
        remarks.append(
            f"{len(drawn)} of {len(reading.regions)} results are shown; the tables have them all."
        )
    return ImageSection(
        image_id=reading.image_id,
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


def _name(reading: ImageReading) -> str:
    return show(reading.name)


def _state(reading: ImageReading) -> str:
    if reading.problems:
        return "damaged"
    if reading.metadata is not None and fold_acts(reading.metadata.acts).exclusion is not None:
        return "excluded"
    if any(region.outdated for region in reading.regions):
        return "outdated"
    if not reading.regions:
        return "no results"
    return "some regions without results" if reading.incomplete else ""


def _headline(region: RegionReading) -> Iterator[tuple[str, str]]:
    """The facts of a region that the summary shows, under the names of their columns."""
    facts = region.facts
    for name in region.analysis.display.headline or tuple(facts)[:1]:
        if name in facts:
            yield f"{_what(region)} {name}", facts[name]


def _what(region: RegionReading) -> str:
    """The analysis, and the label of its results."""
    return f"{region.analysis.name} ({region.label})" if region.label else region.analysis.name


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
                value="unknown"
                if calibration.seconds_per_line is None
                else quantity(calibration.seconds_per_line * 1000.0, "ms", digits=4),
            ),
            Fact(
                name="pixel size",
                value="unknown"
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
            for name, value in (_decided(metadata) | _written_down(reading)).items()
        ]
    return tuple(facts)


def _decided(metadata: ImageMetadata) -> dict[str, str]:
    """What people decided on the image, but for marks, which are facts of a region."""
    decisions = fold_acts(metadata.acts)
    exclusion, verdict = decisions.exclusion, decisions.verdict
    said = {
        "excluded": "" if exclusion is None else f"{exclusion.reason} ({exclusion.author})",
        "verdict": ""
        if verdict is None
        else f"{verdict.verdict} by {verdict.author}" + (verdict.reason and f": {verdict.reason}"),
        "notes": "\n".join(f"{note.text} ({note.author})" for note in decisions.notes),
    }
    return {name: text for name, text in said.items() if text}


def _written_down(reading: ImageReading) -> dict[str, str]:
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
        Fact(name="source", value=show(reading.source or "made in memory, not from a file")),
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
        boxes = f" with the boxes of {counted(len(rois), 'region')} of interest" if rois else ""
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
        drawing, caption = None, ""
        for region in reading.regions:
            overlay, data = region.analysis.display.overlay, region.data
            if overlay is None or data is None or region.outdated:
                continue
            if (data.region.channel, data.region.z) == (channel, z):
                try:
                    drawing = draw_detail(picture, (region.analysis, data))
                except FigureError:
                    continue  # the region's own figure says so
                caption = f" {overlay.caption.format(region=region.name)}"
                break
        first, stop = picture.lines
        found.append(
            Illustration(
                drawing=drawing or draw_detail(picture),
                alt=f"{stop - first} lines from the middle of {_name(reading)}, enlarged.",
                caption=f"{_place(reading, channel, z)}{stop - first} lines from the middle of "
                f"the recording, each of them drawn.{caption} {_contrast(picture)}",
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


# --- a region ---------------------------------------------------------------------------------


def _region_section(region: RegionReading, reading: ImageReading) -> RegionSection:
    remarks = []
    if region.data is None:
        remarks.append("This region no longer exists: kymflow analyze drops its results.")
    elif region.outdated:
        remarks.append(
            "Region, calibration, pixels or the version of the analysis have changed since this "
            "was computed: kymflow update computes it again."
        )
    illustration = None
    try:
        illustration = _panels(region, reading)
    except FigureError as error:
        remarks.append(show(f"The figure cannot be drawn: {error.reason}."))
    return RegionSection(
        title=_region_title(region, reading),
        illustration=illustration,
        facts=tuple(Fact(name=show(name), value=show(text)) for name, text in region.facts.items()),
        provenance=_region_provenance(region),
        remarks=tuple(remarks),
    )


def _region_title(region: RegionReading, reading: ImageReading) -> str:
    what = _what(region).capitalize()
    if not region.roi_ids:
        return f"{what}, {show(region.name)}, whole picture"
    rois = () if reading.metadata is None else reading.metadata.rois
    names = {roi.id: f" “{show(roi.name)}”" for roi in rois if roi.name}
    listed = ", ".join(f"{number}{names.get(number, '')}" for number in region.roi_ids)
    return f"{what}, ROI {listed}"


def _panels(region: RegionReading, reading: ImageReading) -> Illustration | None:
    panels, data = region.analysis.display.panels, region.data
    if panels is None or data is None:
        return None
    picture = reading.pictures.get((data.region.channel, data.region.z))
    if picture is None or len(data.tables) < len(region.analysis.tables):
        return None
    headline = ", ".join(f"{column} {text}" for column, text in _headline(region))
    what = _what(region).capitalize()
    return Illustration(
        drawing=draw_panels(region.analysis, data, picture),
        alt=show(f"{what} in {region.name} of {_name(reading)}: {headline}."),
        caption=panels.caption + (_SAME if len(region.roi_ids) > 1 else ""),
    )


def _region_provenance(region: RegionReading) -> tuple[Fact, ...]:
    entry, params = region.entry, region.params
    version = show(entry.analysis_version)
    facts = [
        Fact(name="analysis", value=f"{region.analysis.name}, version {version}"),
        Fact(name="params_hash", value=show(entry.params_hash), is_code=True),
    ]
    if params is None:
        return (*facts, Fact(name="parameters", value="lost: run kymflow analyze again"))
    for name in ("parameters", "region", "calibration"):
        value = params.get(name)
        if isinstance(value, dict):
            facts.append(Fact(name=name, value=compact_json(value), is_code=True))
    return tuple(facts)
