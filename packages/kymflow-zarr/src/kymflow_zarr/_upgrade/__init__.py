"""From format 1 to format 2."""
