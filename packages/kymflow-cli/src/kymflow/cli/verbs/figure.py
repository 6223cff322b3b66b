"""Draw one figure to a file: a result under its kymograph, or a number compared between groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from cyclopts import Parameter

from kymflow.cli.blocks import Block, Screen, not_compared, outdated_remark
from kymflow.cli.errors import OutputFileError, UnknownNameError, refuse_unused
from kymflow.cli.folders import require_outside
from kymflow.cli.guesses import require_known
from kymflow.cli.json_values import NOT_IN_JSON
from kymflow.cli.opening import find_image, open_reader
from kymflow.cli.output_file import replaced
from kymflow.cli.results import DatasetResult, Item
from kymflow.cli.safe_text import command, show
from kymflow.cli.survey import count_outdated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kymflow.core.analysis import Analysis
    from kymflow_zarr import ZarrDataset

_ENDINGS = (".svg", ".pdf", ".png")


def figure(
    dataset: str,
    image: str | None = None,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    analysis: str | None = None,
    roi: int | None = None,
    channel: int | None = None,
    label: str = "",
    group_by: str | None = None,
    column: str | None = None,
    baseline: str | None = None,
) -> FigureResult:
    """Draw one figure, as SVG, PDF or PNG.

    Of an image: what an analysis found in it, under the kymograph. With --group-by: a number of all
    images, as points over the groups that a field makes, with medians; needs the tables. Where the
    images have a field animal, groups are compared by animal, with 95 % intervals.

    Args:
        dataset: Path or URL of the dataset.
        image: The image: its id, the first characters of it, or its source file.
        out: The file to write, which ends in .svg, .pdf or .png; an existing one is replaced.
        analysis: The analysis; if not given, the first one that has results and, for an image, a
            figure of them.
        roi: The ROI; if not given, the first one with a result.
        channel: The channel, from 1; if not given, the first one.
        label: The label of the results.
        group_by: A field of the images, such as condition, animal or folder_1.
        column: The number to compare; if not given, the first one of the analysis.
        baseline: The group that others are compared with; if not given, the first one.

    Raises:
        UnknownNameError: There is no such image, analysis, result, field or column.
        UnusedOptionError: An option is about an image, and groups are compared, or the reverse.
        OutputFileError: The figure cannot be written to that place.
        kymflow.core.errors.FigureError: The analysis declares no figure, or cannot draw this.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    opened = open_reader(dataset)
    require_outside(out, dataset)
    if out.suffix.lower() not in _ENDINGS:
        endings = " or ".join(_ENDINGS)
        raise OutputFileError(str(out), f"it does not end in {endings}", hint="rename it")
    if (image is None) == (group_by is None):
        raise UnknownNameError(
            "a figure is of one image, or compares groups",
            hint="name an image, or --group-by FIELD",
        )
    compared, outdated = None, 0
    if image is not None:
        unused = {"--column": column is not None, "--baseline": baseline is not None}
        refuse_unused("an image", unused)
        drawn = _of_image(
            opened, image, analysis, channel=1 if channel is None else channel, roi=roi, label=label
        )
    else:
        refuse_unused("--group-by", {"--roi": roi is not None, "--channel": channel is not None})
        drawn, compared, outdated = _of_groups(
            opened, analysis, str(group_by), column, label=label, baseline=baseline
        )
    with replaced(out) as unfinished:
        drawn.savefig(unfinished, format=out.suffix[1:].lower())
    return FigureResult(
        dataset=dataset,
        figure=str(out),
        size_bytes=out.stat().st_size,
        compared=compared,
        outdated=outdated,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureResult(DatasetResult):
    """What was drawn.

    Attributes:
        figure: The file that was written.
        size_bytes: How large it is.
        compared: How many groups are compared with another one; None for a figure of an image.
        outdated: Of how many images the numbers are not up to date. Not in the JSON.
        items: Always empty.
    """

    verb: ClassVar[str] = "figure"
    figure: str
    size_bytes: int
    compared: int | None
    outdated: int = field(default=0, metadata=NOT_IN_JSON)
    items: tuple[Item, ...] = ()

    def as_text(self, screen: Screen) -> Iterator[Block]:  # noqa: ARG002
        """See `Result`."""
        yield Block(lines=[show(self.figure)])
        if self.compared == 0:
            yield not_compared()
        if self.outdated:
            yield outdated_remark(self.outdated, self.dataset)


def _of_image(
    dataset: ZarrDataset,
    image: str,
    analysis: str | None,
    *,
    channel: int,
    roi: int | None,
    label: str,
) -> Figure:
    from kymflow.core.analysis import list_labels
    from kymflow.core.errors import ResultNotFoundError
    from kymflow.core.result_plot import plot_result

    record = dataset.record(find_image(dataset, image))
    drawable = [one for one in _analyses(analysis) if analysis or one.display.panels]
    with_results = [one for one in drawable if analysis or list_labels(record, one.name)]
    if not with_results:
        raise UnknownNameError(
            f"no analysis has results of image {image!r}",
            hint=f"run one: {command('analyze', dataset.location, 'ANALYSIS')}",
        )
    try:
        return plot_result(record, with_results[0], channel=channel, roi_id=roi, label=label)
    except ResultNotFoundError as error:
        where = f"channel {channel}" + ("" if roi is None else f", ROI {roi}")
        labelled = f" under the label {label!r}" if label else ""
        raise UnknownNameError(
            f"{image!r} has no result of {error.analysis} in {where}{labelled}",
            hint=f"{error.hint}: {command('info', dataset.location, image)}",
        ) from error


def _of_groups(
    dataset: ZarrDataset,
    analysis: str | None,
    group_by: str,
    column: str | None,
    *,
    label: str,
    baseline: str | None,
) -> tuple[Figure, int, int]:
    """The figure, how many groups are compared in it, and how many images are not up to date."""
    from kymflow.core import KymDataset
    from kymflow.core.analysis import used_labels
    from kymflow.core.compare import compare_with_baseline
    from kymflow.core.group_plot import plot_groups
    from kymflow.core.plugins import load_analyses

    used = used_labels(dataset, load_analyses())
    tables = dataset.list_table_names()
    chosen = [
        one
        for one in _analyses(analysis)
        if f"kym_{one.name}" in tables and (analysis or one.name in used)
    ]
    if not chosen:
        raise UnknownNameError(
            "there is no table of an analysis yet", hint=command("index", dataset.location)
        )
    kymographs = KymDataset(dataset)
    images = kymographs.view().set_index("image_id")
    numbers = {one.name: one for one in chosen[0].summary if one.type in {float, int}}
    shown = column or next(iter(numbers))
    require_known(shown, numbers, what="number", where=f"of analysis {chosen[0].name!r}")
    require_known(group_by, images.columns, what="field", where="of the images")
    rows = kymographs[chosen[0].name]
    included = images.index[~images["excluded"].fillna(value=False)]
    rows = rows[rows["label"].eq(label) & rows["image_id"].isin(included)]
    facts = {name for name in (group_by, "animal", "vessel") if name in images.columns}
    frame = rows.assign(**{name: rows["image_id"].map(images[name]) for name in facts})
    if not (frame[group_by].notna() & frame[shown].notna()).any():
        labelled = f" under the label {label!r}" if label else ""
        raise UnknownNameError(
            f"no image has both a field {group_by!r} and a {shown!r} in the table "
            f"kym_{chosen[0].name}{labelled}",
            hint=f"see what is missing: {command('status', dataset.location)}",
        )
    if baseline is not None:
        groups = sorted(frame[group_by].dropna().astype(str).unique())
        require_known(baseline, groups, what="group", where=f"of field {group_by!r}")
    comparisons = compare_with_baseline(frame, value=shown, group=group_by, baseline=baseline)
    drawn = plot_groups(frame, shown, group_by, unit=numbers[shown].unit, comparisons=comparisons)
    return drawn, len(comparisons), count_outdated(dataset, chosen[0].name)


def _analyses(name: str | None) -> list[Analysis[Any]]:
    """The analysis of a name; all of them without one."""
    from kymflow.cli.verbs.analyze import load_analysis
    from kymflow.core.plugins import load_analyses

    return list(load_analyses().values()) if name is None else [load_analysis(name)]
