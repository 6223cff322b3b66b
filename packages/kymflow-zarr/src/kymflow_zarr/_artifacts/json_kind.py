"""JSON documents: text that a person may open and edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kymflow_zarr._artifacts.kind import ArtifactKind
from kymflow_zarr._storage.gunzip import gunzip_bounded
from kymflow_zarr._storage.json_text import MAX_BYTES, JsonValue, dumps, loads

_GZIP_MAGIC: Final = b"\x1f\x8b"


class JsonKind(ArtifactKind):
    """JSON values. ``.json.gz`` is legacy: read where there is no ``.json``, never written."""

    name = "json"
    suffixes = (".json", ".json.gz")
    sidecar_suffixes = (".json",)
    max_file_bytes = MAX_BYTES

    def accepts(self, value: object) -> bool:
        """What JSON has: null, booleans, numbers, texts, lists and mappings."""
        return value is None or isinstance(value, bool | int | float | str | list | tuple | Mapping)

    def encode(self, value: Any) -> bytes:
        """Indented UTF-8."""
        return dumps(dict(value) if isinstance(value, Mapping) else value)

    def decode(self, data: bytes, *, key: str) -> JsonValue:
        """Strict JSON of bounded size and depth."""
        # Prototypes wrote plain text under the .gz name, too.
        if key.endswith(".gz") and data.startswith(_GZIP_MAGIC):
            data = gunzip_bounded(data, key=key)
        return loads(data, key=key)


JSON: Final = JsonKind()
