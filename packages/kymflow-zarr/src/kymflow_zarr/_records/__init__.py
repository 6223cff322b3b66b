"""One image's record: the document that commits it, its artifacts, and building it."""
