"""Parameters that several verbs share, so that they mean the same everywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import Parameter
from cyclopts.validators import Number

from kymflow.cli.progress import Progress

if TYPE_CHECKING:
    from kymflow_zarr import IngestOptions
    from kymflow_zarr.options import ChannelFiles

DEFAULT_PATTERNS = ("*",)
"""All files that an installed reader takes."""

DEFAULT_WAIT_S = 10.0

Durability: TypeAlias = Literal["record", "batch", "none"]

ProgressParam: TypeAlias = Annotated[Progress, Parameter(parse=False)]
"""Filled in by `kymflow.cli.app`, never on the command line."""

Patterns: TypeAlias = Annotated[
    tuple[str, ...],
    Parameter(name=["--pattern", "-p"], show_default=lambda _: "all that a reader takes"),
]
Recursive: TypeAlias = Annotated[bool, Parameter(name=["--recursive", "-r"])]
DryRun: TypeAlias = Annotated[bool, Parameter(name=["--dry-run", "-n"])]
Workers: TypeAlias = Annotated[
    int | None,
    Parameter(name=["--workers", "-w"], validator=Number(gte=1), show_default=lambda _: "cores"),
]
Rows: TypeAlias = Annotated[int | None, Parameter(validator=Number(gte=0))]
Wait: TypeAlias = Annotated[float, Parameter(validator=Number(gte=0))]


def _channel_files(text: str) -> ChannelFiles:
    rules: dict[str, ChannelFiles] = {"auto": "auto", "off": "off"}
    try:
        return rules.get(text) or re.compile(text)
    except re.error as error:
        raise ValueError(
            f"{text!r} is not a regular expression: {error}; give auto, off or one like '_C(\\d+)T'"
        ) from error


def _check_channels(_: object, text: str) -> None:
    """Refuse what no image can be grouped by, as a mistake in the command line."""
    from kymflow_zarr import IngestOptions

    IngestOptions(channels=_channel_files(text))


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class IngestFlags:
    """How a folder is ingested: the options of ``ingest`` and ``refresh``.

    Attributes:
        pattern: Which files; may be given several times.
        recursive: Include subfolders.
        changed: Read changed files again: new pixels become a new image, and the old one stays;
            metadata and results that came later are added, and results that changed replace the
            old ones, unless someone has edited those.
        retry: Try again the files that failed before and have not changed since.
        strict: Refuse an image if a file beside it cannot be read, instead of leaving that file
            out.
        settle: Ingest only files that have not changed for this many seconds.
        new_copies: Make a new image if a file has moved, instead of updating its path.
        follow_links: Read symbolic links as the files that they point to, as for DataLad.
        channels: Which files are channels of one image: those with the names that microscopes give
            them (auto), none (off), or an expression with one group for the channel's number.
        axes: Axes of the files, with commas between them; images with time across (x,t) are
            transposed.
        dry_run: Show what would be done, and do nothing.
        workers: How many files are read at a time.
        durability: What survives a power cut once reported: each image on its own (record), in
            groups (batch), or nothing is promised (none).
        wait: How many seconds to wait for another writer.
    """

    pattern: Patterns = DEFAULT_PATTERNS
    recursive: Recursive = False
    changed: Annotated[bool, Parameter(name="--changed")] = False
    retry: Annotated[bool, Parameter(name="--retry")] = False
    strict: Annotated[bool, Parameter(name="--strict")] = False
    settle: Annotated[float, Parameter(name="--settle", validator=Number(gte=0))] = 0.0
    new_copies: Annotated[bool, Parameter(name="--new-copies")] = False
    follow_links: Annotated[bool, Parameter(name="--follow-links")] = False
    channels: Annotated[str, Parameter(name="--channels", validator=_check_channels)] = "auto"
    axes: Annotated[str | None, Parameter(name="--axes")] = None
    dry_run: DryRun = False
    workers: Workers = None
    durability: Durability = "batch"
    wait: Wait = DEFAULT_WAIT_S

    def for_store(self) -> IngestOptions:
        """The part of this that the store is asked for."""
        from kymflow_zarr import IngestOptions

        return IngestOptions(
            follow_links=self.follow_links,
            strict=self.strict,
            settle_seconds=self.settle,
            new_copies=self.new_copies,
            retry_failed=self.retry,
            channels=_channel_files(self.channels),
            axes=None if self.axes is None else tuple(self.axes.split(",")),
        )
