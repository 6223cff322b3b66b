"""Compile the analysis beforehand, so that the first border is not slow."""

from __future__ import annotations

import threading

import numpy as np

from kymflow.core.analysis import Calibration, Region
from kymflow.core.analysis.velocity import VELOCITY, VelocityParams


def warm_up(shown: threading.Event) -> None:
    """Run the analysis once.

    Args:
        shown: Set when a recording is on the screen. Until then the processor is needed for that.
    """
    shown.wait()
    pixels = np.random.default_rng(0).poisson(20.0, (64, 32))
    region = Region(channel=1, roi_id=None, z=0, lines=(0, 64), pixels=(0, 32))
    unknown = Calibration(seconds_per_line=None, um_per_pixel=None, dwell_seconds=None)
    VELOCITY.compute(pixels, unknown, VelocityParams(), region)
