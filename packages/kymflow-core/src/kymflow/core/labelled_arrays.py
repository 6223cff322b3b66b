"""Images as labelled arrays, with times in seconds and places in µm (extra ``xarray``)."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from kymflow.core.errors import MissingExtraError
from kymflow.core.metadata import load_metadata, load_source
from kymflow_zarr.readers import quantity

if TYPE_CHECKING:
    import xarray

    from kymflow_zarr import ZarrImageRecord

_LONG_NAMES: Final = {"s": "time", "um": "position"}


def to_xarray(record: ZarrImageRecord) -> xarray.DataArray:
    """An image as a labelled array.

    Args:
        record: The image.

    Returns:
        Its pixels, with the dimensions of the image. Dimensions of known step have coordinates: in
        seconds for times, in µm for lengths, as their attribute ``units`` says. Attributes of the
        array are ``image_id``, ``file`` where there is one, and the fields of the experiment.

    Raises:
        MissingExtraError: xarray is not installed.
        MetadataError: The metadata of the image are malformed.
        CorruptDataError: Its pixels or metadata are damaged.
    """
    if importlib.util.find_spec("xarray") is None:
        raise MissingExtraError("xarray", "xarray", "a labelled array")
    import xarray

    metadata = load_metadata(record)
    experiment = metadata.experiment.to_json()
    said = {"file": load_source(record).file, **experiment}
    array = xarray.DataArray(
        record.load_array(),
        dims=record.get_axes(),
        coords={axis: (axis, values) for axis, values in record.get_coordinates().items()},
        name="intensity",
        attrs={
            "image_id": record.image_id,
            **{name: value for name, value in said.items() if value not in (None, "")},
        },
    )
    for axis, coordinate in array.coords.items():
        unit = _unit(str(axis), metadata.header.unit)
        coordinate.attrs.update(units=unit, long_name=_LONG_NAMES[unit])
    return array


def _unit(axis: str, units: Mapping[str, str]) -> str:
    """The unit of the coordinates along an axis of known step."""
    known = quantity(1.0, units.get(axis, ""))
    if known is not None:
        return known.unit
    return "s" if axis == "t" else "um"  # the header of a lab, which names no units by axis
