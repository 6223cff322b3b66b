"""A dataset as plain files, and back: TIFF, JSON, CSV or Parquet, NPY.

`export` writes an export, `reader` reads and checks one, `ingest` adds it to a dataset, and
`manifest` describes the two documents that tie its files together.
"""
