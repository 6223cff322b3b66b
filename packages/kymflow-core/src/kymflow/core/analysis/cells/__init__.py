"""Cells in a vessel, counted in the column of blood: `CELLS` is the analysis."""

from __future__ import annotations

from kymflow.core.analysis.cells.analysis import CELLS, CellsParams

__all__ = ["CELLS", "CellsParams"]
