"""Artifact kinds: what a result can be, and how to add a kind.

JSON, tables, gzipped CSV and arrays are built in. Your own kind is a subclass of
`ArtifactKind` with a name, a suffix, `encode` and `decode`, and one call of `register_kind`.
"""

from __future__ import annotations

from kymflow_zarr._artifacts.array_kind import LabeledArray
from kymflow_zarr._artifacts.kind import ArtifactKind
from kymflow_zarr._artifacts.registry import artifact_kinds, register_kind, unregister_kind
from kymflow_zarr._records.artifacts import RecordArtifacts, StoredArtifact
from kymflow_zarr._storage.blobs import BlobStat, BlobStore, FolderListing, PutFile, Staging

__all__ = [
    "ArtifactKind",
    "BlobStat",
    "BlobStore",
    "FolderListing",
    "LabeledArray",
    "PutFile",
    "RecordArtifacts",
    "Staging",
    "StoredArtifact",
    "artifact_kinds",
    "register_kind",
    "unregister_kind",
]
