"""Which files beside an image belong to it.

Beside ``<stem>.tif`` or ``<stem>.tiff`` stand::

    <stem>.json              metadata payload
    <stem>.txt               vendor header
    <stem>.<name>.<suffix>   artifact <name>, of the kind that takes this suffix in

A file belongs to the image with the longest stem that fits: beside ``a.tif`` and ``a.b.tif``,
``a.b.json`` is the metadata payload of ``a.b.tif``, ``a.c.json`` the artifact ``c`` of ``a.tif``.
Suffixes may be in capitals; stems and artifact names are compared exactly, on every platform.
``a.tif`` and ``a.tiff`` in one folder share their sidecars.

A folder is listed once: `list_folder` sorts all its names, `find_sidecars` looks one image up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kymflow_zarr._artifacts.kind import ArtifactKind
from kymflow_zarr._artifacts.registry import split_sidecar

__all__ = ["FolderListing", "Sidecar", "Sidecars", "find_sidecars", "list_folder"]

_IMAGE_SUFFIXES: Final = (".tif", ".tiff")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """One artifact file beside an image.

    Attributes:
        name: The artifact's name, as in the file name; not checked against the store's rules.
        kind: The kind that takes it in.
        suffix: The one of the kind's suffixes that it has, in lower case.
        path: Where it is.
    """

    name: str
    kind: ArtifactKind
    suffix: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecars:
    """The files that belong to one image.

    Attributes:
        metadata: ``<stem>.json``; None when absent.
        vendor_text: ``<stem>.txt``; None when absent.
        artifacts: Artifact files, one for each name and kind: of a table in several forms only the
            first of Parquet, CSV, compressed CSV.
        shadowed: The other forms, which are left out.
    """

    metadata: Path | None
    vendor_text: Path | None
    artifacts: tuple[Sidecar, ...]
    shadowed: tuple[Sidecar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderListing:
    """The names in one folder, sorted by the image that they belong to.

    Attributes:
        images: Names of the images.
        by_stem: Names of the other files, by the stem of the image that they belong to.
    """

    images: tuple[str, ...]
    by_stem: Mapping[str, tuple[str, ...]]


def list_folder(names: Iterable[str]) -> FolderListing:
    """Sort the names of one folder.

    Args:
        names: Names of the files in the folder, without the folder.

    Returns:
        The listing that `find_sidecars` looks images up in.
    """
    ordered = sorted(names)
    images = tuple(name for name in ordered if name.lower().endswith(_IMAGE_SUFFIXES))
    stems = {_stem(name) for name in images}
    by_stem: dict[str, list[str]] = {}
    for name in ordered:
        owner = None if name.lower().endswith(_IMAGE_SUFFIXES) else _owner(name, stems)
        if owner is not None:
            by_stem.setdefault(owner, []).append(name)
    return FolderListing(
        images=images, by_stem={stem: tuple(found) for stem, found in by_stem.items()}
    )


def find_sidecars(path: Path, listing: FolderListing) -> Sidecars:
    """Return the files that belong to an image.

    Args:
        path: The image; need not exist.
        listing: Listing of its folder.

    Returns:
        Its sidecars, in the order of their names.
    """
    stem = _stem(path.name)
    metadata: Path | None = None
    vendor_text: Path | None = None
    found: list[Sidecar] = []
    for name in listing.by_stem.get(stem, ()):
        rest = name[len(stem) + 1 :]
        sidecar_path = path.with_name(name)
        if rest.lower() == "json":
            metadata = metadata or sidecar_path
        elif rest.lower() == "txt":
            vendor_text = vendor_text or sidecar_path
        else:
            artifact = split_sidecar(rest)
            if artifact is not None:
                artifact_name, kind, suffix = artifact
                found.append(
                    Sidecar(name=artifact_name, kind=kind, suffix=suffix, path=sidecar_path)
                )
    artifacts = tuple(sidecar for sidecar in found if _preferred(sidecar, found) is sidecar)
    return Sidecars(
        metadata=metadata,
        vendor_text=vendor_text,
        artifacts=artifacts,
        shadowed=tuple(sidecar for sidecar in found if sidecar not in artifacts),
    )


def _stem(image_name: str) -> str:
    return image_name.rpartition(".")[0]


def _owner(name: str, stems: set[str]) -> str | None:
    """Return the longest stem that the name continues with a dot."""
    end = name.rfind(".")
    while end > 0:
        if name[:end] in stems:
            return name[:end]
        end = name.rfind(".", 0, end)
    return None


def _preferred(sidecar: Sidecar, found: list[Sidecar]) -> Sidecar:
    """The file that counts of those with the same name and kind."""
    kind = sidecar.kind
    same = [other for other in found if (other.name, other.kind) == (sidecar.name, kind)]
    return min(same, key=lambda other: kind.sidecar_suffixes.index(other.suffix))
