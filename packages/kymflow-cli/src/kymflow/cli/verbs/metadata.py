"""Say what an experiment was: genotype, condition, or any other field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from cyclopts import Parameter

from kymflow.cli.blocks import Block, Screen, counted, remark, sentence
from kymflow.cli.decided import DecisionResult, Where, choose_images, decide
from kymflow.cli.errors import UnknownNameError, refuse_unused
from kymflow.cli.image_failures import ImageOutcome, image_failures
from kymflow.cli.opening import open_writer, source_of
from kymflow.cli.results import BatchResult
from kymflow.cli.safe_text import command

if TYPE_CHECKING:
    from kymflow.core.decisions import FieldsImport
    from kymflow_zarr import JsonValue, ZarrDataset, ZarrImageRecord

_SHAPES = {"import": "--import CSV --on folder", "set": "IMAGE --set FIELD=VALUE"}


def metadata(
    dataset: str,
    /,
    *images: str,
    fields: Annotated[tuple[str, ...], Parameter(name="--set")] = (),
    csv: Annotated[Path | None, Parameter(name="--import")] = None,
    on: str | None = None,
    folders: Annotated[str | None, Parameter(name="--folders")] = None,
    where: Where = None,
) -> DecisionResult | FieldsResult:
    """Set fields of the experiment: for some images, from a CSV file, or from names of folders.

    All fields are in the table kym_images. Any name will do for a field. What a CSV file or the
    names of folders say holds for images that are ingested later, too, until kymflow undo takes it
    back; unless just some images are named.

    Args:
        dataset: Path or URL of the dataset.
        images: The images: ids, the first characters of them, or source files; for --import and
            --folders all of them, if none are named.
        fields: Set a field of these images: --set genotype=wt; may be given several times. Nothing
            after the = clears it.
        csv: Take fields from this CSV file: one column says what a line is about.
        on: That column: file (if not given), folder, or a field that the images have already, such
            as animal.
        folders: Take fields from names of folders: '{animal}/{date}' for m07/2026-01-31/run.tif.
        where: Choose images by a condition in SQL, such as "folder LIKE '%day1%'".

    Raises:
        UnknownNameError: No image or no field is chosen.
        UnusedOptionError: Fields are given in two ways, or --on is about no file.
        kymflow.core.errors.MetadataFileError: The file is not such a table.
        kymflow_zarr.NotADatasetError: There is no dataset there.
    """
    from kymflow.core import decisions

    if dataset in {"import", "set"} and not Path(dataset).exists():
        raise UnknownNameError(
            "the dataset comes first", hint=f"type: kymflow metadata DATASET {_SHAPES[dataset]}"
        )
    if csv is None:
        refuse_unused("fields that come from no CSV file", {"--on": on is not None})
    if csv is None and folders is None:
        values = _values(fields)

        def act(record: ZarrImageRecord, step: str) -> None:
            decisions.set_fields(record, values, step=step)

        return decide("metadata", dataset, images, where, act)
    refuse_unused("--import or --folders", {"--set": bool(fields)})
    opened = open_writer(dataset)
    chosen = choose_images(opened, images, where) if images or where is not None else None
    step = decisions.new_act_id()
    done: list[FieldsImport] = []
    if folders is not None:
        done.append(decisions.set_fields_from_folders(opened, folders, image_ids=chosen, step=step))
    if csv is not None:  # a line may be about a field that a folder has just said
        done.append(
            decisions.import_metadata(opened, csv, on or "file", image_ids=chosen, step=step)
        )
    return _result(dataset, opened, done)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsResult(BatchResult):
    """What an import of fields did.

    Attributes:
        matched: How many images a line, or the pattern, is about.
        changed: How many of them have other fields now.
        unchanged: How many of them had these fields already.
        unmatched_images: How many images a line, or the pattern, is missing for.
        unmatched_lines: The lines of the file that are about no image: number → what they name.
        items: These images.
    """

    verb: ClassVar[str] = "metadata"
    matched: int
    changed: int
    unchanged: int
    unmatched_images: int
    unmatched_lines: Mapping[str, str]
    items: tuple[FieldsFailure, ...]

    def as_text(self, screen: Screen) -> Iterator[Block]:
        """See `Result`."""
        yield from image_failures("left as before", self.items, screen)
        yield sentence(
            f"metadata: {counted(self.changed, 'image')} changed",
            **{
                "unchanged": self.unchanged,
                "not matched": self.unmatched_images,
                "failed": self.failed,
            },
        )
        for line, name in self.unmatched_lines.items():
            yield remark(f"line {line} matches no image: {name!r}")
        if self.changed:
            yield remark(f"to take it back: {command('undo', self.dataset)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsFailure(ImageOutcome):
    """One image whose fields could not be set."""

    type: ClassVar[str] = "failure"


def _values(fields: Sequence[str]) -> dict[str, JsonValue]:
    """Fields as they were typed: ``genotype=wt``.

    Raises:
        UnknownNameError: There is none, or one has no name or no ``=``.
    """
    from kymflow.core.metadata import parse_value

    if not fields:
        raise UnknownNameError(
            "no field given", hint="use --set FIELD=VALUE, --import CSV or --folders PATTERN"
        )
    values: dict[str, JsonValue] = {}
    for said in fields:
        name, equals, text = said.partition("=")
        if not (equals and name.strip()):
            raise UnknownNameError(f"{said!r} sets no field", hint="write --set FIELD=VALUE")
        values[name.strip()] = parse_value(name.strip(), text.strip())
    return values


def _result(dataset: str, opened: ZarrDataset, done: Sequence[FieldsImport]) -> FieldsResult:
    entries = opened.load_manifest().entries
    matched = {image_id for found in done for image_id in found.matched}
    changed = {image_id for found in done for image_id in found.changed}
    unmatched = {image_id for found in done for image_id in found.unmatched_images}
    failures = {image_id: error for found in done for image_id, error in found.failures.items()}
    return FieldsResult(
        dataset=dataset,
        matched=len(matched),
        changed=len(changed - failures.keys()),
        unchanged=len(matched - changed - failures.keys()),
        unmatched_images=len(unmatched),
        unmatched_lines={
            str(line): name for found in done for line, name in found.unmatched_lines.items()
        },
        failed=len(failures),
        items=tuple(
            FieldsFailure(
                image_id=image_id, source=source_of(entries.get(image_id)), reason=str(error)
            )
            for image_id, error in failures.items()
        ),
    )
