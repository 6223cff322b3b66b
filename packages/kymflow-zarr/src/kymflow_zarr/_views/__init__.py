"""How datasets and records show themselves in a notebook."""
