"""Text of what looks at a dataset: `status`, `ls`, `info`, `report`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kymflow.cli.opening import source_name
from kymflow.cli.results import (
    AnalysisStatus,
    DamagedImage,
    DatasetInfo,
    ImageInfo,
    ListedImage,
    ListResult,
    PlannedFile,
    ReportResult,
    StatusResult,
    TableStatus,
)
from kymflow.cli.safe_text import command, show
from kymflow.cli.views.base import Block, Screen, view
from kymflow.cli.views.parts import (
    cell_value,
    counted,
    fact_blocks,
    failure_blocks,
    image_size,
    remark,
    search_remarks,
    sentence,
    table_blocks,
    to_the_second,
)


@view.register
def _status(result: StatusResult, screen: Screen) -> Iterator[Block]:
    yield sentence(
        f"{show(result.dataset)}: {counted(result.images, 'image')}",
        new=result.new,
        changed=result.changed,
        gone=result.gone,
        **{"in no table": result.not_indexed},
    )
    files = [item for item in result.items if isinstance(item, PlannedFile)]
    if files:
        yield Block(lines=["", "files"], style="bold")
        yield from table_blocks(
            ("state", "file"), [(item.state, item.path) for item in files], screen
        )
    analyses = [item for item in result.items if isinstance(item, AnalysisStatus)]
    if analyses:
        yield Block(lines=["", "analyses"], style="bold")
        counts = [(item.name, item.images, item.without) for item in analyses]
        yield from table_blocks(("analysis", "images", "images without results"), counts, screen)
    tables = [item for item in result.items if isinstance(item, TableStatus)]
    if tables:
        yield Block(lines=["", "tables"], style="bold")
        rows = [(item.name, item.rows, item.images, item.without) for item in tables]
        yield from table_blocks(("table", "rows", "images", "images without rows"), rows, screen)
    if result.new:
        folders = result.folders if result.named else ()
        deep = ("--recursive",) if any(name.startswith("**/") for name in result.patterns) else ()
        typed = command("refresh", result.dataset, *folders, *deep)
        yield remark(f"to ingest what is new: {typed}")
    for item in analyses:
        if item.without:
            typed = command("analyze", result.dataset, item.name, "--missing")
            yield remark(f"to analyze what is missing: {typed}")
    if result.not_indexed:
        yield remark(f"to bring the tables up to date: {command('index', result.dataset)}")
    yield from search_remarks(result)


@view.register
def _list(result: ListResult, screen: Screen) -> Iterator[Block]:
    yield from failure_blocks(
        f"{counted(result.damaged, 'image')} cannot be read",
        ("image", "reason"),
        [(i.image_id, i.reason) for i in result.items if isinstance(i, DamagedImage)],
        screen,
    )
    rows = [
        (
            image.image_id,
            source_name(image.source or ""),
            image_size(image),
            image.dtype,
            to_the_second(image.acquired_local),
        )
        for image in result.items
        if isinstance(image, ListedImage)
    ]
    yield from table_blocks(("id", "file", "size", "type", "recorded"), rows, screen)
    if not result.items:
        yield remark(f"no image yet: {command('ingest', 'FOLDER', result.dataset)}")


@view.register
def _dataset(result: DatasetInfo, screen: Screen) -> Iterator[Block]:
    yield from fact_blocks(
        {
            "dataset": result.dataset,
            "format": result.format_version,
            "made": " by ".join(
                text for text in (to_the_second(result.created_utc), result.software) if text
            ),
            "images": result.images,
            "from": "\n".join(result.folders),
        }
    )
    rows = [(item.name, item.rows, ", ".join(item.columns)) for item in result.items]
    if rows:
        yield Block(lines=[""])
        yield from table_blocks(("table", "rows", "columns"), rows, screen)


@view.register
def _image(result: ImageInfo, screen: Screen) -> Iterator[Block]:
    image = result.image
    yield from fact_blocks(
        {
            "image": image.image_id,
            "file": image.source,
            "size": f"{image_size(image)} ({image.dtype})",
            "steps": _steps(result.header),
            "recorded": to_the_second(image.acquired_local),
            "ingested": to_the_second(image.created_utc),
            **{
                name.replace("_", " "): value
                for name, value in result.experiment_metadata.items()
                if value not in (None, "")
            },
            "warnings": _lines(result.header.get("warnings")),
        }
    )
    if result.rois:
        names = ("id", "name", "channel", "z", "dim0_start", "dim0_stop", "dim1_start", "dim1_stop")
        yield Block(lines=["", "regions of interest"], style="bold")
        yield from table_blocks(
            names, [[cell_value(roi.get(name)) for name in names] for roi in result.rois], screen
        )
    if result.items:
        yield Block(lines=["", "results"], style="bold")
        yield from table_blocks(("name", "kind"), [(i.name, i.kind) for i in result.items], screen)


@view.register
def _report(result: ReportResult, screen: Screen) -> Iterator[Block]:
    yield from failure_blocks(
        f"{counted(result.damaged, 'image')} could not be read in full",
        ("image", "file", "reason"),
        [
            (item.image_id, source_name(item.source or ""), item.reason)
            for item in result.items
            if item.status == "damaged"
        ],
        screen,
    )
    yield sentence(
        f"{counted(result.shown, 'image')} in {show(result.report)}",
        damaged=result.damaged,
        **{"without results": result.without_results},
    )
    if result.left_out:
        yield remark(
            f"{result.shown} of {result.images} images are shown; for others: --images, --limit"
        )
    if result.without_results:
        typed = command("analyze", result.dataset, "velocity")
        yield remark(f"to compute velocities: {typed}")


def _steps(header: Mapping[str, object]) -> str:
    """The calibration: ``0.00117 s along t, 0.284 um along x``."""
    scale, unit = header.get("scale"), header.get("unit")
    if not isinstance(scale, dict) or not isinstance(unit, dict):
        return ""
    return ", ".join(
        f"{step:.6g} {unit.get(axis, '')} along {axis}"
        for axis, step in scale.items()
        if isinstance(step, int | float)
    )


def _lines(value: object) -> str:
    return "\n".join(str(item) for item in value) if isinstance(value, list) else ""
