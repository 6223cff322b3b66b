"""All artifact kinds, by name, by suffix and by value.

A distribution offers a kind by an entry point whose target, called without arguments, makes it::

    [project.entry-points."kymflow_zarr.kinds"]
    note = "my_lab.notes:NoteKind"
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from itertools import product
from typing import Final

from kymflow_zarr._artifacts.array_kind import ARRAY
from kymflow_zarr._artifacts.csv_kind import CSV
from kymflow_zarr._artifacts.json_kind import JSON
from kymflow_zarr._artifacts.kind import ArtifactKind
from kymflow_zarr._artifacts.table_kind import TABLE
from kymflow_zarr._storage.names import is_valid_name
from kymflow_zarr.errors import ArtifactKindError, PluginWarning

_SUFFIX: Final = re.compile(r"(\.[a-z0-9]+)+")
_ROOT: Final = re.compile(r"(?!data$)[a-z0-9_-]+")  # the pixels are in ``data``
_GROUP: Final = "kymflow_zarr.kinds"


def artifact_kinds() -> tuple[ArtifactKind, ...]:
    """All kinds: the built-in ones, then those of other distributions, then registered ones."""
    return tuple(_known().values())


def register_kind(kind: ArtifactKind) -> None:
    """Add a kind: from then on its artifacts can be saved, loaded, listed, checked and exported.

    Only this process knows it. To make it known to every process, such as the workers of a pool,
    name it in an entry point of the group ``kymflow_zarr.kinds``.

    Raises:
        ArtifactKindError: Its name or one of its suffixes is in use, or is not allowed.
    """
    _add(kind, _known())


def unregister_kind(name: str) -> None:
    """Remove a kind. Its stored artifacts stay, and are unknown from then on.

    Raises:
        ArtifactKindError: There is no such kind.
    """
    del _known()[kind_named(name).name]


def kind_named(name: str) -> ArtifactKind:
    """The kind with a name.

    Raises:
        ArtifactKindError: There is none.
    """
    known = _known()
    if name not in known:
        raise ArtifactKindError(
            f"unknown artifact kind {name!r}; choose from {_listed(known)}, "
            "or add it with register_kind()",
            kinds=tuple(known),
        )
    return known[name]


def kind_of_value(value: object) -> ArtifactKind:
    """The kind that a value is saved as if none is named.

    Raises:
        ArtifactKindError: No kind accepts it, or more than one.
    """
    found = [kind for kind in artifact_kinds() if _accepts(kind, value)]
    if len(found) == 1:
        return found[0]
    names = tuple(kind.name for kind in found or artifact_kinds())
    raise ArtifactKindError(
        f"{'more than one' if found else 'no'} artifact kind accepts a "
        f"{type(value).__name__!r} by itself; say which with kind=, from {_listed(names)}",
        kinds=names,
    )


def _accepts(kind: ArtifactKind, value: object) -> bool:
    try:
        return bool(kind.accepts(value))
    except Exception as error:  # noqa: BLE001 - third-party code
        # Third-party code may raise anything: that must not keep values of other kinds from a save.
        warnings.warn(
            f"artifact kind {kind.name!r} cannot say whether it accepts a "
            f"{type(value).__name__!r} ({type(error).__name__}); update or uninstall its package",
            PluginWarning,
            stacklevel=4,
        )
        return False


def split_path(path: str) -> tuple[str, ArtifactKind] | None:
    """Name and kind of the artifact at a path, relative to its record's folder.

    None if no artifact can be there: no kind has the suffix, or the name is not allowed.
    """
    root, _, inside = path.partition("/")
    for kind in artifact_kinds():
        for suffix in kind.suffixes or ("",):
            if root == kind.root and inside.endswith(suffix):
                name = inside.removesuffix(suffix)
                return (name, kind) if kind.is_valid_name(name) else None
    return None


def split_sidecar(rest: str) -> tuple[str, ArtifactKind, str] | None:
    """Name, kind and suffix of a file beside an image; None if no kind ingests it.

    `rest` is the file's name after the image's stem and a dot: ``"fit.json"``.
    """
    lowered = rest.lower()
    for kind in artifact_kinds():
        for suffix in kind.sidecar_suffixes:
            if lowered.endswith(suffix) and len(rest) > len(suffix):
                return rest[: -len(suffix)], kind, suffix
    return None


@cache
def _known() -> dict[str, ArtifactKind]:
    """All kinds by name; those of other distributions are loaded once."""
    known: dict[str, ArtifactKind] = {kind.name: kind for kind in (JSON, TABLE, CSV, ARRAY)}
    for point in sorted(entry_points(group=_GROUP), key=lambda point: point.name):
        try:
            _add(_load(point), known)
        except ArtifactKindError as error:
            origin = point.value if point.dist is None else point.dist.name
            warnings.warn(
                f"the artifact kind {point.name!r} of {origin!r} is not used: {error}",
                PluginWarning,
                stacklevel=2,
            )
    return known


def _load(point: EntryPoint) -> object:
    try:
        made: object = point.load()()
    except (Exception, SystemExit) as error:
        # Third-party code may raise anything: it makes this plug-in unusable, and no other.
        raise ArtifactKindError(
            f"{type(error).__name__}: {error}; update or uninstall that package",
            kinds=(point.name,),
        ) from error
    return made


def _add(kind: object, known: dict[str, ArtifactKind]) -> None:
    if not isinstance(kind, ArtifactKind):
        raise ArtifactKindError(
            f"{kind!r} is not an artifact kind; make an object of a subclass of ArtifactKind",
            kinds=(),
        )
    name: object = getattr(kind, "name", None)
    if not isinstance(name, str) or not is_valid_name(name, kind="artifact kind"):
        raise ArtifactKindError(
            f"{name!r} is not allowed as the name of an artifact kind; "
            "give it an attribute name of letters and digits, such as 'note'",
            kinds=(),
        )
    root: object = kind.root
    if not isinstance(root, str) or not _ROOT.fullmatch(root):
        raise ArtifactKindError(
            f"{root!r} is not allowed as the folder of artifact kind {name!r}; "
            "use one name of lower-case letters and digits, such as 'notes', but not 'data'",
            kinds=(name,),
        )
    suffixes: tuple[object, ...] = (getattr(kind, "suffixes", None), kind.sidecar_suffixes)
    for given in suffixes:
        if not isinstance(given, tuple):
            raise ArtifactKindError(
                f"the suffixes of artifact kind {name!r} are {given!r}; "
                "give a tuple, such as ('.md',)",
                kinds=(name,),
            )
    every: tuple[object, ...] = (*kind.suffixes, *kind.sidecar_suffixes)
    for suffix in every:
        if not isinstance(suffix, str) or not _SUFFIX.fullmatch(suffix):
            raise ArtifactKindError(
                f"{suffix!r} is not allowed as a suffix of artifact kind {kind.name!r}; "
                "use a dot with lower-case letters and digits, such as '.md'",
                kinds=(kind.name,),
            )
    for other in known.values():
        if kind.name == other.name or _clash(kind, other):
            raise ArtifactKindError(
                f"artifact kind {kind.name!r} clashes with the registered kind {other.name!r}; "
                "choose another name and other suffixes",
                kinds=(kind.name, other.name),
            )
    known[kind.name] = kind


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
