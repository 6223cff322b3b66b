"""Results beside a TIFF: ``<stem>.json`` (metadata payload) and ``<stem>.<name>.<kind>``.

Kinds are ``json``, ``parquet`` or ``csv`` (``csv.gz`` is read, too) and ``npy``. Every file is
replaced in one step: whoever looks sees the old one or the new one. What is written here, an ingest
of the TIFF takes in.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from kymflow_zarr._pixels.codec import AnyArray
from kymflow_zarr._pixels.layout import check_dtype
from kymflow_zarr._readers import (
    Sidecar,
    SidecarKind,
    find_sidecars,
    list_folder,
    load_array_sidecar,
    load_table_sidecar,
)
from kymflow_zarr._readers.files import read_bounded
from kymflow_zarr._records.artifacts import RESERVED
from kymflow_zarr._storage.durability import sync_file
from kymflow_zarr._storage.json_text import MAX_BYTES, JsonValue, dumps, loads
from kymflow_zarr._storage.names import check_no_collision, check_segment
from kymflow_zarr._tables.frames import frame_to_table
from kymflow_zarr._tables.parquet import ROW_GROUP_ROWS, open_parquet_writer
from kymflow_zarr.errors import (
    ArtifactNotFoundError,
    CorruptDataError,
    InvalidNameError,
    MetadataNotFoundError,
)
from kymflow_zarr.experimental_stores.stores.base import Artifact, ArtifactKind

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SidecarArtifactStore", "TableForm"]

TableForm: TypeAlias = Literal["parquet", "csv"]

_KINDS: Final[Mapping[SidecarKind, ArtifactKind]] = {
    "json": "json",
    "csv": "table",
    "csv.gz": "table",
    "parquet": "table",
    "npy": "array",
}


class SidecarArtifactStore:
    """Reads and writes the files beside a TIFF. See `base.ArtifactStore`.

    Args:
        table_form: How tables are written. Parquet keeps types; CSV opens anywhere.
    """

    def __init__(self, *, table_form: TableForm = "parquet") -> None:
        self._table_form: TableForm = table_form

    def load_metadata_payload(self, source_key: str) -> dict[str, JsonValue]:
        """The payload in ``<stem>.json``."""
        path = Path(source_key)
        found = find_sidecars(path, list_folder(_names(path))).metadata
        if found is None:
            raise MetadataNotFoundError(f"{path.stem}.json", image_id=source_key)
        payload = _load_json(found)
        if not isinstance(payload, dict):
            raise CorruptDataError(str(found), "the metadata payload is no JSON object")
        return payload

    def save_metadata_payload(self, source_key: str, payload: Mapping[str, Any]) -> None:
        """Replace ``<stem>.json``; made if it is not there."""
        path = Path(source_key)
        found = find_sidecars(path, list_folder(_names(path))).metadata
        _write(found or path.with_name(f"{path.stem}.json"), dumps(dict(payload)))

    def list_artifacts(self, source_key: str) -> tuple[Artifact, ...]:
        """The results beside the file; of a table in several forms one."""
        return tuple(
            Artifact(name=sidecar.name, kind=_KINDS[sidecar.kind])
            for sidecar in sorted(_sidecars(source_key), key=lambda item: (item.name, item.kind))
        )

    def load_json(self, source_key: str, name: str) -> JsonValue:
        """The document in ``<stem>.<name>.json``."""
        return _load_json(_find(source_key, name, "json").path)

    def save_json(self, source_key: str, name: str, value: JsonValue) -> None:
        """Write ``<stem>.<name>.json``."""
        _write(_place(source_key, name, "json"), dumps(value))

    def load_df(self, source_key: str, name: str) -> pd.DataFrame:
        """The table in ``<stem>.<name>.parquet``, else ``.csv``, else ``.csv.gz``."""
        return load_table_sidecar(_find(source_key, name, "table"))

    def save_df(self, source_key: str, name: str, df: pd.DataFrame) -> None:
        """Write a table, in place of one of this name in any form."""
        place = _place(source_key, name, self._table_form)
        if self._table_form == "csv":
            text: str = df.to_csv(index=False, lineterminator="\n")
            data = text.encode("utf-8")
        else:
            rows = frame_to_table(df, what=f"sidecar {place.name!r}")
            stream = io.BytesIO()
            with open_parquet_writer(stream, rows.schema) as writer:
                writer.write_table(rows, row_group_size=ROW_GROUP_ROWS)
            data = stream.getvalue()
        _write(place, data)
        path = Path(source_key)
        found = find_sidecars(path, list_folder(_names(path)))
        for sidecar in (*found.artifacts, *found.shadowed):
            same = sidecar.name == name and _KINDS[sidecar.kind] == "table"
            if same and sidecar.path != place:
                sidecar.path.unlink()

    def load_array(self, source_key: str, name: str) -> AnyArray:
        """The array in ``<stem>.<name>.npy``."""
        return load_array_sidecar(_find(source_key, name, "array").path)

    def save_array(self, source_key: str, name: str, array: AnyArray) -> None:
        """Write ``<stem>.<name>.npy``, little-endian and in C order."""
        plain = np.ascontiguousarray(array, dtype=check_dtype(array.dtype)).reshape(array.shape)
        stream = io.BytesIO()
        np.lib.format.write_array(stream, plain, allow_pickle=False)
        _write(_place(source_key, name, "npy"), stream.getvalue())


def _names(path: Path) -> list[str]:
    return [found.name for found in path.parent.iterdir()]


def _sidecars(source_key: str) -> tuple[Sidecar, ...]:
    path = Path(source_key)
    return find_sidecars(path, list_folder(_names(path))).artifacts


def _find(source_key: str, name: str, kind: ArtifactKind) -> Sidecar:
    for sidecar in _sidecars(source_key):
        if sidecar.name == name and _KINDS[sidecar.kind] == kind:
            return sidecar
    key = f"{Path(source_key).stem}.{name}"
    raise ArtifactNotFoundError(key, image_id=source_key, name=name)


def _load_json(path: Path) -> JsonValue:
    return loads(read_bounded(path, limit=MAX_BYTES), key=str(path))


def _place(source_key: str, name: str, kind: SidecarKind) -> Path:
    """The file of an artifact that is to be written.

    Raises:
        InvalidNameError: The name is none for a file, or the file would be another image's.
    """
    path = Path(source_key)
    check_segment(name, kind="sidecar")
    if name.lower() in RESERVED:
        raise InvalidNameError(name, kind="sidecar", reason="a record keeps its own facts there")
    place = path.with_name(f"{path.stem}.{name}.{kind}")
    names = _names(path)
    check_no_collision(place.name, names, kind="sidecar")
    listing = list_folder({*names, path.name, place.name})
    found = find_sidecars(path, listing)
    claimed = {(item.name, item.path) for item in (*found.artifacts, *found.shadowed)}
    if (name, place) not in claimed:
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
