"""How much R²adj pure noise reaches."""

from __future__ import annotations

import numpy as np

from kymflow.core.analysis.velocity._grid import ShearPlan

__all__ = ["noise_threshold"]

FLOOR = 0.2


def noise_threshold(plan: ShearPlan) -> float:
    """x."""
    spread = np.sqrt(2.0 * plan.noise_sum) / np.maximum(plan.degrees - plan.noise_sum, 1.0)
    return max(FLOOR, float(1.0 * spread.max()))
