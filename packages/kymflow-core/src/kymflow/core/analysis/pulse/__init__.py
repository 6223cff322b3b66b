"""Heart rate and pulsatility from velocity over time: `PULSE` is the analysis."""

from __future__ import annotations

from kymflow.core.analysis.pulse._params import PulseParams, Species
from kymflow.core.analysis.pulse.analysis import PULSE

__all__ = ["PULSE", "PulseParams", "Species"]
