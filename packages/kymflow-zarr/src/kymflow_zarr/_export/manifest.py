"""What an export says of itself: one small document at its root, one beside each image's files.

``kymflow_export.json`` names the dataset, the options, every image with the digest of its listing,
and every dataset table. It says ``"complete": false`` from the first change of a run to its end, so
that an interrupted export is recognised. ``images/<image_id>/_files.json`` lists that image's files
with size and SHA-256; no artifact can have its name, because artifact names start with a letter or
digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from kymflow_zarr._artifacts.registry import kind_named
from kymflow_zarr._export import version1
from kymflow_zarr._ingest.folder import EXPORT_MANIFEST
from kymflow_zarr._storage.json_text import JsonValue, dumps, loads
from kymflow_zarr._storage.names import check_name, check_segment
from kymflow_zarr._storage.seal import BLANK_SEAL, sealed_bytes, unseal
from kymflow_zarr.errors import CorruptDataError, InvalidNameError, UnsupportedFormatError

FORMAT: Final = "kymflow_export"
VERSION: Final = 2
MANIFEST: Final = EXPORT_MANIFEST
LISTING: Final = "_files.json"
IMAGES: Final = "images"
TABLES: Final = "tables"
PIXELS: Final = "image.tif"

TableFormat: TypeAlias = Literal["csv", "parquet"]
"""Whether tables are written as Parquet alone, or as CSV beside it."""

SPREADSHEET: Final = "spreadsheet"
"""A CSV for people: another file holds the same, and is read back."""

_PIXELS_KIND: Final = "pixels"


def file_path(kind: str, name: str) -> str:
    """The path of a file, relative to the folder of its image or of the tables.

    Raises:
        ArtifactKindError: There is no such kind.
        InvalidNameError: Nothing of this kind can have this name.
    """
    if kind == _PIXELS_KIND:
        return PIXELS
    if kind == SPREADSHEET or kind in version1.ARTIFACT_KINDS:
        check_name(name, kind="artifact")
        return f"{name}.csv"
    found = kind_named(kind)
    found.check_name(name)
    folder = f"{kind}_artifacts/" if found.is_folder else ""
    return f"{folder}{name}{found.export_suffix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """One file of an export.

    Attributes:
        kind: What it holds: the name of an artifact kind, ``"pixels"``, `SPREADSHEET`, or one of
            `version1.ARTIFACT_KINDS`.
        name: The artifact's or table's name; empty for the pixels.
        axes: Arrays: a name for each dimension.
        tags_sha256: Pixels: digest of what the TIFF says besides.
        version1: What version 1 says of a file besides; see `version1`.
    """

    kind: str
    name: str
    size_bytes: int
    sha256: str
    axes: tuple[str, ...] = ()
    tags_sha256: str = ""
    version1: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Its path, relative to the folder of its image or of the tables."""
        return file_path(self.kind, self.name)

    @property
    def is_for_people(self) -> bool:
        """Whether it is never read back: another file holds the same."""
        return self.kind == SPREADSHEET

    @property
    def is_artifact(self) -> bool:
        """Whether an artifact is restored from it."""
        return self.kind not in {SPREADSHEET, _PIXELS_KIND}

    def to_json(self) -> dict[str, JsonValue]:
        """The entry as JSON, without what does not apply."""
        entry: dict[str, JsonValue] = {
            "kind": self.kind,
            "name": self.name,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
        }
        if self.axes:
            entry["axes"] = list(self.axes)
        if self.tags_sha256:
            entry["tags_sha256"] = self.tags_sha256
        return {**entry, **self.version1}

    @classmethod
    def from_json(cls, entry: Any, *, version: int) -> ExportedFile:
        """Read an entry of a document of some version.

        Raises:
            KeyError, TypeError, ValueError: It is not a valid entry.
        """
        kind, name = _text(entry["kind"]), _text(entry["name"])
        if version == 1:
            kind = version1.KINDS.get(kind, kind)
        size = entry["size_bytes"]
        if type(size) is not int or size < 0:
            raise ValueError(f"it gives a size of {size!r}")
        return cls(
            kind=kind,
            name=name,
            size_bytes=size,
            sha256=_text(entry["sha256"]),
            axes=tuple(_text(axis) for axis in entry.get("axes", [])),
            tags_sha256=_text(entry.get("tags_sha256", "")),
            version1={key: entry[key] for key in version1.KEYS if key in entry},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageListing:
    """What one image's folder holds.

    Attributes:
        created_utc: When its record was created; empty where format 1 does not say.
        pixels_digest: ``"sha256:<hex>"`` over the pixels in C order, little-endian; empty where it
            is not known (a format-1 image that was exported without its pixels).
        files: The files, by path relative to the image's folder.
    """

    image_id: str
    created_utc: str
    shape: tuple[int, ...]
    dtype: str
    axes: tuple[str, ...]
    pixels_digest: str
    files: Mapping[str, ExportedFile]

    def to_bytes(self) -> bytes:
        """The document."""
        return dumps(
            {
                "format": FORMAT,
                "version": VERSION,
                "image_id": self.image_id,
                "created_utc": self.created_utc,
                "shape": list(self.shape),
                "dtype": self.dtype,
                "axes": list(self.axes),
                "pixels_digest": self.pixels_digest,
                "files": {path: self.files[path].to_json() for path in sorted(self.files)},
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes, *, key: str) -> ImageListing:
        """Read a listing.

        Raises:
            CorruptDataError: It is not a listing, or a path in it is not that of its artifact.
        """
        document: Any = loads(data, key=key)
        try:
            check_segment(document["image_id"], kind="image")
            return cls(
                image_id=document["image_id"],
                created_utc=_text(document["created_utc"]),
                shape=tuple(_length(length) for length in document["shape"]),
                dtype=_text(document["dtype"]),
                axes=tuple(_text(axis) for axis in document["axes"]),
                pixels_digest=_text(document["pixels_digest"]),
                files=_files(document["files"], prefix="", version=document["version"]),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CorruptDataError(key, f"it does not list an exported image ({error})") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportManifest:
    """What a whole export holds.

    Attributes:
        complete: Whether the run that wrote it came to its end.
        dataset: ``created_utc`` and ``software`` of the dataset.
        images: Image id → SHA-256 of its listing.
        tables: Dataset tables by path relative to the export's root.
        left_out: What could not be exported → why.
    """

    complete: bool
    dataset: Mapping[str, JsonValue]
    software: str
    include_tiff: bool
    include_tables: bool
    table_format: TableFormat
    images: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, ExportedFile] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The sealed document."""
        return sealed_bytes(
            {
                "format": FORMAT,
                "version": VERSION,
                "complete": self.complete,
                "seal": BLANK_SEAL,
                "dataset": dict(self.dataset),
                "software": self.software,
                "include_tiff": self.include_tiff,
                "include_tables": self.include_tables,
                "table_format": self.table_format,
                "tables": {path: self.tables[path].to_json() for path in sorted(self.tables)},
                "left_out": {what: self.left_out[what] for what in sorted(self.left_out)},
                "images": {image_id: self.images[image_id] for image_id in sorted(self.images)},
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes, *, key: str) -> ExportManifest:
        """Read a manifest.

        Raises:
            UnsupportedFormatError: It was written by a newer version.
            CorruptDataError: It is damaged, or not a manifest.
        """
        document: Any = loads(data, key=key)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise CorruptDataError(key, "it is not the manifest of an export")
        version = document.get("version")
        if type(version) is not int:
            raise CorruptDataError(key, "it does not say which version it is")
        if version > VERSION:
            raise UnsupportedFormatError(
                key, found=version, supported=(1, VERSION), hint="install a newer kymflow-zarr"
            )
        unseal(data, key=key)
        try:
            for image_id in document["images"]:
                check_segment(image_id, kind="image")
            return cls(
                complete=document["complete"] is True,
                dataset=dict(document["dataset"]),
                software=_text(document["software"]),
                include_tiff=document["include_tiff"] is True,
                include_tables=document["include_tables"] is True,
                table_format="parquet" if document["table_format"] == "parquet" else "csv",
                images={image_id: _text(digest) for image_id, digest in document["images"].items()},
                tables=_files(document["tables"], prefix=f"{TABLES}/", version=version),
                left_out={what: _text(why) for what, why in document["left_out"].items()},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CorruptDataError(key, f"it is not the manifest of an export ({error})") from error


def _files(entries: Any, *, prefix: str, version: int) -> dict[str, ExportedFile]:
    """Entries by path; each path must be the one that its kind and name stand for."""
    files: dict[str, ExportedFile] = {}
    for path, entry in entries.items():
        file = ExportedFile.from_json(entry, version=version)
        if path != prefix + file.path:
            raise InvalidNameError(path, kind="file", reason="no file of an export has this path")
        files[path] = file
    return files


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _length(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is not the length of an axis")
    return value
