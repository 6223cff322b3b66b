"""Write a report on a dataset: one HTML file to look at, to print and to send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal
from urllib.parse import quote

from cyclopts import Parameter
from cyclopts.validators import Number

from kymflow.cli.blocks import Block, Screen, counted, remark, sentence
from kymflow.cli.copies import copies_of
from kymflow.cli.errors import OutputFileError, refuse_unused
from kymflow.cli.folders import require_outside
from kymflow.cli.image_failures import ImageOutcome, image_failures
from kymflow.cli.opening import find_image, open_reader, shared_scenes, source_of
from kymflow.cli.options import ProgressParam, Workers
from kymflow.cli.output_file import replaced, require_writable
from kymflow.cli.progress import SILENT
from kymflow.cli.results import DatasetResult
from kymflow.cli.safe_text import command, show
from kymflow.cli.source_names import file_order, short_names, with_scene
from kymflow.cli.workers import worker_processes

if TYPE_CHECKING:
    from kymflow.cli.report.image import DrawnImage
    from kymflow.cli.report.values import Fact, ImageRow, ImageSection, Page
    from kymflow_zarr import Manifest, ZarrDataset

_ENDINGS = (".html", ".htm")

REPORT_LIMIT = 50
"""How many images fit on one page."""

_WORTH_A_PROCESS = 6
"""A process takes about as long to start as this many images to draw."""


def report(
    dataset: str,
    out: Path | None = None,
    /,
    *,
    images: Annotated[
        tuple[str, ...], Parameter(name=["--images", "--image", "-i"], consume_multiple=True)
    ] = (),
    limit: Annotated[int | None, Parameter(name=["--limit", "-l"], validator=Number(gte=1))] = None,
    pages: bool = False,
    workers: Workers = None,
    progress: ProgressParam = SILENT,
) -> ReportResult:
    """Write a report on a dataset: one HTML file to look at, to print and to send.

    It has a summary of the images that can be sorted and filtered, then for each image the
    kymograph, the results, and where they come from. The file needs no other one. For many images,
    --pages gives each its own page, in a folder beside the summary.

    Args:
        dataset: Path or URL of the dataset.
        out: The file to write; an existing one is replaced. If not given:
            DATASET-report.html, beside the dataset.
        images: Just these images: ids, first characters of ids, or source files; all of them are
            shown.
        limit: How many images to show at most, by name of their files: 50 if not given. --images
            and --pages have no limit.
        pages: Make a page for each image, in the folder NAME-images beside the summary.
        workers: How many processes to use.
        progress: Shows how far the work is.

    Raises:
        UnknownNameError: No image, or more than one, goes by a name.
        UnusedOptionError: A limit is given where there is none.
        OutputFileError: The page cannot be written to that place.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow.cli.report.software import software_facts
    from kymflow.cli.report.values import Fact, Page

    for beside, is_given in (("--images", bool(images)), ("--pages", pages)):
        if is_given:
            refuse_unused(beside, {"--limit": limit is not None})
    opened = open_reader(dataset)
    target = _target(dataset, out)
    manifest = opened.load_manifest()
    scenes = shared_scenes(opened, manifest.entries.values())
    everything = _by_file(manifest, scenes)
    asked = list(dict.fromkeys(_find(opened, manifest, name) for name in images))
    chosen = asked or (everything if pages else everything[: limit or REPORT_LIMIT])
    sources = {image_id: source_of(manifest.entries.get(image_id)) for image_id in everything}
    names = short_names(sources.values())
    titles = [
        with_scene(names.get(sources[each] or "", ""), scenes.get(each)) or each for each in chosen
    ]
    folder = target.with_name(f"{target.stem}-images")
    items: list[ReportedImage] = []
    rows: list[ImageRow] = []
    sections: list[ImageSection] = []
    size = 0
    progress.begin("drawing", len(chosen))
    known = [sources[image_id] for image_id in chosen]
    for image in _draw(opened, chosen, known, titles, workers=workers):
        rows.append(image.row)
        if pages:  # written at once, as all of them may be more than memory holds
            folder.mkdir(exist_ok=True)
            place = folder / f"{image.image_id}.html"
            size += _write(_image_page(image.section, target), place, survives_power_cut=False)
        else:
            sections.append(image.section)
        items.append(_item(image))
        progress.tell(items[-1])
        progress.step()
    page = Page(
        title=show(PurePosixPath(opened.location.replace("\\", "/")).stem),
        facts=(
            Fact(name="dataset", value=show(opened.location)),
            Fact(name="images", value=f"{len(everything):,}"),
            *software_facts(),
        ),
        doubts=tuple(_doubts(opened, rows)),
        scope=_scope(len(rows), len(everything), by_name=bool(asked)),
        rows=tuple(rows),
        sections=tuple(sections),
        image_pages=folder.name if pages else "",
    )
    size += _write(page, target)
    return ReportResult(
        dataset=dataset,
        report=str(target),
        images=len(everything),
        shown=len(items),
        left_out=0 if asked else len(everything) - len(items),
        without_results=sum(item.regions == 0 and item.status == "ok" for item in items),
        damaged=sum(item.status == "damaged" for item in items),
        size_bytes=size,
        items=tuple(items),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportResult(DatasetResult):
    """What a report shows.

    Attributes:
        report: The file that was written.
        images: How many images the dataset has.
        shown: How many of them the report shows.
        left_out: How many it leaves out because of the limit.
        without_results: How many of those shown have no results yet.
        damaged: How many of those shown cannot be read in full.
        size_bytes: How large the file is, the pages of images with it.
        items: The images shown.
    """

    streamed: ClassVar[bool] = True
    verb: ClassVar[str] = "report"
    report: str
    images: int
    shown: int
    left_out: int
    without_results: int
    damaged: int
    size_bytes: int
    items: tuple[ReportedImage, ...]

    @property
    def ok(self) -> bool:
        """Whether all of what is shown could be read."""
        return self.damaged == 0

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        yield from image_failures("could not be read in full", self.items, screen)
        yield sentence(
            f"{counted(self.shown, 'image')} in {show(self.report)}",
            damaged=self.damaged,
            **{"without results": self.without_results},
        )
        if self.left_out:
            yield remark(
                f"{self.shown} of {self.images} images are shown; "
                "for others: --images, --limit, --pages"
            )
        if self.without_results:
            yield remark(f"to compute them: {command('analyze', self.dataset, 'ANALYSIS')}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedImage(ImageOutcome):
    """One image of a report.

    Attributes:
        status: ``damaged`` if some of it cannot be read; the report has the rest.
        regions: How many of its regions have results.
    """

    status: Literal["ok", "damaged"]
    regions: int


def _by_file(manifest: Manifest, scenes: Mapping[str, str]) -> list[str]:
    """All images by the names of their files; those without one, and damaged ones, come last."""

    def place(image_id: str) -> tuple[object, ...]:
        source = source_of(manifest.entries.get(image_id))
        return file_order(source, scenes.get(image_id)), image_id

    return sorted([*manifest.entries, *manifest.damaged], key=place)


def _find(dataset: ZarrDataset, manifest: Manifest, name: str) -> str:
    return name if name in manifest.damaged else find_image(dataset, name)


def _draw(
    dataset: ZarrDataset,
    image_ids: list[str],
    sources: list[str | None],
    titles: list[str],
    *,
    workers: int | None,
) -> Iterator[DrawnImage]:
    """The images, drawn, in the order asked for."""
    from kymflow.cli.report.image import draw_image
    from kymflow.core.plugins import load_analyses

    draw = partial(draw_image, dataset, tuple(load_analyses().values()))
    images = len(image_ids)
    with worker_processes(workers, images=images, per_process=_WORTH_A_PROCESS) as executor:
        yield from (map if executor is None else executor.map)(draw, image_ids, sources, titles)


def _item(image: DrawnImage) -> ReportedImage:
    return ReportedImage(
        image_id=image.image_id,
        source=image.source,
        status="damaged" if image.problems else "ok",
        regions=image.regions,
        reason="; ".join(image.problems) or None,
    )


def _doubts(dataset: ZarrDataset, rows: list[ImageRow]) -> Iterator[Fact]:
    """What was left out or is doubtful of the images shown, as in `kymflow status`."""
    from kymflow.cli.report.values import Fact

    issues = dataset.sources.issues()
    names = {row.image_id: row.name for row in rows}
    whole = [row.image_id for row in rows if not row.damaged]
    copies = copies_of({image_id: dataset.record(image_id).pixels_digest for image_id in whole})
    for row in rows:
        said = [
            f"{show(issue.file)}: {show(issue.message)}" for issue in issues.get(row.image_id, ())
        ]
        if (first := copies.get(row.image_id)) is not None:
            said.append(f"it has the same pixels as {names[first]}")
        if said:
            yield Fact(name=row.name, value="\n".join(said))


def _scope(shown: int, total: int, *, by_name: bool) -> str:
    """Which images are shown, if not all of them."""
    if shown == total:
        return ""
    if by_name:
        return f"{shown:,} of {total:,} images are shown, as asked for."
    return (
        f"{shown:,} of {total:,} images are shown: the first by name of their files. Choose others "
        f"with --images, more than {shown:,} with --limit, or all of them with --pages."
    )


def _image_page(section: ImageSection, summary: Path) -> Page:
    from kymflow.cli.report.software import software_facts
    from kymflow.cli.report.values import Page

    return Page(
        title=section.title,
        facts=software_facts(),
        scope="",
        rows=(),
        sections=(section,),
        home=f"../{quote(summary.name)}",
    )


# --- the file ---------------------------------------------------------------------------------


def _target(dataset: str, out: Path | None) -> Path:
    """Where the page goes.

    Raises:
        OutputFileError: It is a folder, or inside the dataset, or not an HTML file,
            or its folder cannot be written to.
    """
    target = report_place(dataset) if out is None else out
    if target.suffix.lower() not in _ENDINGS:
        raise OutputFileError(
            str(target), "it does not end in .html", hint="name a file that ends in .html"
        )
    require_writable(target)
    require_outside(target, dataset)
    return target


def report_place(dataset: str) -> Path:
    """Where a report goes if no destination is given."""
    if "://" in dataset:  # not beside it, where a browser does not look
        name = PurePosixPath(dataset.partition("://")[2]).stem or "dataset"
        return Path(f"{name}-report.html")
    place = Path(dataset)
    if place.name in {"", ".."}:
        place = place.resolve()
    return place.with_name(f"{place.stem or 'dataset'}-report.html")


def _write(page: Page, target: Path, *, survives_power_cut: bool = True) -> int:
    """Write the page in one step; returns its size in bytes."""
    from kymflow.cli.report.page import render

    data = render(page).encode("utf-8")
    with replaced(target, survives_power_cut=survives_power_cut) as unfinished:
        unfinished.write_bytes(data)
    return len(data)
