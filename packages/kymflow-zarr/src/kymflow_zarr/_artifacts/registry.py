"""All artifact kinds, by name, by suffix and by value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product
from typing import Final

from kymflow_zarr._artifacts.array_kind import ARRAY
from kymflow_zarr._artifacts.csv_kind import CSV
from kymflow_zarr._artifacts.json_kind import JSON
from kymflow_zarr._artifacts.kind import ArtifactKind
from kymflow_zarr._artifacts.table_kind import TABLE
from kymflow_zarr.errors import ArtifactKindError

__all__ = [
    "artifact_kinds",
    "kind_named",
    "kind_of_value",
    "register_kind",
    "split_path",
    "split_sidecar",
    "unregister_kind",
]

_SUFFIX: Final = re.compile(r"(\.[a-z0-9]+)+")
_kinds: Final[dict[str, ArtifactKind]] = {kind.name: kind for kind in (JSON, TABLE, CSV, ARRAY)}


def artifact_kinds() -> tuple[ArtifactKind, ...]:
    """All kinds, the built-in ones first."""
    return tuple(_kinds.values())


def register_kind(kind: ArtifactKind) -> None:
    """Add a kind: from then on its artifacts can be saved, loaded, listed, checked and exported.

    Each process that works with them has to do this, workers of a pool included.

    Raises:
        ArtifactKindError: Its name or one of its suffixes is in use, or is not allowed.
    """
    for suffix in (*kind.suffixes, *kind.sidecar_suffixes):
        if not _SUFFIX.fullmatch(suffix):
            raise ArtifactKindError(
                f"{suffix!r} is not allowed as a suffix of artifact kind {kind.name!r}; "
                "use a dot with lower-case letters and digits, such as '.md'",
                kinds=(kind.name,),
            )
    for other in _kinds.values():
        if kind.name == other.name or _clash(kind, other):
            raise ArtifactKindError(
                f"artifact kind {kind.name!r} clashes with the registered kind {other.name!r}; "
                "choose another name and other suffixes",
                kinds=(kind.name, other.name),
            )
    _kinds[kind.name] = kind


def unregister_kind(name: str) -> None:
    """Remove a kind. Its stored artifacts stay, and are unknown from then on.

    Raises:
        ArtifactKindError: There is no such kind.
    """
    del _kinds[kind_named(name).name]


def kind_named(name: str) -> ArtifactKind:
    """The kind with a name.

    Raises:
        ArtifactKindError: There is none.
    """
    try:
        return _kinds[name]
    except KeyError:
        raise ArtifactKindError(
            f"unknown artifact kind {name!r}; choose from {_listed(_kinds)}, "
            "or add it with register_kind()",
            kinds=tuple(_kinds),
        ) from None


def kind_of_value(value: object) -> ArtifactKind:
    """The kind that a value is saved as if none is named.

    Raises:
        ArtifactKindError: No kind accepts it, or more than one.
    """
    found = [kind for kind in _kinds.values() if kind.accepts(value)]
    if len(found) == 1:
        return found[0]
    names = tuple(kind.name for kind in found or _kinds.values())
    raise ArtifactKindError(
        f"{'more than one' if found else 'no'} artifact kind accepts a "
        f"{type(value).__name__!r} by itself; say which with kind=, from {_listed(names)}",
        kinds=names,
    )


def split_path(path: str) -> tuple[str, ArtifactKind] | None:
    """Name and kind of the artifact at a path, relative to its record's folder.

    None if no artifact can be there: no kind has the suffix, or the name is not allowed.
    """
    root, _, inside = path.partition("/")
    for kind in _kinds.values():
        for suffix in kind.suffixes or ("",):
            if root == kind.root and inside.endswith(suffix):
                name = inside.removesuffix(suffix)
                return (name, kind) if kind.is_valid_name(name) else None
    return None


def split_sidecar(rest: str) -> tuple[str, ArtifactKind, str] | None:
    """Name, kind and suffix of a file beside an image; None if no kind takes it in.

    Args:
        rest: The file's name after the image's stem and a dot: ``"fit.json"``.
    """
    lowered = rest.lower()
    for kind in _kinds.values():
        for suffix in kind.sidecar_suffixes:
            if lowered.endswith(suffix) and len(rest) > len(suffix):
                return rest[: -len(suffix)], kind, suffix
    return None


def _clash(kind: ArtifactKind, other: ArtifactKind) -> bool:
    """Whether one file could be an artifact of either kind."""
    pairs = [
        *product(kind.suffixes, other.suffixes),
        *product(kind.sidecar_suffixes, other.sidecar_suffixes),
    ]
    return any(one.endswith(two) or two.endswith(one) for one, two in pairs) or (
        kind.root == other.root and (kind.is_folder or other.is_folder)
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))
