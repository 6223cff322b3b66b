"""What one source says about an image: the common shape of all vendor readers' results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from kymflow_zarr._readers.units import Quantity
from kymflow_zarr._storage.json_text import JsonValue

__all__ = ["Channel", "Facts", "Source"]

Source: TypeAlias = Literal[
    "user", "vendor_text", "vendor_tiff", "sidecar", "ome", "imagej", "tiff", "default"
]
"""Where a value comes from; `header` says how they rank."""


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
        return {
            "name": self.name,
            "dye": self.dye,
            "emission_nm": self.emission_nm,
            "laser_nm": self.laser_nm,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that one source tells; what it does not tell is empty or None.

    Attributes:
        source: Which source.
        axes: Axis names in the order of the array's dimensions.
        line_scan: Whether the source says that the image is a line scan (lines over time).
        pixels: Number of pixels per axis, as declared.
        steps: Distance of two pixels per axis; ``t`` in seconds, the others in micrometres.
        acquired_local_epoch_ns: Wall time of the acquisition, see `clock`.
        bits_per_pixel: Bits that the detector digitises.
        channels: The channels in order.
        vendor: Other settings under plain names.
        warnings: What is doubtful.
    """

    source: Source
    axes: tuple[str, ...] = ()
    line_scan: bool = False
    pixels: Mapping[str, int] = field(default_factory=dict)
    steps: Mapping[str, Quantity] = field(default_factory=dict)
    acquired_local_epoch_ns: int | None = None
    bits_per_pixel: int | None = None
    channels: tuple[Channel, ...] = ()
    vendor: Mapping[str, JsonValue] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
