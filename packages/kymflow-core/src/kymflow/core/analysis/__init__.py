"""Analyses of kymographs: pure functions on arrays, and what stores their results."""
