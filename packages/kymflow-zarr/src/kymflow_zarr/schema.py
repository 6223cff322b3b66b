"""Format versions, and the document at a dataset's root that names one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar

from kymflow_zarr._storage.blobs import BlobStore
from kymflow_zarr._storage.json_text import JsonValue, loads
from kymflow_zarr._storage.seal import BLANK_SEAL, sealed_bytes, unseal_zarr, without_consolidated
from kymflow_zarr.errors import CorruptDataError, NotADatasetError, UnsupportedFormatError

__all__ = ["DatasetSchema", "software_version", "utc_now"]

_ROOT = "zarr.json"
_ROOT_V1 = (".zgroup", ".zattrs")
_FORMAT_V1 = "kymflow_zarr_v1"


@cache
def software_version() -> str:
    """Name and version of this package, as written into what it creates."""
    try:
        return f"kymflow-zarr {version('kymflow-zarr')}"
    except PackageNotFoundError:  # imported from a source tree that is not installed
        return "kymflow-zarr (not installed)"


def utc_now() -> str:
    """The time now as ``2026-01-31T12:00:00.000000Z``, which sorts as text."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSchema:
    """Which format a dataset has.

    Attributes:
        version: 1 (Zarr v2, written by prototypes) or 2.
        created_utc: When it was created; empty where format 1 does not say.
        software: What created it; empty where format 1 does not say.
    """

    FORMAT: ClassVar[str] = "kymflow_zarr"
    CURRENT: ClassVar[int] = 2
    SUPPORTED: ClassVar[tuple[int, ...]] = (1, 2)

    version: int
    created_utc: str
    software: str

    @classmethod
    def new(cls) -> DatasetSchema:
        """The schema of a dataset created now by this software."""
        return cls(version=cls.CURRENT, created_utc=utc_now(), software=software_version())

    @classmethod
    def read(cls, blobs: BlobStore) -> DatasetSchema | None:
        """The schema of the dataset in a store, or None where there is no dataset.

        Raises:
            UnsupportedFormatError: It was written by a newer version.
            NotADatasetError: There is a Zarr group, but not one of ours.
            CorruptDataError: The root document is damaged.
        """
        if (data := blobs.get(_ROOT)) is None:
            group, attributes = map(blobs.get, _ROOT_V1)
            data = blobs.get(_ROOT)  # an upgrade may have replaced the others since
            if data is None:
                return None if group is None else cls._from_root_v1(blobs.location, attributes)
        return cls._from_root(blobs.location, data)

    def write(self, blobs: BlobStore) -> None:
        """Write the root document: from then on there is a dataset."""
        blobs.put(_ROOT, sealed_bytes(self.to_json()))

    def to_json(self) -> dict[str, JsonValue]:
        """The document with a blank seal."""
        attributes: dict[str, JsonValue] = {
            "format": self.FORMAT,
            "schema_version": self.version,
            "created_utc": self.created_utc,
            "software": self.software,
            "seal": BLANK_SEAL,
        }
        return {"zarr_format": 3, "node_type": "group", "attributes": attributes}

    @classmethod
    def _from_root(cls, location: str, data: bytes) -> DatasetSchema:
        # The version first: a newer format may seal its documents in another way.
        data = without_consolidated(data)
        attributes = _attributes(loads(data, key=_ROOT, finite=False), key=_ROOT)
        if attributes.get("format") != cls.FORMAT:
            raise NotADatasetError(
                location, "it is a Zarr group of another kind", hint="name another path"
            )
        cls._check_version(location, attributes, supported=2)
        unseal_zarr(data, key=_ROOT, as_written=cls.as_written)
        return cls._from_attributes(attributes)

    @classmethod
    def _from_attributes(cls, attributes: dict[str, JsonValue]) -> DatasetSchema:
        return cls(
            version=cls.CURRENT,
            created_utc=_text(attributes, "created_utc"),
            software=_text(attributes, "software"),
        )

    @classmethod
    def as_written(cls, parsed: JsonValue) -> dict[str, JsonValue]:
        """See `seal.AsWritten`."""
        return cls._from_attributes(_attributes(parsed, key=_ROOT)).to_json()

    @classmethod
    def _from_root_v1(cls, location: str, data: bytes | None) -> DatasetSchema:
        attributes = loads(data, key=_ROOT_V1[1]) if data is not None else {}
        if not isinstance(attributes, dict) or attributes.get("format") != _FORMAT_V1:
            raise NotADatasetError(
                location, "it is a Zarr group of another kind", hint="name another path"
            )
        cls._check_version(location, attributes, supported=1)
        created = attributes.get("created_utc")
        return cls(version=1, created_utc=created if isinstance(created, str) else "", software="")

    @classmethod
    def _check_version(
        cls, location: str, attributes: dict[str, JsonValue], *, supported: int
    ) -> None:
        found = attributes.get("schema_version")
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            raise CorruptDataError(_ROOT, f"its schema_version is {found!r}")
        if found > cls.CURRENT:
            raise UnsupportedFormatError(
                location,
                found=found,
                supported=cls.SUPPORTED,
                hint="install a newer kymflow-zarr",
            )
        if found != supported:
            raise CorruptDataError(
                _ROOT, f"it says schema_version {found} in a Zarr v3 or v2 group"
            )


def _attributes(document: JsonValue, *, key: str) -> dict[str, JsonValue]:
    if isinstance(document, dict):
        attributes = document.get("attributes", {})
        if isinstance(attributes, dict):
            return attributes
    raise CorruptDataError(key, "it is not a Zarr v3 group document")


def _text(attributes: dict[str, JsonValue], name: str) -> str:
    value = attributes.get(name)
    if not isinstance(value, str):
        raise CorruptDataError(_ROOT, f"its {name} is {value!r} instead of text")
    return value
