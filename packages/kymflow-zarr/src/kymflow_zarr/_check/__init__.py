"""Finding what is wrong with a dataset, and mending what can be mended without guessing."""
