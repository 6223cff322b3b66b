"""The sources index: which file each image was made of.

The table ``sources`` is derived: each record's provenance holds the same facts, so rows that were
lost (deleted by hand, restored from an old copy, cut off by a crash) come back from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from kymflow_zarr._catalog.source_issue import SourceIssue, issues_to_json
from kymflow_zarr._storage.json_text import JsonObject, JsonValue, json_object
from kymflow_zarr.errors import SchemaValidationError, UnreadableImageError

if TYPE_CHECKING:
    import pyarrow as pa

SOURCES = "sources"
"""The name of the table."""

BesideState: TypeAlias = tuple[tuple[str, int, int], ...]
"""The headers and sidecars beside an image: name, modification time in ns since 1970, and size."""

FileState: TypeAlias = tuple[tuple[str, ...], int, int, BesideState | None]
"""The values of a `SourceFile`. A refresh looks at every file, and of most asks only
whether it has changed: a bare tuple costs a third, and the garbage collector need not track it."""


_to_text: Final = json.JSONEncoder(separators=(",", ":")).encode


class SourceFile(NamedTuple):
    """An image file found on disk.

    Attributes:
        paths: The file of the first channel, then those of its further channels.
        mtime_ns: The latest modification time of these files, ns since 1970.
        size_bytes: Their size together.
        beside: The headers and sidecars that belong to the image; None if they are not known.
    """

    paths: tuple[str, ...]
    mtime_ns: int
    size_bytes: int
    beside: BesideState | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The file of the first channel, then those of its further channels."""
        return tuple(map(Path, self.paths))

    @property
    def held_mtime_ns(self) -> int:
        """`mtime_ns` as the index holds it: a wrong clock sets times beyond the year 2262, too."""
        return max(-(2**63), min(self.mtime_ns, 2**63 - 1))

    @property
    def times_ns(self) -> tuple[int, ...]:
        """When the files, and those beside them, changed last, ns since 1970."""
        return (self.mtime_ns, *(mtime_ns for _, mtime_ns, _ in self.beside or ()))

    @property
    def primary(self) -> Path:
        """The file of the first channel: its path identifies the image."""
        return Path(self.paths[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderScan:
    """What a folder holds.

    Attributes:
        folder: The folder, absolute, links resolved.
        states: Its image files as bare tuples, sorted by path.
        refused: What matches but is not a regular file, with the reason.
        listings: Each folder that was looked at → the names of all files in it, in any order.
    """

    folder: Path
    states: tuple[FileState, ...]
    refused: Mapping[Path, UnreadableImageError]
    listings: Mapping[Path, Sequence[str]]

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """Its image files, sorted by path."""
        return tuple(map(SourceFile._make, self.states))


class SourceRow(NamedTuple):
    """One row of the sources index, named as its columns are and in their order.

    A tuple, since columns become rows at once, and there is one for each image.

    Attributes:
        source_primary_path: Normalised absolute path of the (first channel's) file.
        image_id: The image that was made of it.
        source_mtime_ns: The file's modification time when it was ingested, ns since 1970.
        source_size_bytes: Its size then.
        ingested_epoch_ns: When it was ingested, ns since 1970.
    """

    source_primary_path: str
    image_id: str
    source_mtime_ns: int
    source_size_bytes: int
    ingested_epoch_ns: int


def reconcile(
    stored: pa.Table,
    image_ids: Iterable[str],
    *,
    read_sources: Callable[[Sequence[str]], Iterable[SourceRow]],
) -> pa.Table:
    """The rows of just the images that exist: stored ones, and those that `read_sources` finds.

    It reads rows that are missing from the records; images that came from no file have none.
    """
    import pyarrow as pa

    existing = set(image_ids)
    named = stored["image_id"].to_pylist()
    places = {image_id: at for at, image_id in enumerate(named)}  # of several rows the last one
    if places.keys() == existing and len(places) == len(named):
        return stored
    kept = stored.take(pa.array([places[it] for it in places.keys() & existing], pa.int64()))
    missing = sorted(existing - places.keys())
    return pa.concat_tables([kept, rows_to_table(read_sources(missing))]) if missing else kept


def sources_schema() -> pa.Schema:
    """The table's schema."""
    import pyarrow as pa

    types: dict[str, pa.DataType] = {
        "source_primary_path": pa.string(),
        "image_id": pa.string(),
        "source_mtime_ns": pa.int64(),
        "source_size_bytes": pa.int64(),
        "ingested_epoch_ns": pa.int64(),
    }
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in types.items()])


def rows_to_table(rows: Iterable[SourceRow]) -> pa.Table:
    """The index as a table, sorted by image."""
    import pyarrow as pa

    ordered = sorted(rows, key=attrgetter("image_id"))
    if not ordered:
        return pa.Table.from_batches([], schema=sources_schema())  # `empty_table` loads pandas
    columns: list[Sequence[Any]] = [*zip(*ordered, strict=True)]
    named = dict(zip(SourceRow._fields, columns, strict=True))
    return pa.table(named, schema=sources_schema())


def rows_from_table(table: pa.Table) -> list[SourceRow]:
    """The rows of a sources table.

    Raises:
        SchemaValidationError: Columns are missing, of another type, or hold nulls.
    """
    columns: list[list[Any]] = [column.to_pylist() for column in sources_table(table).columns]
    return list(map(SourceRow._make, zip(*columns, strict=True)))


def sources_table(table: pa.Table) -> pa.Table:
    """A table with just the columns of the index, each as it must be.

    Raises:
        SchemaValidationError: Columns are missing, of another type, or hold nulls.
    """
    import pyarrow as pa

    schema = sources_schema()
    missing = [name for name in schema.names if name not in table.schema.names]
    if missing:
        raise SchemaValidationError(
            f"the sources index lacks {', '.join(missing)}; "
            f"its columns are {', '.join(schema.names)}"
        )
    if not len(table):  # of an empty data frame, whose types pandas makes up
        return pa.Table.from_batches([], schema=schema)  # `empty_table` loads pandas
    for field in schema:
        column = table[field.name]
        if column.null_count:
            raise SchemaValidationError(
                f"column {field.name!r} of the sources index holds nulls; fill them"
            )
        if column.type != field.type:
            raise SchemaValidationError(
                f"column {field.name!r} of the sources index holds {column.type}; "
                f"convert it to {field.type}"
            )
    return table.select(schema.names).cast(schema)


def source_to_json(
    file: SourceFile,
    *,
    ingested_epoch_ns: int,
    supersedes: str | None,
    scene: str = "",
    issues: Iterable[SourceIssue] = (),
    sidecars: Mapping[str, str] | None = None,
) -> dict[str, JsonValue]:
    """The ``source`` entry of a record's provenance.

    `supersedes` is the image that was made of an earlier state of the file, `scene` says which of
    its images this is, and `sidecars` which artifacts were made of files beside it → their SHA-256.
    """
    return {
        **file_to_json(file),
        "ingested_epoch_ns": ingested_epoch_ns,
        "supersedes": supersedes,
        **({"scene": scene} if scene else {}),
        "issues": issues_to_json(issues),
        "sidecars": dict(sidecars or {}),
    }


def file_to_json(file: SourceFile) -> dict[str, JsonValue]:
    """What the ``source`` entry of a record's provenance says of the file itself."""
    return {
        "primary_path": file.paths[0],
        "files": list(file.paths),
        "mtime_ns": file.held_mtime_ns,
        "size_bytes": file.size_bytes,
        "beside": None if file.beside is None else [[*state] for state in file.beside],
    }


def beside_to_text(beside: BesideState) -> str:
    """What lies beside an image as one text, to be stored and compared."""
    return _to_text(beside)


def beside_from_text(text: str) -> BesideState:
    """What `beside_to_text` wrote."""
    return tuple((name, mtime_ns, size) for name, mtime_ns, size in json.loads(text))


def row_to_json(row: SourceRow) -> dict[str, JsonValue]:
    """The ``source`` entry of a provenance, for a file of which only its row is known."""
    file = SourceFile(
        paths=(row.source_primary_path,),
        mtime_ns=row.source_mtime_ns,
        size_bytes=row.source_size_bytes,
    )
    return source_to_json(file, ingested_epoch_ns=row.ingested_epoch_ns, supersedes=None)


def source_from_provenance(image_id: str, provenance: JsonObject | None) -> SourceRow | None:
    """The sources row that a record's provenance stands for; None if it names no file."""
    source = json_object((provenance or {}).get("source"))
    path = source.get("primary_path")
    mtime_ns, size, ingested = (
        int64_or_none(source.get(name)) for name in ("mtime_ns", "size_bytes", "ingested_epoch_ns")
    )
    if not isinstance(path, str) or mtime_ns is None or size is None or ingested is None:
        return None
    return SourceRow(
        source_primary_path=path,
        image_id=image_id,
        source_mtime_ns=mtime_ns,
        source_size_bytes=size,
        ingested_epoch_ns=ingested,
    )


def int64_or_none(value: JsonValue) -> int | None:
    """An integer that a column can hold; JSON that people edit can hold any."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if -(2**63) <= value < 2**63 else None
