"""A dataset as plain files, and back: TIFF, JSON, CSV or Parquet, NPY.

`export` writes, `reader` tells what an export holds, `ingest` takes it into a dataset. `manifest`
describes the two documents that tie the files together.
"""
