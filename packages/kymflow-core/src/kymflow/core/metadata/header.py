"""The header: what the files said about an image when it was ingested."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from kymflow.core.metadata.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kymflow_zarr import JsonValue

_LATEST_NS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is known of an image's acquisition. What is not known is None or missing, never assumed.

    Attributes:
        shape: The pixels' shape.
        dtype: The pixels' type, like ``uint16``.
        axes: A name for each dimension; ``("t", "x")`` is a kymograph.
        scale: Distance of two neighbours along an axis, in `unit`; axes of unknown scale are left
            out.
        unit: ``"s"`` or ``"um"`` for each axis with a scale.
        acquired_local_epoch_ns: When it was recorded, by the clock on the wall there, as ns since
            1970.
        bits_per_pixel: How many bits the detector digitises: saturation is ``2**bits - 1``.
        extra: All other fields, as they are.
    """

    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    axes: tuple[str, ...] | None = None
    scale: Mapping[str, float] = field(default_factory=dict)
    unit: Mapping[str, str] = field(default_factory=dict)
    acquired_local_epoch_ns: int | None = None
    bits_per_pixel: int | None = None
    extra: Mapping[str, JsonValue] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: JsonValue) -> Header:
        """Read a header; absent fields are fine.

        Raises:
            MetadataError: A field is malformed.
        """
        fields = Fields(value, "header")
        scale, unit = fields.object("scale"), fields.object("unit")
        steps = {name: scale.number(name) for name in scale.names()} if scale else {}
        units = {name: unit.text(name) for name in unit.names()} if unit else {}
        for name, step in steps.items():
            if step is not None and step <= 0:
                raise fields.malformed(f"scale.{name}", f"is {step!r}, not above 0")
        bits = fields.integer("bits_per_pixel", least=1)
        if bits is not None and bits > 64:
            raise fields.malformed("bits_per_pixel", f"is {bits!r}, above 64")
        acquired = fields.integer("acquired_local_epoch_ns")
        if acquired is not None and abs(acquired) > _LATEST_NS:
            raise fields.malformed("acquired_local_epoch_ns", f"is {acquired!r}, beyond 64 bits")
        return cls(
            shape=fields.sizes("shape"),
            dtype=fields.text("dtype"),
            axes=fields.texts("axes"),
            scale={name: step for name, step in steps.items() if step is not None},
            unit={name: text for name, text in units.items() if text is not None},
            acquired_local_epoch_ns=acquired,
            bits_per_pixel=bits,
            extra=fields.rest(),
        )

    def to_json(self) -> dict[str, JsonValue]:
        """The header as JSON; what is unknown is left out."""
        known: dict[str, JsonValue] = {
            "shape": None if self.shape is None else list(self.shape),
            "dtype": self.dtype,
            "axes": None if self.axes is None else list(self.axes),
            "scale": dict(self.scale) or None,
            "unit": dict(self.unit) or None,
            "acquired_local_epoch_ns": self.acquired_local_epoch_ns,
            "bits_per_pixel": self.bits_per_pixel,
        }
        return {**{name: value for name, value in known.items() if value is not None}, **self.extra}

    def step(self, axis: str, unit: str) -> float | None:
        """The scale of an axis, if it is known in this very unit.

        Args:
            axis: ``"t"`` for lines, ``"x"`` for pixels along a line.
            unit: ``"s"`` or ``"um"``.
        """
        return self.scale.get(axis) if self.unit.get(axis) == unit else None
