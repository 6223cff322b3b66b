"""Which files beside an image belong to it.

Beside an image ``<stem>.tif`` an artifact ``<name>`` is called::

    <stem>.<name>.<suffix>   with a suffix that its kind ingests

A file belongs to the image with the longest stem that fits: beside ``a.tif`` and ``a.b.tif``,
``a.b.c.json`` is the artifact ``c`` of ``a.b.tif``, ``a.c.json`` the artifact ``c`` of ``a.tif``.
Suffixes may be in capitals; stems and artifact names are compared exactly, on every platform.
``a.tif`` and ``a.tiff`` in one folder share their sidecars.
``<stem>.json`` and ``<stem>.metadata.json`` are the metadata payload, which a header reader reads.

A folder is listed once: `group_by_stem` sorts all its names, `find_sidecars` looks one image up.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

from kymflow_zarr._artifacts.kind import ArtifactKind
from kymflow_zarr._artifacts.registry import split_sidecar
from kymflow_zarr._readers.headers.payload import PAYLOAD_SUFFIXES


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """One artifact file beside an image.

    Attributes:
        name: The artifact's name, as in the file name; not checked against the store's rules.
        kind: The kind that ingests it.
        suffix: The one of the kind's suffixes that it has, in lower case.
        path: Where it is.
    """

    name: str
    kind: ArtifactKind
    suffix: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecars:
    """The artifact files that belong to one image.

    Attributes:
        artifacts: One file for each name and kind: of a table in several forms only the first of
            Parquet, CSV, compressed CSV.
        shadowed: The other forms, which are left out.
    """

    artifacts: tuple[Sidecar, ...] = ()
    shadowed: tuple[Sidecar, ...] = ()


def stem_of(image_name: str) -> str:
    """An image's name without its suffix."""
    return image_name.rpartition(".")[0]


def is_sidecar(name: str, *, stems: Set[str]) -> bool:
    """Whether a file is an artifact of another image, which has one of these stems."""
    owner = _owner(stem_of(name), stems)
    return owner is not None and split_sidecar(name[len(owner) + 1 :]) is not None


def group_by_stem(names: Iterable[str], *, images: Container[str]) -> dict[str, tuple[str, ...]]:
    """The names of the files beside each image of one folder, by the image's stem."""
    others = [name for name in names if name not in images]
    stems = {stem_of(name) for name in names if name in images}
    by_stem: dict[str, list[str]] = {}
    for name in others:
        owner = _owner(name, stems)
        if owner is not None:
            by_stem.setdefault(owner, []).append(name)
    return {stem: tuple(found) for stem, found in by_stem.items()}


def find_sidecars(path: Path, by_stem: Mapping[str, tuple[str, ...]]) -> Sidecars:
    """The artifact files that belong to an image, in the order of their names.

    The image need not exist. `by_stem` is what `group_by_stem` says of its folder.
    """
    stem = stem_of(path.name)
    found: list[Sidecar] = []
    for name in by_stem.get(stem, ()):
        artifact = split_sidecar(name[len(stem) + 1 :])
        if artifact is not None and name[len(stem) :].lower() not in PAYLOAD_SUFFIXES:
            artifact_name, kind, suffix = artifact
            found.append(
                Sidecar(name=artifact_name, kind=kind, suffix=suffix, path=path.with_name(name))
            )
    artifacts = tuple(sidecar for sidecar in found if _preferred(sidecar, found) is sidecar)
    return Sidecars(
        artifacts=artifacts,
        shadowed=tuple(sidecar for sidecar in found if sidecar not in artifacts),
    )


def _owner(name: str, stems: Set[str]) -> str | None:
    """The longest stem that the name starts with, up to a dot."""
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
