"""What the verbs have in common by which people decide on images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import Parameter

from kymflow.cli.blocks import Block, Screen, counted, remark, sentence
from kymflow.cli.errors import MissingExtraError, QueryError, UnknownNameError
from kymflow.cli.image_failures import ImageOutcome, image_failures
from kymflow.cli.opening import find_image, open_writer, source_of
from kymflow.cli.results import BatchResult
from kymflow.cli.safe_text import command, show
from kymflow.cli.sql_errors import query_error

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset, ZarrImageRecord

Dataset: TypeAlias = Annotated[str, Parameter(help="Path or URL of the dataset.")]

Images: TypeAlias = Annotated[
    str,
    Parameter(help="The images: ids, the first characters of them, or their source files."),
]

Where: TypeAlias = Annotated[
    str | None,
    Parameter(
        name="--where",
        help="Choose images by a condition in SQL, such as \"folder LIKE '%day1%'\".",
    ),
]
"""A condition in SQL on the columns that `KymDataset.view` has."""

_SEALED_OFF = {"enable_external_access": False, "autoinstall_known_extensions": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionResult(BatchResult):
    """What a decision on images did.

    Attributes:
        verb: The verb.
        decided: On how many images it is new.
        unchanged: On how many it held already.
        items: The images that were chosen.
    """

    verb: str
    decided: int
    unchanged: int
    items: tuple[DecidedImage, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        yield from image_failures("left as before", self.items, screen)
        yield sentence(
            f"{show(self.verb)}: {counted(self.decided, 'image')}",
            unchanged=self.unchanged,
            failed=self.failed,
        )
        made = [item.made for item in self.items if item.made]
        if made:
            yield Block(lines=[show(", ".join(dict.fromkeys(made)))])
        if self.decided:
            yield remark(f"to take it back: {command('undo', self.dataset)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedImage(ImageOutcome):
    """One image that was chosen.

    Attributes:
        status: ``unchanged``: this held already.
        made: What was made, such as ``ROI 3``; None for nothing that has a name.
    """

    status: Literal["ok", "unchanged", "failed"]
    made: str | None


def decide(
    verb: str,
    dataset: str,
    images: Sequence[str],
    where: str | None,
    act: Callable[[ZarrImageRecord, str], str | None],
) -> DecisionResult:
    """Decide on images, all in one step of undo. An image that fails stops only itself.

    Args:
        verb: The verb.
        dataset: Path or URL of the dataset.
        images: Names of images.
        where: A condition that chooses more of them.
        act: Decides on one image, in a step, and says what it made.

    Raises:
        UnknownNameError: No image is chosen, or one does not exist.
        QueryError: The condition cannot be understood.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow.core.decisions import load_acts, new_act_id
    from kymflow.core.errors import DecisionError, KymflowCoreError, RegionError

    opened = open_writer(dataset)
    entries = opened.load_manifest().entries
    step = new_act_id()
    items: list[DecidedImage] = []
    for image_id in choose_images(opened, images, where):
        record = opened.record(image_id)
        made = reason = None
        status: Literal["ok", "unchanged", "failed"] = "failed"
        try:
            before = len(load_acts(record))
            made = act(record, step)
            status = "ok" if len(load_acts(record)) > before else "unchanged"
        except KymflowCoreError as error:
            reason = error.reason if isinstance(error, DecisionError | RegionError) else str(error)
        items.append(
            DecidedImage(
                image_id=image_id,
                source=source_of(entries.get(image_id)),
                status=status,
                made=made,
                reason=reason,
            )
        )
    count = Counter(item.status for item in items)
    return DecisionResult(
        verb=verb,
        dataset=dataset,
        decided=count["ok"],
        unchanged=count["unchanged"],
        failed=count["failed"],
        items=tuple(items),
    )


def choose_images(dataset: ZarrDataset, names: Sequence[str], where: str | None) -> list[str]:
    """The ids of the images that are named, or meet a condition, each once.

    Args:
        dataset: The dataset.
        names: Names as for `find_image`.
        where: The condition, in SQL; None for none.

    Raises:
        UnknownNameError: There is none.
        QueryError: The condition cannot be understood.
    """
    chosen = [find_image(dataset, name) for name in names]
    if where is not None:
        chosen += images_where(dataset, where)
    if not chosen:
        raise UnknownNameError(
            "no images chosen" if where is None else f"no image matches {where!r}",
            hint="name images, or give a condition: --where \"folder_1 = 'day1'\"; "
            "for all images: --where true",
        )
    return list(dict.fromkeys(chosen))


def images_where(dataset: ZarrDataset, condition: str) -> list[str]:
    """The ids of the images that meet a condition.

    Raises:
        QueryError: The condition cannot be understood.
        MissingExtraError: DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError("DuckDB", extra="sql") from error
    from kymflow.core import KymDataset

    images = KymDataset(dataset).view()
    sql = f"SELECT image_id FROM images WHERE ({condition})"  # noqa: S608 - sees nothing else
    with duckdb.connect(":memory:", config=dict(_SEALED_OFF)) as connection:
        try:
            if len(connection.extract_statements(sql)) != 1:
                raise QueryError(f"{condition!r} is not one condition", hint="give one")
            connection.register("images", images)
            return [image_id for (image_id,) in connection.sql(sql).fetchall()]
        except duckdb.Error as error:
            raise query_error(error, columns=list(images.columns)) from error
