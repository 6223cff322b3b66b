"""Arrays as Zarr v3: what the documents say, how chunks are coded, and reading them back checked.

`layout` decides (chunk shape, documents), `codec` turns one chunk into bytes and back, `writer`
and `reader` move whole arrays, `view` shows them to zarr-python. Every array carries the checksum
of each of its chunks in its own document, and each document a seal over itself, so that a missing,
swapped or altered piece is an error that names it.
"""
