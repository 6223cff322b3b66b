"""Results beside an image file: ``<stem>.<name>.<suffix>``, and the metadata payload.

The payload is ``<stem>.json`` where there is one, else ``<stem>.metadata.json``. Every file is
replaced in one step, so that a reader sees the old one or the new one. What is written here, an
ingest of the image reads.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from kymflow_zarr._artifacts.json_kind import JSON
from kymflow_zarr._artifacts.kind import ArtifactKind
from kymflow_zarr._artifacts.registry import kind_named
from kymflow_zarr._artifacts.sidecars import Sidecar, Sidecars, find_sidecars, group_by_stem
from kymflow_zarr._artifacts.table_kind import TABLE
from kymflow_zarr._ingest.folder import images_in, list_folder
from kymflow_zarr._readers.headers.payload import PayloadHeader
from kymflow_zarr._records.facts import OWN_NAMES
from kymflow_zarr._storage.durability import sync_file
from kymflow_zarr._storage.json_text import JsonValue
from kymflow_zarr._storage.names import check_no_collision, check_segment
from kymflow_zarr.errors import (
    ArtifactKindError,
    ArtifactNotFoundError,
    CorruptDataError,
    InvalidNameError,
    MetadataNotFoundError,
    UnreadableImageError,
)
from kymflow_zarr.experimental_stores.stores.base import Artifact, ArtifactStore

TableForm: TypeAlias = Literal["parquet", "csv"]


class SidecarArtifactStore(ArtifactStore):
    """Reads and writes the files beside an image. See `base.ArtifactStore`.

    Args:
        table_form: How tables are written. Parquet keeps types; CSV opens anywhere.
    """

    def __init__(self, *, table_form: TableForm = "parquet") -> None:
        self._table_suffix = f".{table_form}"

    def load_metadata_payload(self, source_key: str) -> dict[str, JsonValue]:
        """The payload in ``<stem>.json``, else in ``<stem>.metadata.json``."""
        path = Path(source_key)
        found = PayloadHeader().find(path, list_folder(path.parent))
        if found is None:
            raise MetadataNotFoundError(f"{path.stem}.metadata.json", image_id=source_key)
        payload = _read(found, JSON)
        if not isinstance(payload, dict):
            raise CorruptDataError(str(found), "the metadata payload is not a JSON object")
        return payload

    def save_metadata_payload(self, source_key: str, payload: Mapping[str, Any]) -> None:
        """Replace the payload; ``<stem>.metadata.json`` is created if there is none."""
        path = Path(source_key)
        found = PayloadHeader().find(path, list_folder(path.parent))
        _write(found or path.with_name(f"{path.stem}.metadata.json"), JSON.encode(payload))

    def list_artifacts(self, source_key: str) -> tuple[Artifact, ...]:
        """The results beside the file; of a table in several forms one."""
        found = sorted((item.name, item.kind.name) for item in _sidecars(source_key).artifacts)
        return tuple(Artifact(name=name, kind=kind) for name, kind in found)

    def load(self, source_key: str, name: str, kind: str) -> Any:
        """The value in ``<stem>.<name>.<suffix>``; of a table in several forms, that in Parquet."""
        found = _of_kind(_sidecars(source_key), name, kind_named(kind))
        if not found:
            key = f"{Path(source_key).stem}.{name}"
            raise ArtifactNotFoundError(key, image_id=source_key, name=name)
        return _read(found[0].path, found[0].kind)

    def save(self, source_key: str, name: str, value: Any, kind: str) -> None:
        """Write ``<stem>.<name>.<suffix>``, in place of one in any form."""
        found = kind_named(kind)
        if not found.sidecar_suffixes:
            raise ArtifactKindError(
                f"artifact kind {kind!r} has no form beside an image; choose another", kinds=(kind,)
            )
        suffix = self._table_suffix if found is TABLE else found.sidecar_suffixes[0]
        place = _place(source_key, name, found, suffix)
        _write(place, found.encode_file(value, suffix))
        for other in _of_kind(_sidecars(source_key), name, found):
            if other.path != place:
                other.path.unlink()


def _names(path: Path) -> list[str]:
    return [found.name for found in path.parent.iterdir()]


def _sidecars(source_key: str, *more: str) -> Sidecars:
    """The files beside an image, as if others were there, too."""
    path = Path(source_key)
    listing = list_folder(path.parent, {*_names(path), path.name, *more})
    return find_sidecars(path, group_by_stem(listing.names, images=images_in(listing)))


def _of_kind(found: Sidecars, name: str, kind: ArtifactKind) -> list[Sidecar]:
    """The files of an artifact, the one that counts first."""
    files = (*found.artifacts, *found.shadowed)
    return [file for file in files if file.name == name and file.kind is kind]


def _read(path: Path, kind: ArtifactKind) -> Any:
    try:
        return kind.read_file(path)
    except UnreadableImageError as error:
        raise CorruptDataError(str(path), error.reason) from error


def _place(source_key: str, name: str, kind: ArtifactKind, suffix: str) -> Path:
    """The file of an artifact that is to be written.

    Raises:
        InvalidNameError: It cannot be the name of a file, or the file would be another image's.
    """
    path = Path(source_key)
    check_segment(name, kind="sidecar")
    if name.lower() in OWN_NAMES:
        raise InvalidNameError(name, kind="sidecar", reason="a record keeps its own facts there")
    place = path.with_name(f"{path.stem}.{name}{suffix}")
    names = _names(path)
    check_no_collision(place.name, names, kind="sidecar")
    found = _sidecars(source_key, place.name)
    if place not in [file.path for file in _of_kind(found, name, kind)]:
        raise InvalidNameError(
            name, kind="sidecar", reason=f"{place.name!r} would belong to another image"
        )
    return place


def _write(place: Path, data: bytes) -> None:
    """Put a file in its place in one step."""
    temporary = place.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            sync_file(stream.fileno())
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)
