"""How datasets and records look in a notebook."""
