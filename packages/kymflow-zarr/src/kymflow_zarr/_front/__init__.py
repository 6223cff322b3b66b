"""The views of an open dataset that `ZarrDataset` is put together from, one per file."""
