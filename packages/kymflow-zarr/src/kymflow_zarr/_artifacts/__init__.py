"""Artifact kinds: how a value is stored, checked, exported, and ingested from a file.

`kind` says what a kind is, `registry` knows them all, and each of the others is one of them.
"""
