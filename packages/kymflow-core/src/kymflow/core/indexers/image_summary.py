"""`image_summary`: brightness of each channel of each image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import numpy as np

from kymflow.core.metadata import load_metadata
from kymflow.core.provenance import params_hash

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from kymflow_zarr import JsonValue, ZarrImageRecord

Pixels: TypeAlias = np.ndarray[Any, np.dtype[Any]]

_PERCENTILES: Final = (1, 99)
_STATISTICS: Final = ("mean", "std", "min", "max", "p01", "p99")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """The largest value that a pixel can have.

    Attributes:
        level: The value; None for floats, which have none.
        source: ``"header"`` if the detector's bits are known, else ``"dtype"``; ``"none"``.
    """

    level: int | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSummary:
    """One row per image and channel: shape, mean, spread, extremes, share of saturated pixels.

    Columns: ``channel`` (from 1; the image's ``c`` axis, or the one channel there is), ``shape`` of
    that channel (like ``30000x38``), ``mean``, ``std``, ``min``, ``max``, ``p01``, ``p99`` (over
    finite pixels, percentiles interpolated linearly), ``saturation_level`` with
    ``saturation_source``, and ``saturated_fraction`` of all pixels at or above that level.
    """

    name: ClassVar[str] = "image_summary"

    def columns(self) -> pa.Schema:
        """The columns."""
        import pyarrow as pa

        types: dict[str, pa.DataType] = {
            "channel": pa.int64(),
            "shape": pa.string(),
            **dict.fromkeys(_STATISTICS, pa.float64()),
            "saturation_level": pa.float64(),
            "saturation_source": pa.string(),
            "saturated_fraction": pa.float64(),
        }
        return pa.schema(types)

    def extract_rows(self, rec: ZarrImageRecord) -> pd.DataFrame:
        """One row per channel."""
        import pandas as pd

        saturation = _saturation(rec)
        return pd.DataFrame(
            [
                {"channel": number, **_summary(pixels, saturation)}
                for number, pixels in enumerate(_channels(rec), start=1)
            ]
        )

    def params(self, rec: ZarrImageRecord) -> dict[str, JsonValue]:
        """The pixels, and what is computed from them."""
        saturation = _saturation(rec)
        return {
            # Pixels are write-once, so the id stands for them where there is no digest (format 1).
            "pixels": rec.pixels_digest or f"image:{rec.image_id}",
            "axes": list(rec.get_axes()),
            "percentiles": list(_PERCENTILES),
            "saturation_level": None if saturation.level is None else float(saturation.level),
            "saturation_source": saturation.source,
        }

    def params_hash(self, rec: ZarrImageRecord) -> str:
        """The hash of `params`."""
        return params_hash(self.params(rec))

    def analysis_version(self) -> str:
        """The version of this computation."""
        return "1"


def _channels(rec: ZarrImageRecord) -> list[Pixels]:
    pixels = rec.load_array()
    axes = rec.get_axes()
    if "c" not in axes:
        return [pixels]
    return list(np.moveaxis(pixels, axes.index("c"), 0))


def _saturation(rec: ZarrImageRecord) -> Saturation:
    if rec.dtype.kind == "f":
        return Saturation(level=None, source="none")
    most = 1 if rec.dtype.kind == "b" else int(np.iinfo(rec.dtype).max)
    bits = load_metadata(rec).header.bits_per_pixel
    if bits is not None and 2**bits - 1 <= most:
        return Saturation(level=2**bits - 1, source="header")
    return Saturation(level=most, source="dtype")


def _summary(pixels: Pixels, saturation: Saturation) -> dict[str, object]:
    values = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels.ravel()
    if values.dtype.kind == "b":
        values = values.astype(np.uint8)
    if values.size:
        low, high = np.percentile(values, _PERCENTILES)
        statistics: tuple[float, ...] = (
            values.mean(dtype=np.float64),
            values.std(dtype=np.float64),
            values.min(),
            values.max(),
            low,
            high,
        )
    else:
        statistics = (np.nan,) * len(_STATISTICS)
    fraction = None
    if saturation.level is not None:
        fraction = np.count_nonzero(pixels >= saturation.level) / pixels.size
    return {
        "shape": "x".join(str(length) for length in pixels.shape),
        **{name: float(value) for name, value in zip(_STATISTICS, statistics, strict=True)},
        "saturation_level": saturation.level,
        "saturation_source": saturation.source,
        "saturated_fraction": fraction,
    }
