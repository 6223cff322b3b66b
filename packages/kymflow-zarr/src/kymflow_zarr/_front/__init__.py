"""What `ZarrDataset` is put together from.

`access` is an open dataset and `opening` opens one. `tables` and `sources` are its views;
`flat_names`, `caches`, `conversion` and `health` are parts of the class itself, one concern each.
"""
