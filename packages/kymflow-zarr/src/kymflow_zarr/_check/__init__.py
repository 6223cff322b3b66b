"""Checking a dataset for damage, and repairing what can be repaired without guessing."""
