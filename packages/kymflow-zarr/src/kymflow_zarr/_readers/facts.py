"""What one source says about an image: the common shape of all readers' results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from typing import Final

from kymflow_zarr._readers.units import Quantity
from kymflow_zarr._storage.json_text import JsonValue

_SOURCE: Final = re.compile(r"[a-z][a-z0-9_]*")


class Rank(IntEnum):
    """How far a source is trusted: where two differ, the lower rank counts."""

    USER = 0
    """What the caller states."""
    HEADER_FILE = 10
    """The microscope's own file beside the image."""
    IMAGE_FILE = 20
    """The microscope's own metadata in the image file."""
    PAYLOAD = 30
    """The header of a metadata payload beside the image."""
    OME = 40
    """OME metadata."""
    IMAGEJ = 50
    """What ImageJ or Fiji wrote."""
    GENERIC = 60
    """What the file format alone tells, such as its axes."""
    DEFAULT = 70
    """Nothing but the number of dimensions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One detection channel.

    Attributes:
        name: Name given by the microscope; None when unknown.
        dye: Name of the dye; None when unknown.
        emission_nm: Emission wavelength in nm; None when unknown.
        laser_nm: Wavelength of the excitation laser in nm; None when unknown.
    """

    name: str | None = None
    dye: str | None = None
    emission_nm: float | None = None
    laser_nm: float | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Return the channel as a JSON object, unknown values as null."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that one source says about an image; what it does not say is empty or None.

    Attributes:
        source: The source's name, ``[a-z][a-z0-9_]*``, which the stored header gives for each
            value.
        rank: How far it is trusted.
        axes: A lower-case name per dimension of the image file: ``("t", "x")`` for lines over time.
        line_scan: Whether the image is a line scan, so that its rows are times.
        pixels: Number of pixels per axis, as declared.
        steps: Distance of two pixels per axis; ``t`` in seconds, the others in micrometres.
        acquired_local_epoch_ns: Time on the clock in the room, as ns since 1970 as if it were UTC.
        bits_per_pixel: Bits that the detector digitises.
        channels: The channels in order.
        vendor: Other settings under plain names.
        texts: The vendor's texts to keep as they were read, by name.
        metadata: Further entries of the metadata payload, such as ``experiment_metadata``.
        warnings: What is doubtful.
        elsewhere: Other files that hold further parts of the image, each with the channels in it.
    """

    source: str
    rank: Rank = Rank.IMAGE_FILE
    axes: tuple[str, ...] = ()
    line_scan: bool = False
    pixels: Mapping[str, int] = field(default_factory=dict)
    steps: Mapping[str, Quantity] = field(default_factory=dict)
    acquired_local_epoch_ns: int | None = None
    bits_per_pixel: int | None = None
    channels: tuple[Channel, ...] = ()
    vendor: Mapping[str, JsonValue] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    elsewhere: Mapping[str, tuple[Channel, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _SOURCE.fullmatch(self.source):
            raise ValueError(
                f"{self.source!r} cannot name a source; use lower-case letters, digits and _"
            )
