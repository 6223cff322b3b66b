"""Where an artifact of a record lies, by its name and kind."""

from __future__ import annotations

from collections.abc import Iterator

from kymflow_zarr._records.document import image_folder
from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.names import check_name, is_valid_name

__all__ = [
    "ANALYSIS",
    "ARRAYS",
    "CSV_GZ",
    "JSON",
    "JSON_GZ",
    "METADATA",
    "PARQUET",
    "PROVENANCE",
    "RESERVED",
    "VENDOR_HEADER",
    "array_names",
    "artifact_key",
    "is_artifact_key",
    "iter_analysis_files",
    "iter_artifact_keys",
    "provenance_key",
]

JSON = ".json"
JSON_GZ = ".json.gz"
"""Legacy: read where there is no ``.json``, never written."""
PARQUET = ".parquet"
CSV_GZ = ".csv.gz"
_SUFFIXES = (JSON, JSON_GZ, PARQUET, CSV_GZ)

METADATA = "metadata"
"""The JSON artifact that holds the metadata payload."""
PROVENANCE = "provenance"
"""The JSON artifact that says where an image came from."""
VENDOR_HEADER = "vendor_header"
"""The JSON artifact that keeps the vendor's texts as they were read: kind of text → text."""
RESERVED = frozenset({METADATA, PROVENANCE, VENDOR_HEADER})
"""Artifacts that a record keeps its own facts in."""

ANALYSIS = "analysis"
ARRAYS = "analysis_arrays"


def artifact_key(image_id: str, name: str, suffix: str) -> str:
    """The key of an artifact.

    Raises:
        InvalidNameError: The name cannot be a file everywhere.
    """
    if name not in RESERVED:  # these are asked for by the thousand
        check_name(name, kind="artifact")
    return f"{image_folder(image_id)}/{ANALYSIS}/{name}{suffix}"


def provenance_key(image_id: str) -> str:
    """The key of the artifact that says where an image came from."""
    return artifact_key(image_id, PROVENANCE, JSON)


def iter_artifact_keys(blobs: BlobStore, image_id: str) -> Iterator[str]:
    """The keys of all JSON, Parquet and CSV artifacts of a record, in order.

    A file whose name no artifact can have (``trace (copy).parquet``) is none.
    """
    for key in iter_analysis_files(blobs, image_id):
        if is_artifact_key(key, image_id):
            yield key


def iter_analysis_files(blobs: BlobStore, image_id: str) -> Iterator[str]:
    """The keys of all files where a record's artifacts lie, also of those that are none."""
    yield from _walk(blobs, f"{image_folder(image_id)}/{ANALYSIS}")


def array_names(blobs: BlobStore, image_id: str) -> list[str]:
    """The names of the folders where a record's arrays lie, sorted.

    A folder whose name no array can have (``scores (copy)``) is none.
    """
    folders = blobs.list_folder(f"{image_folder(image_id)}/{ARRAYS}").folders
    return [name for name in folders if is_valid_name(name, kind="array")]


def is_artifact_key(key: str, image_id: str) -> bool:
    """Whether an artifact can lie there."""
    inside = key.removeprefix(f"{image_folder(image_id)}/{ANALYSIS}/")
    return any(
        inside.endswith(suffix) and is_valid_name(inside.removesuffix(suffix), kind="artifact")
        for suffix in _SUFFIXES
    )


def _walk(blobs: BlobStore, folder: str) -> Iterator[str]:
    listing = blobs.list_folder(folder)
    for file in listing.files:
        yield f"{folder}/{file}"
    for inner in listing.folders:
        yield from _walk(blobs, f"{folder}/{inner}")
