"""Bytes under keys: where they are stored, how they are published, who may write.

A dataset is one key space. `blobs.BlobStore` is the narrow protocol over it; `local.LocalBlobs`
serves a folder, `zarr_blobs.ZarrStoreBlobs` any open Zarr store (in memory, or in a cloud).
Nothing here knows what a record or a table is.
"""
