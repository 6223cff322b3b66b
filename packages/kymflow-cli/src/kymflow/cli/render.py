"""From results to text, JSON Lines and exit codes. Nothing here opens a dataset."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from itertools import islice
from typing import Literal

from kymflow.cli.errors import ExitCode
from kymflow.cli.opening import source_name
from kymflow.cli.results import (
    AnalysisStatus,
    AnalyzeResult,
    CheckResult,
    CompletionResult,
    DamagedImage,
    DatasetInfo,
    DemoResult,
    DoneRepair,
    ExportResult,
    FoundProblem,
    ImageFailure,
    ImageInfo,
    IndexedTable,
    IndexResult,
    IngestResult,
    ListedImage,
    ListResult,
    PlannedFile,
    PlanResult,
    PluginListResult,
    RepairResult,
    ReportResult,
    Result,
    Row,
    StatusResult,
    TableListResult,
    TableResult,
    TableStatus,
    UpgradeResult,
    item_to_json,
    plain,
    summary_to_json,
)
from kymflow.cli.safe_text import show, spreadsheet_cell
from kymflow.cli.terminal import Terminal
from kymflow.cli.text_table import layout

__all__ = ["finish"]

_ROWS_ON_A_TERMINAL = 20


def finish(result: Result, terminal: Terminal) -> ExitCode:
    """Write a result, and say what the process ends with."""
    code = ExitCode.DONE if result.ok else ExitCode.PROBLEMS
    if terminal.as_json:
        for item in () if result.streamed else result.items:
            terminal.write_json(item_to_json(item))
        terminal.write_json(summary_to_json(result, exit_code=code))
        return code
    screen = Screen(out=terminal.width, err=terminal.error_width)
    for block in view(result, screen):
        if block.kind == "data":
            terminal.write(block.lines, style=block.style)
        elif block.kind == "failures" or not terminal.quiet:
            terminal.note(block.lines, style=block.style)
    return code


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """How wide the two streams are, in characters; None where nothing need be cut."""

    out: int | None
    err: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Lines of one kind and style: data goes to stdout, all else to stderr."""

    lines: Iterable[str]
    kind: Literal["data", "failures", "remark"] = "data"
    style: str = ""


@singledispatch
def view(result: Result, screen: Screen) -> Iterator[Block]:  # noqa: ARG001
    """A result as text. Every type of result registers its own way."""
    raise TypeError(f"no text for {type(result).__name__}; register one with view.register")


@view.register
def _ingest(result: IngestResult, screen: Screen) -> Iterator[Block]:
    yield from _failures(
        f"{_count(result.failed, 'file')} could not be taken in",
        ("file", "reason"),
        [(item.path, item.reason) for item in result.items if item.status == "failed"],
        screen,
    )
    yield _sentence(
        f"{_count(result.taken_in, 'new image')} in {show(result.dataset)}",
        unchanged=result.unchanged,
        changed=result.changed,
        failed=result.failed,
        gone=result.gone,
    )
    if result.changed:
        yield _remark("to take in again what has changed: --changed")


@view.register
def _plan(result: PlanResult, screen: Screen) -> Iterator[Block]:
    yield from _table(
        ("state", "action", "file"),
        [(item.state, item.action, item.path) for item in result.items],
        screen,
    )
    yield _sentence(
        f"would take {_count(result.to_take_in, 'file')} into {show(result.dataset)}",
        unchanged=result.unchanged,
        changed=result.changed,
        gone=result.gone,
    )


@view.register
def _list(result: ListResult, screen: Screen) -> Iterator[Block]:
    yield from _failures(
        f"{_count(result.damaged, 'image')} cannot be read",
        ("image", "reason"),
        [(i.image_id, i.reason) for i in result.items if isinstance(i, DamagedImage)],
        screen,
    )
    rows = [
        (
            image.image_id,
            source_name(image.source or ""),
            _size(image),
            image.dtype,
            _minute(image.acquired_local),
        )
        for image in result.items
        if isinstance(image, ListedImage)
    ]
    yield from _table(("id", "file", "size", "type", "recorded"), rows, screen)
    if not result.items:
        yield _remark(f"no image yet: kymflow ingest FOLDER {show(result.dataset)}")


@view.register
def _table_list(result: TableListResult, screen: Screen) -> Iterator[Block]:
    rows = [(item.name, item.rows, ", ".join(item.columns)) for item in result.items]
    yield from _table(("table", "rows", "columns"), rows, screen)
    if not result.tables:
        yield _remark(f"no table yet: kymflow index {show(result.dataset)}")


@view.register
def _rows(result: TableResult, screen: Screen) -> Iterator[Block]:
    if result.as_csv:
        yield Block(lines=_csv_lines(result.columns, result.items))
        return
    shown = len(result.items)
    if screen.out is not None and result.limit is None:
        shown = min(shown, _ROWS_ON_A_TERMINAL)
    rows = [
        [_readable(row.row[column]) for column in result.columns]
        for row in islice(result.items, shown)
    ]
    if rows:
        yield from _table(result.columns, rows, screen)
    else:
        yield Block(lines=["  ".join(show(name) for name in result.columns)], style="bold")
    if shown < result.rows:
        yield _remark(f"{shown} of {_count(result.rows, 'row')}; for more: --rows, --csv, --json")


@view.register
def _dataset(result: DatasetInfo, screen: Screen) -> Iterator[Block]:
    yield from _facts(
        {
            "dataset": result.dataset,
            "format": result.format_version,
            "made": " by ".join(
                text for text in (_minute(result.created_utc), result.software) if text
            ),
            "images": result.images,
            "from": "\n".join(result.folders),
        }
    )
    rows = [(item.name, item.rows, ", ".join(item.columns)) for item in result.items]
    if rows:
        yield Block(lines=[""])
        yield from _table(("table", "rows", "columns"), rows, screen)


@view.register
def _image(result: ImageInfo, screen: Screen) -> Iterator[Block]:
    image = result.image
    yield from _facts(
        {
            "image": image.image_id,
            "file": image.source,
            "size": f"{_size(image)} ({image.dtype})",
            "steps": _steps(result.header),
            "recorded": _minute(image.acquired_local),
            "taken in": _minute(image.created_utc),
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
        yield from _table(
            names, [[_readable(roi.get(name)) for name in names] for roi in result.rois], screen
        )
    if result.items:
        yield Block(lines=["", "results"], style="bold")
        yield from _table(("name", "kind"), [(i.name, i.kind) for i in result.items], screen)


@view.register
def _analyze(result: AnalyzeResult, screen: Screen) -> Iterator[Block]:
    yield from _failures(
        f"{_count(result.failed, 'image')} could not be analyzed",
        ("image", "file", "reason"),
        [
            (item.image_id, source_name(item.source or ""), item.reason)
            for item in result.items
            if item.status == "failed"
        ],
        screen,
    )
    yield _sentence(
        f"{show(result.analysis)}: {_count(result.images, 'image')} with new results",
        failed=result.failed,
        skipped=result.skipped,
    )
    if result.images:
        yield _remark(f"to make tables of them: kymflow index {show(result.dataset)}")


@view.register
def _plugins(result: PluginListResult, screen: Screen) -> Iterator[Block]:
    yield from _failures(
        f"{_count(result.broken, 'plugin')} cannot be used",
        ("plugin", "from", "reason"),
        [(item.name, item.origin, item.reason) for item in result.items if item.reason],
        screen,
    )
    rows = [
        (item.kind, item.name, f"{item.origin} {item.version or ''}".strip(), item.summary)
        for item in result.items
        if item.status == "ok"
    ]
    yield from _table(("kind", "name", "from", "what it does"), rows, screen)


@view.register
def _index(result: IndexResult, screen: Screen) -> Iterator[Block]:
    failures = [item for item in result.items if isinstance(item, ImageFailure)]
    tables = [item for item in result.items if isinstance(item, IndexedTable)]
    yield from _failures(
        f"{_count(len(failures), 'image')} could not be indexed",
        ("image", "file", "indexer", "reason"),
        [(i.image_id, source_name(i.source or ""), i.step, i.reason) for i in failures],
        screen,
    )
    yield from _failures(
        f"{_count(sum(item.reason is not None for item in tables), 'indexer')} failed",
        ("indexer", "reason"),
        [(item.indexer, item.reason) for item in tables if item.reason is not None],
        screen,
    )
    yield from _table(
        ("table", "rows", "images", "failed", "status"),
        [(item.table, item.rows, item.images, item.failed, item.status) for item in tables],
        screen,
    )


@view.register
def _status(result: StatusResult, screen: Screen) -> Iterator[Block]:
    yield _sentence(
        f"{show(result.dataset)}: {_count(result.images, 'image')}",
        new=result.new,
        changed=result.changed,
        gone=result.gone,
        **{"in no table": result.not_indexed},
    )
    files = [item for item in result.items if isinstance(item, PlannedFile)]
    if files:
        yield Block(lines=["", "files"], style="bold")
        yield from _table(("state", "file"), [(item.state, item.path) for item in files], screen)
    analyses = [item for item in result.items if isinstance(item, AnalysisStatus)]
    if analyses:
        yield Block(lines=["", "analyses"], style="bold")
        counts = [(item.name, item.images, item.without) for item in analyses]
        yield from _table(("analysis", "images", "images without results"), counts, screen)
    tables = [item for item in result.items if isinstance(item, TableStatus)]
    if tables:
        yield Block(lines=["", "tables"], style="bold")
        rows = [(item.name, item.rows, item.images, item.without) for item in tables]
        yield from _table(("table", "rows", "images", "images without rows"), rows, screen)
    for folder in result.missing_folders:
        yield _remark(f"not there now: {show(folder)}")
    if result.new:
        yield _remark(f"to take in what is new: kymflow refresh {show(result.dataset)}")
    for item in analyses:
        if item.without:
            command = f"kymflow analyze {show(result.dataset)} {show(item.name)} --missing"
            yield _remark(f"to analyze what is missing: {command}")
    if result.not_indexed:
        yield _remark(f"to bring the tables up to date: kymflow index {show(result.dataset)}")


@view.register
def _check(result: CheckResult, screen: Screen) -> Iterator[Block]:
    yield from _problems(result.items, screen)
    how = "every byte" if result.deep else "not every byte; for that: --deep"
    if result.ok:
        yield Block(lines=[f"{show(result.dataset)}: all is well"])
        yield _remark(f"{_count(result.images, 'image')} checked, {how}")
        return
    yield _sentence(_count(result.problems, "problem"), repairable=result.repairable)
    if result.repairable:
        yield _remark(f"to mend what can be mended: kymflow repair {show(result.dataset)}")


@view.register
def _repair(result: RepairResult, screen: Screen) -> Iterator[Block]:
    repairs = [item for item in result.items if isinstance(item, DoneRepair)]
    yield from _table(("where", "what"), [(item.location, item.action) for item in repairs], screen)
    left = [item for item in result.items if isinstance(item, FoundProblem)]
    yield from _problems(left, screen)
    verb = "would mend" if result.dry_run else "mended"
    yield Block(
        lines=[
            f"{verb} {_count(result.repairs, 'thing')}, {_count(result.problems, 'problem')} left"
        ]
    )


@view.register
def _upgrade(result: UpgradeResult, screen: Screen) -> Iterator[Block]:  # noqa: ARG001
    if result.format_before == result.format_version:
        yield Block(lines=[f"{show(result.dataset)} has format {result.format_version} already"])
        return
    yield Block(
        lines=[
            f"{show(result.dataset)}: {_count(result.upgraded, 'image')} "
            f"brought from format {result.format_before} to {result.format_version}"
        ]
    )


@view.register
def _export(result: ExportResult, screen: Screen) -> Iterator[Block]:
    yield from _failures(
        f"{_count(result.failed, 'thing')} could not be exported",
        ("what", "reason"),
        [(item.name, item.reason) for item in result.items],
        screen,
    )
    yield _sentence(
        f"{_count(result.images, 'image')} in {show(result.folder)}",
        tables=result.tables or 0,
        written=result.files_written or 0,
        unchanged=result.files_unchanged or 0,
        removed=result.files_removed or 0,
        failed=result.failed,
    )
    if result.files_kept:
        yield _remark(f"not removed, as someone has changed them: {', '.join(result.files_kept)}")


def _problems(items: Sequence[FoundProblem], screen: Screen) -> Iterator[Block]:
    rows = [(item.kind, item.location, item.message) for item in items]
    yield from _table(("problem", "where", "what"), rows, screen)


@view.register
def _report(result: ReportResult, screen: Screen) -> Iterator[Block]:
    yield from _failures(
        f"{_count(result.damaged, 'image')} could not be read in full",
        ("image", "file", "reason"),
        [
            (item.image_id, source_name(item.source or ""), item.reason)
            for item in result.items
            if item.status == "damaged"
        ],
        screen,
    )
    yield _sentence(
        f"{_count(result.shown, 'image')} in {show(result.report)}",
        damaged=result.damaged,
        **{"without results": result.without_results},
    )
    if result.left_out:
        yield _remark(
            f"{result.shown} of {result.images} images are shown; for others: --images, --limit"
        )
    if result.without_results:
        yield _remark(f"to compute velocities: kymflow analyze {show(result.dataset)} velocity")


@view.register
def _demo(result: DemoResult, screen: Screen) -> Iterator[Block]:
    rows = [[_readable(row.row[column]) for column in result.columns] for row in result.items]
    yield from _table(result.columns, rows, screen)
    yield Block(lines=[""])
    yield from _facts(
        {
            "dataset": result.dataset,
            "images": f"{result.images}, {result.taken_in} of them new, "
            f"made of the TIFF files in {result.images_folder}",
        }
    )
    yield _remark(f"now look at it: kymflow info {show(result.dataset)}")


@view.register
def _completion(result: CompletionResult, screen: Screen) -> Iterator[Block]:  # noqa: ARG001
    yield Block(lines=result.script.splitlines())


# --- parts ------------------------------------------------------------------------------------


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], screen: Screen
) -> Iterator[Block]:
    if not rows:
        return
    table = layout(columns, rows, width=screen.out)
    yield Block(lines=[table.header], style="bold")
    yield Block(lines=table.lines)
    if table.hidden:
        yield _remark(f"too narrow for: {', '.join(table.hidden)}")


def _failures(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], screen: Screen
) -> Iterator[Block]:
    if not rows:
        return
    table = layout(columns, rows, width=screen.err, wrap_last=True)
    yield Block(lines=[f"{title}:"], kind="failures", style="bold red")
    yield Block(lines=[table.header], kind="failures", style="bold")
    yield Block(lines=table.lines, kind="failures")


def _facts(facts: Mapping[str, object]) -> Iterator[Block]:
    """Names and values below each other, those without a value left out."""
    known = {name: value for name, value in facts.items() if value not in (None, "", [], ())}
    indent = max(len(show(name)) for name in known) + 2
    lines = []
    for name, value in known.items():
        texts = str(value).split("\n") if isinstance(value, str) else [str(_readable(value))]
        for number, text in enumerate(texts):
            label = show(name) if number == 0 else ""
            lines.append(f"{label:<{indent}}{show(text)}")
    yield Block(lines=lines)


def _sentence(first: str, **counts: int) -> Block:
    parts = [first, *(f"{number} {word}" for word, number in counts.items() if number)]
    return Block(lines=[", ".join(parts)])


def _remark(text: str) -> Block:
    return Block(lines=[text], kind="remark", style="dim")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _size(image: ListedImage) -> str:
    named = zip(image.axes, image.shape, strict=True)
    return ", ".join(f"{axis} {length}" for axis, length in named)


def _minute(moment: str | None) -> str:
    """An ISO 8601 time, to the second."""
    if not moment:
        return ""
    zone = " UTC" if moment.endswith("Z") else ""
    return moment[:19].replace("T", " ") + zone


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


def _readable(value: object) -> object:
    """A value for a cell: numbers and texts as they are, everything else as JSON."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    simple = plain(value)
    if isinstance(simple, str):
        return simple
    return json.dumps(simple, ensure_ascii=False)


def _csv_lines(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    yield _csv_line(columns)
    for row in rows:
        yield _csv_line([_readable(row.row[column]) for column in columns])


def _csv_line(values: Sequence[object]) -> str:
    stream = io.StringIO()
    cells = [spreadsheet_cell(value) if isinstance(value, str) else value for value in values]
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue().removesuffix("\n")
