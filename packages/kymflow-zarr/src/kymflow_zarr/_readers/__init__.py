"""Reading image files and their vendor headers. Knows nothing of datasets or Zarr.

`open_tiff` gives shape, dtype, axes and pixels in blocks; `read_header` calibration, acquisition
time and vendor settings with the source of each.
"""

from __future__ import annotations

from kymflow_zarr._readers.axes import default_axes
from kymflow_zarr._readers.channels import channel_number, group_channels
from kymflow_zarr._readers.facts import Channel, Source
from kymflow_zarr._readers.files import FileFacts, stat_regular_file
from kymflow_zarr._readers.header import Header, HeaderOverrides, read_header
from kymflow_zarr._readers.limits import ReadLimits
from kymflow_zarr._readers.tiff import TiffImage, open_tiff
from kymflow_zarr._readers.tiff_metadata import TiffMetadata
from kymflow_zarr._readers.vendor_text import decode_vendor_text, read_vendor_text
from kymflow_zarr._storage.json_text import JsonValue

__all__ = [
    "Channel",
    "FileFacts",
    "Header",
    "HeaderOverrides",
    "JsonValue",
    "ReadLimits",
    "Source",
    "TiffImage",
    "TiffMetadata",
    "channel_number",
    "decode_vendor_text",
    "default_axes",
    "group_channels",
    "open_tiff",
    "read_header",
    "read_vendor_text",
    "stat_regular_file",
]
