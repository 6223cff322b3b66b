"""Reading image files and what lies beside them. Knows nothing of datasets or Zarr."""
