"""Make a page of a dataset: one HTML file to look at, to print and to send."""

from __future__ import annotations

import os
import secrets
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from kymflow.cli.errors import OutputFileError
from kymflow.cli.opening import find_image, open_reader, source_name, source_of
from kymflow.cli.options import ProgressParam
from kymflow.cli.progress import SILENT
from kymflow.cli.results import ReportedImage, ReportResult
from kymflow.cli.safe_text import show

if TYPE_CHECKING:
    from kymflow.cli.report.reading import ImageReading
    from kymflow.cli.report.values import ImageRow, ImageSection, Page
    from kymflow_zarr import Manifest, ZarrDataset

__all__ = ["report"]

_ENDINGS = (".html", ".htm")


def report(
    dataset: str,
    out: Path | None = None,
    /,
    *,
    images: Annotated[
        tuple[str, ...], Parameter(name=["--images", "--image", "-i"], consume_multiple=True)
    ] = (),
    limit: Annotated[int, Parameter(name=["--limit", "-l"], validator=Number(gte=1))] = 50,
    progress: ProgressParam = SILENT,
) -> ReportResult:
    """Make a page of a dataset: one HTML file to look at, to print and to send.

    A summary of the images, then for each of them the kymograph, the velocity with the evidence for
    it, and where it all comes from. The file needs no other one, and runs nothing.

    Args:
        dataset: Path or URL of the dataset.
        out: The file to write; one that is there is replaced. If not given:
            DATASET-report.html, beside the dataset.
        images: Just these images: ids, first characters of ids, or source files; all of them are
            shown.
        limit: How many images to show at most if none are named, by name of their files.
        progress: Who is told how it goes.

    Returns:
        What was written.

    Raises:
        UnknownNameError: No image, or more than one, goes by a name.
        OutputFileError: The page cannot be written to that place.
        kymflow_zarr.NotADatasetError: There is no dataset at that place.
    """
    opened = open_reader(dataset)
    target = _target(dataset, out)
    manifest = opened.load_manifest()
    everything = _by_file(manifest)
    asked = list(dict.fromkeys(_find(opened, manifest, name) for name in images))
    chosen = asked or everything[:limit]
    items: list[ReportedImage] = []
    rows: list[ImageRow] = []
    sections: list[ImageSection] = []
    progress.begin("drawing", len(chosen))
    from kymflow.cli.report.reading import read_image
    from kymflow.cli.report.sections import image_row, image_section

    for image_id in chosen:
        source = source_of(manifest.entries.get(image_id))
        reading = read_image(opened, image_id, source=source)
        rows.append(image_row(reading))
        sections.append(image_section(reading))
        items.append(_item(reading))
        progress.tell(items[-1])
        progress.step()
    page = _page(
        opened, rows, sections, total=len(everything), chosen_by_name=bool(asked), limit=limit
    )
    size = _write(page, target)
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


def _by_file(manifest: Manifest) -> list[str]:
    """All images by the names of their files; those without one, and damaged ones, come last."""

    def key(image_id: str) -> tuple[bool, str, str]:
        path = source_of(manifest.entries.get(image_id)) or ""
        return not path, source_name(path), image_id

    return sorted([*manifest.entries, *manifest.damaged], key=key)


def _find(dataset: ZarrDataset, manifest: Manifest, name: str) -> str:
    return name if name in manifest.damaged else find_image(dataset, name)


def _item(reading: ImageReading) -> ReportedImage:
    return ReportedImage(
        image_id=reading.image_id,
        source=reading.source,
        status="damaged" if reading.problems else "ok",
        regions=len(reading.regions),
        reason="; ".join(reading.problems) or None,
    )


def _page(
    dataset: ZarrDataset,
    rows: list[ImageRow],
    sections: list[ImageSection],
    *,
    total: int,
    chosen_by_name: bool,
    limit: int,
) -> Page:
    from kymflow.cli.report.software import software_facts
    from kymflow.cli.report.values import Fact, Page

    scope = ""
    if len(rows) < total:
        scope = f"{len(rows):,} of {total:,} images are shown"
        scope += (
            ", as asked for."
            if chosen_by_name
            else f": the first by name of their files. Choose others with --images, "
            f"or more than {limit:,} with --limit."
        )
    return Page(
        title=show(PurePosixPath(dataset.location.replace("\\", "/")).stem),
        facts=(
            Fact(name="dataset", value=show(dataset.location)),
            Fact(name="images", value=f"{total:,}"),
            *software_facts(),
        ),
        scope=scope,
        rows=tuple(rows),
        sections=tuple(sections),
    )


# --- the file ---------------------------------------------------------------------------------


def _target(dataset: str, out: Path | None) -> Path:
    """Where the page goes.

    Raises:
        OutputFileError: There is a folder, or it would lie in the dataset, or it is no HTML file.
    """
    if out is None:
        is_url = "://" in dataset
        place = PurePosixPath(dataset.partition("://")[2]) if is_url else Path(dataset).resolve()
        name = f"{place.stem or 'dataset'}-report.html"
        return Path(name) if is_url else Path(dataset).resolve().parent / name
    if out.suffix.lower() not in _ENDINGS:
        raise OutputFileError(
            str(out), "it does not end in .html", hint="name a file that ends in .html"
        )
    if out.is_dir():
        raise OutputFileError(str(out), "it is a folder", hint="name a file in it")
    if not out.parent.is_dir():
        raise OutputFileError(
            str(out), f"there is no folder {str(out.parent)!r}", hint="make that folder first"
        )
    if "://" not in dataset and out.resolve().is_relative_to(Path(dataset).resolve()):
        raise OutputFileError(
            str(out), "it would lie inside the dataset", hint="name a file outside of it"
        )
    return out


def _write(page: Page, target: Path) -> int:
    """Write the page in one step; returns its size in bytes."""
    from kymflow.cli.report.page import render

    data = render(page).encode("utf-8")
    # Not the tempfile module: its files are for one's own eyes only, whatever the folder's rules.
    unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return len(data)
