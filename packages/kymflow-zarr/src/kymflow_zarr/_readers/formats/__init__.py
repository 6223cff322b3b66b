"""Readers of microscopes' own formats, one file each; the library behind each is an extra."""
