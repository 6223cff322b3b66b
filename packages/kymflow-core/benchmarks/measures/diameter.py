"""How well `diameter` measures vessels whose diameter is known, against plain FWHM.

Run ``hatch run bench:diameter``, with ``--count 30`` for the figures in docs/diameter.md.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import numpy as np

from kymflow.core.analysis import Calibration
from kymflow.core.analysis.diameter import DIAMETER, DiameterParams
from kymflow.core.testing import compute_result, simulate_vessel

LINES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A vessel and a recording of it.

    Attributes:
        diameter_um: Its diameter; recordings differ by up to 5 % from it.
        profile: ``"slab"`` or ``"disc"``.
        window_lines: Lines per window.
        motion_um: Standard deviation of the centre over the recording.
        missing: Share of lines without one of the edges.
    """

    diameter_um: float
    profile: str = "slab"
    window_lines: int = 100
    motion_um: float = 1.0
    missing: float = 0.05


SCENARIOS = (
    *(Scenario(diameter_um=d) for d in (3.0, 5.0, 10.0, 30.0, 60.0)),
    *(Scenario(diameter_um=d, profile="disc") for d in (3.0, 5.0, 10.0, 30.0, 60.0)),
    Scenario(diameter_um=10.0, window_lines=1, missing=0.0),
    Scenario(diameter_um=10.0, motion_um=0.0, missing=0.0),
)


def measure(scenario: Scenario, count: int) -> str:
    """A row of the table."""
    um = 0.25 if scenario.diameter_um <= 10 else 0.5
    calibration = Calibration(seconds_per_line=1e-3, um_per_pixel=um, dwell_seconds=None)
    params = DiameterParams(
        profile="disc" if scenario.profile == "disc" else "slab", window_lines=scenario.window_lines
    )
    errors, scaled, inside, widths = [], [], [], []
    windows = 0
    for seed in range(count):
        diameter = scenario.diameter_um * np.random.default_rng(seed).uniform(0.95, 1.05)
        vessel = simulate_vessel(
            np.full(LINES, diameter),
            um_per_pixel=um,
            n_pixels=int((diameter + 16.0) / um),
            snr=2.0,
            motion_um=scenario.motion_um,
            missing=scenario.missing,
            profile=scenario.profile,
            seed=seed,
        )
        found = compute_result(DIAMETER, vessel.pixels, calibration=calibration, params=params)
        trace = found.to_pandas("trace")
        known = trace[trace["status"] == "ok"]
        error = (known["diameter_um"] - diameter).to_numpy(float)
        errors.append(error)
        scaled.append(np.abs(error) / (um * known["standard_error_px"].to_numpy(float)))
        inside.append((known["low_um"] < diameter) & (diameter < known["high_um"]))
        widths.append((trace["fwhm_um"] - diameter).to_numpy(float))
        windows += len(trace)
    error, z, width = np.concatenate(errors), np.concatenate(scaled), np.concatenate(widths)
    return (
        f"| {scenario.diameter_um:g} | {scenario.profile} | {scenario.window_lines} | "
        f"{scenario.motion_um:g} | {100 * scenario.missing:g} % | {error.mean():+.3f} | "
        f"{np.sqrt(np.mean(error**2)):.3f} | {np.mean(z < 1):.2f} | "
        f"{np.mean(np.concatenate(inside)):.2f} | "
        f"{1 - error.size / windows:.2f} | {np.nanmean(width):+.2f} | "
        f"{np.sqrt(np.nanmean(width**2)):.2f} |"
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="diameter", description=__doc__)
    parser.add_argument("--count", type=int, default=5, help="recordings of each kind")
    options = parser.parse_args(arguments)
    print(
        "| diameter, µm | shape | lines | motion, µm | missing | bias, µm | RMS error, µm "
        "| in 68 % | in 95 % | unknown | FWHM: bias | RMS error |"
    )
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for scenario in SCENARIOS:
        print(measure(scenario, options.count), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
