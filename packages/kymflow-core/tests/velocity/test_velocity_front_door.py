"""What the package offers, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from kymflow.core.analysis import velocity


def test_public_names_are_these() -> None:
    assert velocity.__all__ == [
        "VELOCITY",
        "Direction",
        "DurationSurvival",
        "FlowInterval",
        "FlowIntervals",
        "IntervalKind",
        "Method",
        "StallRule",
        "VelocityParams",
        "VelocityResult",
        "VelocitySummary",
        "WindowStatus",
        "duration_survival",
        "estimate_velocity",
        "find_intervals",
        "summarize",
    ]
    assert all(hasattr(velocity, name) for name in velocity.__all__)


def test_importing_loads_no_optional_dependency() -> None:
    program = (
        "import sys, kymflow.core.analysis.velocity\n"
        "print(sorted({'numba', 'skimage', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.strip() == "[]"


def test_arrays_of_a_result_cannot_be_changed(flowing: Callable[..., NDArray[np.float64]]) -> None:
    result = velocity.estimate_velocity(flowing(1.0), seconds_per_line=1e-3, um_per_pixel=0.5)
    for array in (result.velocity_px_per_line, result.r2adj, result.status, result.center_line):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = array[1]


def test_result_shows_itself_in_one_line(flowing: Callable[..., NDArray[np.float64]]) -> None:
    result = velocity.estimate_velocity(flowing(1.0), seconds_per_line=1e-3, um_per_pixel=0.5)
    assert repr(result) == "<VelocityResult 197 windows, 197 with evidence, shear>"
