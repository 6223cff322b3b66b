"""Which readers there are: the built-in ones, those of other distributions, and registered ones.

A distribution offers a reader by an entry point whose target, called without arguments, makes it::

    [project.entry-points."kymflow_zarr.readers"]
    npy = "my_lab.frames:NpyReader"

Readers of headers beside image files go to the group ``kymflow_zarr.headers``. Plug-ins are loaded
once per process, when the first folder is looked at.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from typing import Final, Generic, Literal, Protocol, TypeAlias, TypeVar

from kymflow_zarr._readers.protocols import HeaderReader, ImageReader
from kymflow_zarr.errors import PluginWarning, ReaderError


class _Plugin(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def suffixes(self) -> tuple[str, ...]: ...


T = TypeVar("T", bound=_Plugin)

ReaderRole: TypeAlias = Literal["reader", "header"]

_OWN: Final = "kymflow-zarr"
_SUFFIX: Final = re.compile(r"(\.[a-z0-9_-]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderInfo:
    """What is known of a reader, usable or not.

    Attributes:
        name: Its name.
        role: ``"reader"`` for image files, ``"header"`` for what lies beside them.
        summary: What it says of itself, in a line.
        suffixes: The endings of its files; empty if it cannot be used.
        distribution: Where it comes from; empty if it was registered in this process.
        version: That distribution's version; empty if it has none.
        problem: Why it cannot be used; empty if it can.
    """

    name: str
    role: ReaderRole
    summary: str = ""
    suffixes: tuple[str, ...] = ()
    distribution: str = ""
    version: str = ""
    problem: str = ""


class Registry(Generic[T]):
    """All plug-ins of one role: built-in, of other distributions by name, registered.

    `built_in` has the name and ``module:class`` of each that comes with this package.
    """

    def __init__(
        self, *, role: ReaderRole, protocol: type[T], built_in: Iterable[tuple[str, str]]
    ) -> None:
        self._role: ReaderRole = role
        self._protocol = protocol
        self._built_in = tuple(built_in)
        self._loaded: list[tuple[ReaderInfo, T | None]] | None = None

    def usable(self) -> tuple[T, ...]:
        """All that can be used, the last one added first and the built-in ones last.

        So a reader can take what a built-in one would, such as the TIFFs of one microscope.
        """
        return tuple(plugin for _, plugin in reversed(self._load()) if plugin is not None)

    def infos(self) -> tuple[ReaderInfo, ...]:
        """All there are, also those that cannot be used."""
        return tuple(info for info, _ in self._load())

    def register(self, plugin: T) -> None:
        """Add one for this process.

        Raises:
            ReaderError: It lacks a part of its protocol, or its name is in use.
        """
        loaded = self._load()
        loaded.append((self._info(self._check(plugin)), plugin))

    def unregister(self, name: str) -> None:
        """Remove one that was registered in this process; those of distributions stay."""
        loaded = self._load()
        self._loaded = [item for item in loaded if item[0].distribution or item[0].name != name]

    def _load(self) -> list[tuple[ReaderInfo, T | None]]:
        """What is known of each plug-in, and the plug-in, or None where it cannot be used."""
        if self._loaded is None:
            self._loaded = []
            group = f"kymflow_zarr.{self._role}s"
            points = [
                *(EntryPoint(name=name, value=at, group=group) for name, at in self._built_in),
                *sorted(entry_points(group=group), key=lambda point: point.name),
            ]
            for point in points:
                self._loaded.append(self._from_entry_point(point))
        return self._loaded

    def _from_entry_point(self, point: EntryPoint) -> tuple[ReaderInfo, T | None]:
        """Load one; a broken one is a warning that names it."""
        distribution = _OWN if point.dist is None else point.dist.name
        version = "" if point.dist is None else point.dist.version
        try:
            plugin = self._check(_make(point))
            if plugin.name != point.name:
                raise ReaderError(f"it calls itself {plugin.name!r}")
        except ReaderError as error:
            warnings.warn(
                f"the {self._role} {point.name!r} of {distribution!r} is not used: {error}; "
                "update or uninstall that package",
                PluginWarning,
                stacklevel=2,
            )
            info = ReaderInfo(name=point.name, role=self._role, problem=str(error))
            return replace(info, distribution=distribution, version=version), None
        return replace(self._info(plugin), distribution=distribution, version=version), plugin

    def _info(self, plugin: T) -> ReaderInfo:
        summary, _, _ = (type(plugin).__doc__ or "").strip().partition("\n")
        return ReaderInfo(
            name=plugin.name, role=self._role, summary=summary, suffixes=plugin.suffixes
        )

    def _check(self, made: object) -> T:
        """Refuse what is not such a plug-in, or has the name of another."""
        if not isinstance(made, self._protocol):
            members = {name for name in vars(self._protocol) if name[0] != "_"}
            lacks = sorted(members.difference(dir(made)))
            raise ReaderError(f"it is not a {self._role}, it lacks {', '.join(lacks)}")
        if isinstance(made, type):
            raise ReaderError(f"it is a class, not a {self._role}; call it")
        suffixes: object = made.suffixes
        if not isinstance(suffixes, tuple) or not suffixes or not all(map(_is_suffix, suffixes)):
            raise ReaderError(f"its suffixes are {suffixes!r}; give endings such as ('.npy',)")
        for info, _ in self._loaded or ():
            if info.name == made.name:
                origin = info.distribution or "this process"
                raise ReaderError(f"{origin!r} has a {self._role} of this name; rename one of them")
        return made


def _make(point: EntryPoint) -> object:
    try:
        made: object = point.load()()
    except (Exception, SystemExit) as error:
        # Third-party code may raise anything: that makes this plug-in unusable, and no other.
        raise ReaderError(f"{type(error).__name__}: {error}") from error
    return made


def _is_suffix(suffix: object) -> bool:
    return isinstance(suffix, str) and _SUFFIX.fullmatch(suffix) is not None


READERS: Final[Registry[ImageReader]] = Registry(
    role="reader",
    protocol=ImageReader,  # type: ignore[type-abstract]
    built_in=[
        ("tiff", "kymflow_zarr._readers.tiff_reader:TiffReader"),
        ("oir", "kymflow_zarr._readers.formats.oir:OirReader"),
        ("oif", "kymflow_zarr._readers.formats.oif:OifReader"),
        ("czi", "kymflow_zarr._readers.formats.czi:CziReader"),
        ("lif", "kymflow_zarr._readers.formats.lif:LifReader"),
        ("nd2", "kymflow_zarr._readers.formats.nd2:Nd2Reader"),
    ],
)
HEADERS: Final[Registry[HeaderReader]] = Registry(
    role="header",
    protocol=HeaderReader,  # type: ignore[type-abstract]
    built_in=[
        ("kymflow_toml", "kymflow_zarr._readers.headers.folder_calibration:FolderCalibration"),
        ("olympus_txt", "kymflow_zarr._readers.headers.olympus_txt:OlympusTextHeader"),
        ("prairie", "kymflow_zarr._readers.headers.prairie:PrairieHeader"),
        ("thor", "kymflow_zarr._readers.headers.thor:ThorHeader"),
        ("micro_manager", "kymflow_zarr._readers.headers.micro_manager:MicroManagerHeader"),
        ("payload", "kymflow_zarr._readers.headers.payload:PayloadHeader"),
    ],
)
