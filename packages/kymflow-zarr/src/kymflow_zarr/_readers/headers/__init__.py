"""Headers beside image files, one module per kind."""
