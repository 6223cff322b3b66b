"""Result files beside an image, staged as artifacts of its record."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from kymflow_zarr._artifacts.kind import encoded
from kymflow_zarr._artifacts.sidecars import Sidecar, Sidecars
from kymflow_zarr._catalog.source_issue import SourceIssue
from kymflow_zarr._records.build import stage_artifact
from kymflow_zarr._records.document import image_folder
from kymflow_zarr._records.facts import OWN_NAMES
from kymflow_zarr._storage.blobs import BlobStore, Staging
from kymflow_zarr.errors import (
    CorruptDataError,
    InvalidNameError,
    NotFoundError,
    UnreadableImageError,
)
from kymflow_zarr.options import IngestOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedSidecars:
    """What became of the sidecars of one image.

    Attributes:
        staged: Those that are artifacts of the staged record.
        digests: Where the artifacts are, relative to the record's folder → the SHA-256 of each as
            an export has it.
        left_out: Those that are not, each with the reason.
    """

    staged: tuple[Sidecar, ...]
    digests: Mapping[str, str]
    left_out: tuple[UnreadableImageError, ...]

    def issues(self) -> tuple[SourceIssue, ...]:
        """What was left out."""
        return tuple(
            SourceIssue(file=error.path.name, kind="sidecar_left_out", message=error.reason)
            for error in self.left_out
        )


def stage_sidecars(
    staging: Staging, image_id: str, sidecars: Sidecars, *, options: IngestOptions
) -> StagedSidecars:
    """Stage sidecars of a record, each as an artifact of its kind."""
    claims: set[str] = set()
    digests: dict[str, str] = {}
    staged: list[Sidecar] = []
    left_out = [
        UnreadableImageError(
            sidecar.path,
            f"another form of {sidecar.name!r} lies beside the image and is ingested instead; "
            "remove one of the two",
        )
        for sidecar in sidecars.shadowed
    ]
    for sidecar in sidecars.artifacts:
        claim = sidecar.kind.path(sidecar.name).lower()
        try:
            if claim in claims:
                raise UnreadableImageError(
                    sidecar.path, "the name of another sidecar differs only in case; rename one"
                )
            path, digest = _stage(staging, image_id, sidecar, options)
        except UnreadableImageError as error:
            left_out.append(error)
        else:
            claims.add(claim)
            digests[path] = digest
            staged.append(sidecar)
    return StagedSidecars(staged=tuple(staged), digests=digests, left_out=tuple(left_out))


def read_sidecar(sidecar: Sidecar, options: IngestOptions) -> Any:
    """The value of a sidecar.

    Raises:
        UnreadableImageError: It cannot be read, or cannot have its name in a record.
    """
    try:
        sidecar.kind.check_name(sidecar.name)
    except InvalidNameError as error:
        raise UnreadableImageError(sidecar.path, str(error)) from error
    if sidecar.name.lower() in OWN_NAMES:
        raise UnreadableImageError(
            sidecar.path,
            f"the record keeps its own facts under the name {sidecar.name!r}; rename the file",
        )
    return sidecar.kind.read_file(
        sidecar.path,
        max_bytes=options.limits.max_sidecar_bytes,
        follow_links=options.follow_links,
    )


def stored_digest(blobs: BlobStore, image_id: str, sidecar: Sidecar) -> str | None:
    """The SHA-256 of a sidecar's artifact as it is exported; None if it cannot be read."""
    stream = io.BytesIO()
    try:
        key = f"{image_folder(image_id)}/{sidecar.kind.path(sidecar.name)}"
        sidecar.kind.export(blobs, key, stream)
    except (CorruptDataError, NotFoundError):
        return None
    return sha256(stream.getbuffer()).hexdigest()


def _stage(
    staging: Staging, image_id: str, sidecar: Sidecar, options: IngestOptions
) -> tuple[str, str]:
    value, kind = read_sidecar(sidecar, options), sidecar.kind
    content = sha256()
    try:
        if kind.is_folder:  # an export makes one file of it
            content.update(encoded(kind, value))
        on_write = None if kind.is_folder else content.update
        path = stage_artifact(staging, image_id, kind, sidecar.name, value, on_write=on_write)
        return path, content.hexdigest()
    except (TypeError, ValueError) as error:  # as `ArtifactKind.encode` refuses values
        raise UnreadableImageError(sidecar.path, str(error)) from error
