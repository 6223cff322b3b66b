"""Set experiment fields of many images at once: from a CSV file, or from the names of folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Final

from kymflow.core.decisions.csv_table import CsvRow, CsvValue, read_csv
from kymflow.core.decisions.fields import set_fields
from kymflow.core.errors import MetadataError
from kymflow.core.metadata import (
    NUMBER_FIELDS,
    TEXT_FIELDS,
    FolderPattern,
    Source,
    load_metadata,
    load_source,
)
from kymflow.core.metadata.acts import new_act_id

if TYPE_CHECKING:
    from kymflow_zarr import ZarrDataset, ZarrImageRecord

__all__ = ["FieldsImport", "import_metadata", "set_fields_from_folders"]

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
    failures: Mapping[str, MetadataError] = field(default_factory=dict)


def import_metadata(
    dataset: ZarrDataset, csv: str | PathLike[str], on: str, *, author: str | None = None
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
        author: Who says so; the login name if None.

    Raises:
        MetadataFileError: The file cannot be read as such a table.
        ReadOnlyError: The dataset was opened with ``mode="r"``.
    """
    rows = read_csv(
        csv, key=on, text_columns=frozenset(TEXT_FIELDS), number_columns=frozenset(NUMBER_FIELDS)
    )
    used: set[int] = set()
    values: dict[str, dict[str, CsvValue]] = {}
    failures: dict[str, MetadataError] = {}
    for image_id, record in dataset.items():
        try:
            own = [row for row in rows if _is_about(row, on, record)]
        except MetadataError as error:
            failures[image_id] = error
            continue
        used.update(row.line for row in own)
        if own:
            values[image_id] = {name: v for row in own for name, v in row.values.items()}
    unmatched = {row.line: row.key for row in rows if row.line not in used}
    return _set_all(dataset, values, unmatched=unmatched, failures=failures, author=author)


def set_fields_from_folders(
    dataset: ZarrDataset, pattern: str, *, author: str | None = None
) -> FieldsImport:
    """Set experiment fields from the names of the folders that files lie in.

    All of it is one step of `undo`.

    Args:
        dataset: The dataset, writable.
        pattern: See `FolderPattern.parse`; ``"{animal}/{date}"`` for files in ``m07/2026-01-31``.
        author: Who says so; the login name if None.

    Raises:
        ValueError: The pattern has no field, or one twice.
        ReadOnlyError: The dataset was opened with ``mode="r"``.
    """
    folders = FolderPattern.parse(pattern)
    found = {
        image_id: folders.match(load_source(record).folders) for image_id, record in dataset.items()
    }
    values = {image_id: said for image_id, said in found.items() if said is not None}
    return _set_all(dataset, values, unmatched={}, failures={}, author=author)


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


def _set_all(
    dataset: ZarrDataset,
    values: Mapping[str, Mapping[str, CsvValue]],
    *,
    unmatched: Mapping[int, str],
    failures: Mapping[str, MetadataError],
    author: str | None,
) -> FieldsImport:
    step = new_act_id()
    changed: list[str] = []
    failed = dict(failures)
    for image_id, said in values.items():
        try:
            if set_fields(dataset.record(image_id), dict(said), author=author, step=step):
                changed.append(image_id)
        except MetadataError as error:
            failed[image_id] = error
    about = {*values, *failures}
    return FieldsImport(
        matched=tuple(values),
        changed=tuple(changed),
        unmatched_images=tuple(image_id for image_id in dataset if image_id not in about),
        unmatched_lines=unmatched,
        failures=failed,
    )
