"""Set experiment fields of many images at once: from a CSV file, or from the names of folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kymflow.core.decisions.csv_table import CsvRow, read_csv
from kymflow.core.decisions.fields import set_fields
from kymflow.core.decisions.ledger import readable_records
from kymflow.core.errors import MetadataError
from kymflow.core.metadata import (
    FolderPattern,
    Source,
    load_metadata,
    load_source,
)
from kymflow.core.metadata.acts import new_act_id
from kymflow_zarr import CorruptDataError

if TYPE_CHECKING:
    from kymflow_zarr import JsonValue, ZarrDataset, ZarrImageRecord

FILE: Final = "file"
FOLDER: Final = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldsImport:
    """What became of an import.

    Attributes:
        matched: The images that a line, or the pattern, is about.
        changed: Those of them that have other fields now.
        unmatched_images: The images that none is about.
        unmatched_lines: The lines of the file that are about no image: number → what they name.
        failures: The images whose fields could not be set, each with the reason.
    """

    matched: tuple[str, ...]
    changed: tuple[str, ...]
    unmatched_images: tuple[str, ...]
    unmatched_lines: Mapping[int, str] = field(default_factory=dict)
    failures: Mapping[str, MetadataError | CorruptDataError] = field(default_factory=dict)


def import_metadata(
    dataset: ZarrDataset,
    csv: str | PathLike[str],
    on: str,
    *,
    image_ids: Iterable[str] | None = None,
    author: str | None = None,
    step: str | None = None,
) -> FieldsImport:
    """Set experiment fields from a CSV file. A value that is malformed stops only its image.

    All of it is one step of `undo`. Empty cells leave fields as they are.

    Args:
        dataset: The dataset, writable.
        csv: The file: one column that says what a line is about, the others are fields.
        on: That column. ``"file"`` holds names of files, with or without folders and ending;
            ``"folder"`` names of folders, wherever in a file's path; any other column holds values
            of the field of this name, such as ``"animal"``. Where several lines are about an
            image, later ones count.
        image_ids: Just these images; if None all of them, and those to come: see `load_rules`.
        author: Who decides; the login name if None.
        step: What this is undone together with; nothing else if None.

    Raises:
        MetadataFileError: The file cannot be read as such a table.
        ReadOnlyError: The dataset was opened with ``mode="r"``.
    """
    rows = read_csv(csv, key=on)
    used: set[int] = set()

    def from_rows(record: ZarrImageRecord) -> dict[str, JsonValue]:
        own = [row for row in rows if _is_about(row, on, record)]
        used.update(row.line for row in own)
        return {name: value for row in own for name, value in row.values.items()}

    rule: dict[str, JsonValue] = {"csv": str(Path(csv).resolve()), "on": on}
    done = _set_fields(dataset, from_rows, rule, image_ids, author=author, step=step)
    return replace(
        done, unmatched_lines={row.line: row.key for row in rows if row.line not in used}
    )


def set_fields_from_folders(
    dataset: ZarrDataset,
    pattern: str,
    *,
    image_ids: Iterable[str] | None = None,
    author: str | None = None,
    step: str | None = None,
) -> FieldsImport:
    """Set experiment fields from the names of the files' folders.

    All of it is one step of `undo`.

    Args:
        dataset: The dataset, writable.
        pattern: See `FolderPattern.parse`; ``"{animal}/{date}"`` for files in ``m07/2026-01-31``.
        image_ids: Just these images; if None all of them, and those to come: see `load_rules`.
        author: Who decides; the login name if None.
        step: What this is undone together with; nothing else if None.

    Raises:
        FolderPatternError: The pattern has no field, or one twice.
        ReadOnlyError: The dataset was opened with ``mode="r"``.
    """
    folders = FolderPattern.parse(pattern)

    def from_folders(record: ZarrImageRecord) -> dict[str, JsonValue]:
        return {**(folders.match(load_source(record).folders) or {})}

    return _set_fields(
        dataset, from_folders, {"folders": pattern}, image_ids, author=author, step=step
    )


def _is_about(row: CsvRow, on: str, record: ZarrImageRecord) -> bool:
    if on not in {FILE, FOLDER}:
        said = load_metadata(record).experiment.to_json().get(on)
        return said is not None and str(said) == row.key
    source = load_source(record)
    named = tuple(part for part in row.key.replace("\\", "/").split("/") if part)
    return _is_file(source, named) if on == FILE else _is_in(source.folders, named)


def _is_file(source: Source, named: tuple[str, ...]) -> bool:
    """Whether a path ends with a name, which may lack the ending of the file."""
    if source.file is None or not named:
        return False
    *folders, file = named
    inside = not folders or source.folders[-len(folders) :] == tuple(folders)
    return inside and (source.file == file or source.file.startswith(f"{file}."))


def _is_in(folders: tuple[str, ...], named: tuple[str, ...]) -> bool:
    """Whether some neighbouring folders are those that are named."""
    last = len(folders) - len(named)
    return any(folders[at : at + len(named)] == named for at in range(last + 1))


def _set_fields(
    dataset: ZarrDataset,
    values_for: Callable[[ZarrImageRecord], Mapping[str, JsonValue]],
    rule: Mapping[str, JsonValue],
    image_ids: Iterable[str] | None,
    *,
    author: str | None,
    step: str | None,
) -> FieldsImport:
    """Set the values that each image should have, in one step."""
    step = step or new_act_id()
    records = readable_records(dataset) if image_ids is None else map(dataset.record, image_ids)
    standing = rule if image_ids is None else None
    matched: list[str] = []
    changed: list[str] = []
    unmatched: list[str] = []
    failures: dict[str, MetadataError | CorruptDataError] = {}
    for record in records:
        image_id = record.image_id
        try:
            values = values_for(record)
            (matched if values else unmatched).append(image_id)
            if values and set_fields(record, values, author=author, step=step, rule=standing):
                changed.append(image_id)
        except (MetadataError, CorruptDataError) as error:
            failures[image_id] = error
    return FieldsImport(
        matched=tuple(matched),
        changed=tuple(changed),
        unmatched_images=tuple(unmatched),
        failures=failures,
    )
