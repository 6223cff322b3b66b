"""What a person chooses for the pulse analysis, and the band of each species."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

from kymflow.core.analysis.params import Param

Species: TypeAlias = Literal["mouse", "rat", "zebrafish larva", "human"]

_BANDS_HZ: Final[Mapping[Species, tuple[float, float]]] = {
    "mouse": (4.0, 14.0),
    "rat": (3.5, 9.0),
    "zebrafish larva": (1.0, 5.0),
    "human": (0.6, 3.5),
}
"""Lowest and highest heart rate, from deep anaesthesia to exercise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseParams:
    """What a person chooses."""

    species: Annotated[Species, Param("whose heart: the band to search")] = "mouse"
    lowest_hz: Annotated[
        float | None, Param("lowest heart rate; if None, that of the species", unit="Hz", above=0)
    ] = None
    highest_hz: Annotated[
        float | None, Param("highest heart rate; if None, that of the species", unit="Hz", above=0)
    ] = None
    segment_s: Annotated[float, Param("length of a segment of rates", unit="s", above=0)] = 5.0
    least_beats: Annotated[
        int, Param("shortest recording, in beats of the lowest rate", minimum=4)
    ] = 10
    false_alarm: Annotated[
        float, Param("false-alarm probability above which a rate is unknown", above=0, below=1)
    ] = 0.002
    harmonics: Annotated[int, Param("most harmonics of the waveform", minimum=1, maximum=8)] = 4

    def band_hz(self) -> tuple[float, float]:
        """Lowest and highest heart rate."""
        low, high = _BANDS_HZ[self.species]
        return self.lowest_hz or low, self.highest_hz or high
