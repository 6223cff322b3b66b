"""Reading image files and the headers beside them. Knows nothing of datasets or Zarr."""
