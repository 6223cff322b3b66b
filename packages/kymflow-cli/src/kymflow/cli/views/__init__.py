"""Results as text: `view` turns any result into blocks of lines.

Each module registers the views of some verbs; importing this package makes all of them known.
"""

from __future__ import annotations

from kymflow.cli.views import fill, keep, look, other, rows
from kymflow.cli.views.base import Block, Screen, view

__all__ = ["Block", "Screen", "fill", "keep", "look", "other", "rows", "view"]
