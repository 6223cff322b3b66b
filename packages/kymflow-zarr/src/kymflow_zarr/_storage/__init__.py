"""Bytes under keys: where they are stored, how they are published, who may write.

A dataset is one key space. `blobs.BlobStore` is the narrow protocol over it; `local.LocalBlobs`
serves a folder, `key_blobs.KeyBlobs` an object store or any open Zarr store.
Nothing here knows what a record or a table is.
"""
