"""Result files beside an image, staged as artifacts of its record."""

from __future__ import annotations

from collections.abc import Iterable

from kymflow_zarr._artifacts.sidecars import Sidecar
from kymflow_zarr._records.build import stage_artifact
from kymflow_zarr._records.facts import OWN_NAMES
from kymflow_zarr._storage.blobs import Staging
from kymflow_zarr.errors import InvalidNameError, SchemaValidationError, UnreadableImageError
from kymflow_zarr.options import IngestOptions

__all__ = ["stage_sidecars"]


def stage_sidecars(
    staging: Staging, image_id: str, sidecars: Iterable[Sidecar], *, options: IngestOptions
) -> list[str]:
    """Stage sidecars, each as an artifact of its kind.

    Args:
        staging: A staging of the folder ``images``.
        image_id: The record that they belong to.
        sidecars: The files.
        options: How large they may be, and whether links are followed.

    Returns:
        The paths of the artifacts, relative to the record's folder.

    Raises:
        UnreadableImageError: A file cannot be read, or the store cannot hold what it holds.
        InvalidNameError: An artifact cannot have its name, or two differ only in case.
    """
    claimed: set[str] = set()
    staged: list[str] = []
    for sidecar in sidecars:
        name, kind = sidecar.name, sidecar.kind
        kind.check_name(name)
        if name.lower() in OWN_NAMES:
            raise InvalidNameError(
                name, kind=kind.name, reason="the record keeps its own facts there"
            )
        claim = kind.path(name).lower()
        if claim in claimed:
            raise InvalidNameError(
                name, kind=kind.name, reason="another file beside the image has it, too"
            )
        claimed.add(claim)
        value = kind.read_file(
            sidecar.path,
            max_bytes=options.limits.max_sidecar_bytes,
            follow_links=options.follow_links,
        )
        try:
            staged.append(stage_artifact(staging, image_id, kind, name, value))
        except SchemaValidationError as error:
            raise UnreadableImageError(sidecar.path, str(error)) from error
    return staged
