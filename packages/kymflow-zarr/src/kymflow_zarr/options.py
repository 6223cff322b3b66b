"""How files are ingested, where the defaults do not fit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from kymflow_zarr._readers.limits import ReadLimits

__all__ = ["ChannelFiles", "IngestOptions"]

ChannelFiles: TypeAlias = Literal["auto", "off"] | re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestOptions:
    """What `refresh_from_folder` and similar calls do with the files they find.

    Attributes:
        limits: How much a file may ask for.
        channels: Whether files whose names differ only in their channel (``_c1``, ``_C001T001``,
            ``C1-``, ``ChanA_`` …) are one image (``"auto"``), or one image each (``"off"``). An
            expression with one group says where in the name the channel's number or letter is.
        axes: A name for each dimension of the files, such as ``("x", "t")`` for images with time
            from left to right, which are transposed; None if the files name their axes, or time
            runs down.
        follow_links: Whether a symbolic link is read as the file that it points to; else it is
            refused. Its own name and folder count, as for DataLad or git-annex.
        sidecars: Whether results and metadata beside an image are ingested with it.
        strict: Whether an image is refused if something beside it has to be left out; by default
            it is ingested, and the outcome says what was left out.
        settle_seconds: How long a file must not have changed before it is ingested; until then it
            waits for a later run.
        new_copies: Whether pixels that are in the dataset already, from a path that is gone, become
            a new image; by default their image gets the new path.
        retry_failed: Whether files that could not be ingested are tried again although they have
            not changed since.
    """

    limits: ReadLimits = field(default_factory=ReadLimits)
    channels: ChannelFiles = "auto"
    axes: tuple[str, ...] | None = None
    follow_links: bool = False
    sidecars: bool = True
    strict: bool = False
    settle_seconds: float = 0.0
    new_copies: bool = False
    retry_failed: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.settle_seconds) and self.settle_seconds >= 0):
            raise ValueError(
                f"settle_seconds is {self.settle_seconds!r}; give a number of seconds, 0 or more"
            )
        if isinstance(self.channels, re.Pattern):
            if self.channels.groups != 1:
                raise ValueError(
                    f"channels {self.channels.pattern!r} has {self.channels.groups} groups; "
                    r"give it one that finds the channel's number, such as '_C(\d+)T'"
                )
        elif self.channels not in {"auto", "off"}:
            raise ValueError(
                f"unknown channels {self.channels!r}; choose 'auto', 'off' or a compiled expression"
            )
