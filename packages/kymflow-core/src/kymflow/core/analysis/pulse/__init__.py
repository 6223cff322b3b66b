"""Heart rate and pulsatility from velocity over time: `PULSE` is the analysis."""

from __future__ import annotations

from kymflow.core.analysis.pulse.analysis import PULSE, PulseParams, Species

__all__ = ["PULSE", "PulseParams", "Species"]
