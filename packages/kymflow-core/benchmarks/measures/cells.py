"""How well `cells` counts cells that are known, against troughs of a column and projection.

Run ``hatch run bench:cells``, with ``--count 10`` for the figures in docs/cells.md. With a folder
of real recordings, their halves are compared, too: ``--recordings FOLDER``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis import Calibration
from kymflow.core.analysis.cells import CELLS
from kymflow.core.testing import compute_result, simulate_cells

CALIBRATION = Calibration(seconds_per_line=1e-3, um_per_pixel=0.4, dwell_seconds=None)
REAL = Calibration(seconds_per_line=1.134e-3, um_per_pixel=0.45, dwell_seconds=None)
"""Of the real recordings."""
LINES = 5000
PIXELS = 40
CELL_PX = 16.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Cells in a vessel.

    Attributes:
        hematocrit: Share of the line that they cover.
        snr: Standard deviation of the moving signal over that of the noise.
        cluster: Mean number of cells that follow each other closely.
        dark: Whether they are dark.
        stall: The share of the recording during which the blood stands still, in its middle.
    """

    hematocrit: float
    snr: float
    cluster: float = 1.0
    dark: bool = True
    stall: float = 0.0

    @property
    def kind(self) -> str:
        """What is special about it."""
        if self.stall:
            return f"stall of {100 * self.stall:g} %"
        return "clustered" if self.cluster > 1 else "single" if self.dark else "bright"


SCENARIOS = (
    *(Scenario(hematocrit=h, snr=s) for s in (0.35, 0.5, 1.0, 3.0) for h in (0.1, 0.3, 0.5, 0.7)),
    *(Scenario(hematocrit=h, snr=s, cluster=3.0) for s in (0.5, 1.0, 3.0) for h in (0.1, 0.3, 0.5)),
    Scenario(hematocrit=0.7, snr=1.0, cluster=3.0),
    Scenario(hematocrit=0.3, snr=1.0, dark=False),
    *(Scenario(hematocrit=h, snr=1.0, stall=0.25) for h in (0.1, 0.3, 0.5)),
)


def troughs(pixels: NDArray[np.float64], velocity: float, *, dark: bool) -> int:
    """Cells by the common way: how often the middle of the line falls below half of its range.

    Three columns are averaged, and as many lines as a quarter of a cell takes.
    """
    middle = pixels.shape[1] // 2
    trace = pixels[:, middle - 1 : middle + 2].mean(axis=1)
    return _below_half(trace, CELL_PX / 4.0 / abs(velocity), dark=dark)


def projected(pixels: NDArray[np.float64], velocity: float, *, dark: bool) -> int:
    """Cells by projection: pixels averaged along streaks of the mean slope, then as by troughs."""
    lines, n = pixels.shape
    flat = pixels / pixels.mean(axis=0)
    at = np.round(np.arange(n) - velocity * np.arange(lines)[:, None]).astype(int)
    # As much of the blood as passes the middle.
    first, last = sorted(n // 2 - round(velocity * line) for line in (0, lines - 1))
    kept = (at >= first) & (at < last)
    places, values = at[kept] - first, flat[kept]
    profile = np.bincount(places, values) / np.maximum(np.bincount(places), 1)
    return _below_half(profile, CELL_PX / 4.0, dark=dark)


def _below_half(trace: NDArray[np.float64], smoothing: float, *, dark: bool) -> int:
    """How often a trace, after a running mean, falls below half of its range."""
    width = max(1, round(smoothing))
    smooth = np.convolve(trace, np.ones(width) / width, mode="valid")
    low, high = np.percentile(smooth, (5, 95))
    inside = (smooth < 0.5 * (low + high)) if dark else (smooth > 0.5 * (low + high))
    return int(np.count_nonzero(np.diff(inside.astype(int)) == 1)) + int(inside[0])


def measure(scenario: Scenario, count: int) -> str:
    """A row of the table."""
    found, common = [], []
    dark, moving = scenario.dark, 1.0 - scenario.stall
    for seed in range(count):
        rng = np.random.default_rng(seed)
        beat = 1.0 + 0.15 * np.sin(2.0 * np.pi * 8e-3 * np.arange(LINES))
        velocity = rng.uniform(1.0, 4.0) * rng.choice([-1, 1]) * beat
        velocity[round(0.5 * LINES) : round((0.5 + scenario.stall) * LINES)] = 0.0
        recording = simulate_cells(
            velocity,
            n_pixels=PIXELS,
            cell_px=CELL_PX,
            hematocrit=scenario.hematocrit,
            snr=scenario.snr,
            cluster=scenario.cluster,
            dark=dark,
            seed=seed,
        )
        truth = recording.count_passing(PIXELS / 2)
        way_mm = 1e-3 * 0.4 * float(np.ptp(recording.moved_px))
        others = (
            how(recording.pixels, float(velocity.mean()) / moving, dark=dark)
            for how in (troughs, projected)
        )
        common.append([abs(counted / truth - 1.0) for counted in others])
        one = compute_result(CELLS, recording.pixels, calibration=CALIBRATION).summary
        if one["status"] == "ok":
            found.append([
                abs(float(one["cells"] or 0) / truth - 1.0),
                abs(float(one["flux_per_s"] or 0) / (truth / (1e-3 * LINES)) - 1.0),
                abs(float(one["density_per_mm"] or 0) / (truth / way_mm) - 1.0),
                float(one["density_low_per_mm"] or 0)
                <= truth / way_mm
                <= float(one["density_high_per_mm"] or 0),
                float(one["hematocrit"] or 0) - scenario.hematocrit,
                one["shade"] == ("dark" if dark else "bright"),
            ])  # fmt: skip
    given = f"| {scenario.kind} | {scenario.hematocrit:g} | {scenario.snr:g}"
    row = f"{given} | {len(found)} of {count} |"
    plain = " | ".join(f"{error:.3f}" for error in np.median(common, axis=0))
    if not found:
        return f"{row} - | - | - | - | - | - | - | {plain} |"
    cells, flux, density, inside, hematocrit, shade = np.array(found, dtype=float).T
    return (
        f"{row} {np.median(cells):.3f} | {cells.max():.3f} | {np.median(flux):.3f} | "
        f"{np.median(density):.3f} | {inside.mean():.2f} | {hematocrit.mean():+.3f} | "
        f"{shade.mean():.2f} | {plain} |"
    )


def halves(path: Path) -> str:
    """A row of the table: flux and hematocrit of a real recording and of its halves."""
    import tifffile

    pixels = tifffile.imread(path)
    cells = []
    for part in (pixels, *np.array_split(pixels, 2)):
        one = compute_result(CELLS, part, calibration=REAL).summary
        flux, share = (float(one[name] or np.nan) for name in ("flux_per_s", "hematocrit"))
        cells.append(f"{flux:.1f}, {share:.2f}" if one["status"] == "ok" else f"{one['reason']}")
    return f"| {path.stem} | {' | '.join(cells)} |"


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="cells", description=__doc__)
    parser.add_argument("--count", type=int, default=4, help="recordings of each kind")
    parser.add_argument("--recordings", type=Path, help="a folder of real recordings")
    options = parser.parse_args(arguments)
    print(
        "| cells | hematocrit | SNR | known | count: error | largest | flux: error "
        "| density: error | in 95 % | hematocrit: bias | right shade "
        "| troughs: error | projection: error |"
    )
    print(f"| --- |{' ---: |' * 12}")
    for scenario in SCENARIOS:
        print(measure(scenario, options.count), flush=True)
    if options.recordings:
        print("\n| recording | whole, cells/s and hematocrit | first half | second half |")
        print("| --- | --- | --- | --- |")
        for path in sorted(options.recordings.glob("*.tif")):
            print(halves(path), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
