"""The file that an image was made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath, PureWindowsPath
from typing import TYPE_CHECKING

from kymflow_zarr import ArtifactNotFoundError

if TYPE_CHECKING:
    from kymflow_zarr import ZarrImageRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an image comes from.

    Attributes:
        path: The file, perhaps on another system; None for an image that was made in memory.
        supersedes: The image that was made of an earlier state of this file; None if there is none.
        scene: Which of the file's images it is; None if the file is one image.
    """

    path: PurePath | None = None
    supersedes: str | None = None
    scene: str | None = None

    @property
    def file(self) -> str | None:
        """The name of the file."""
        return None if self.path is None else self.path.name

    @property
    def folders(self) -> tuple[str, ...]:
        """The names of its folders, the innermost last."""
        if self.path is None:
            return ()
        parent = self.path.parent
        return tuple(part for part in parent.parts if part != parent.anchor)


def load_source(record: ZarrImageRecord) -> Source:
    """Where an image comes from.

    Raises:
        CorruptDataError: The provenance is damaged.
    """
    try:
        provenance = record.load_json("provenance")
    except ArtifactNotFoundError:
        return Source()
    source = provenance.get("source") if isinstance(provenance, dict) else None
    if not isinstance(source, dict):
        return Source()
    path, supersedes, scene = map(source.get, ("primary_path", "supersedes", "scene"))
    return Source(
        path=_pure_path(path) if isinstance(path, str) and path else None,
        supersedes=supersedes if isinstance(supersedes, str) else None,
        scene=scene if isinstance(scene, str) else None,
    )


def _pure_path(path: str) -> PurePath:
    return (PureWindowsPath if "\\" in path else PurePath)(path)
