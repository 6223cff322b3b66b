"""How well `pulse` finds a heart rate that is known.

Run ``hatch run bench:pulse``, with ``--count 30`` for the figures in docs/pulse.md. With a folder
of real recordings, their halves are compared, too: ``--recordings FOLDER --seconds-per-line S``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis import Calibration, InputResult, Region
from kymflow.core.analysis.params import params_json
from kymflow.core.analysis.pulse import PULSE
from kymflow.core.analysis.storage import summary_values
from kymflow.core.analysis.velocity import VELOCITY
from kymflow.core.testing import compute_result, simulate_cells

CALIBRATION = Calibration(seconds_per_line=1e-3, um_per_pixel=0.4, dwell_seconds=None)
SHUFFLES = 10
"""How often each trace is shuffled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A heart and a recording.

    Attributes:
        title: What it is.
        amplitude: Of the first harmonic, as a share of the mean velocity.
        seconds: Duration.
        snr: Standard deviation of the moving signal over that of the noise.
        second: The second harmonic, as a share of the first.
        wander: How much the phase of the heart wanders, in radians per root of a second.
        shuffled: Whether the windows of the trace are shuffled, which leaves no pulse.
    """

    title: str
    amplitude: float = 0.03
    seconds: float = 30.0
    snr: float = 1.0
    second: float = 0.0
    wander: float = 0.0
    shuffled: bool = False


SCENARIOS = (
    Scenario(title="30 s, 3 %, SNR 1"),
    Scenario(title="30 s, 3 %, SNR 0.5", snr=0.5),
    Scenario(title="5 s, 8 %, SNR 1", seconds=5.0, amplitude=0.08),
    Scenario(title="30 s, 10 %, rate wanders", amplitude=0.1, second=0.4, wander=0.5, snr=2.0),
    Scenario(title="30 s, no pulse", amplitude=0.0),
    Scenario(title="30 s, 10 %, shuffled", amplitude=0.1, shuffled=True),
)


def simulate(scenario: Scenario, seed: int) -> tuple[NDArray[np.float64], float, float]:
    """A kymograph, its mean heart rate in Hz and its pulsatility index."""
    rng = np.random.default_rng(seed)
    lines = round(scenario.seconds * 1000)
    rate = rng.uniform(5.0, 12.0)
    steps = 2.0 * np.pi * rate * 1e-3 + scenario.wander * np.sqrt(1e-3) * rng.standard_normal(lines)
    phase = rng.uniform(0.0, 2.0 * np.pi) + np.cumsum(steps)

    def beat(at: NDArray[np.float64]) -> NDArray[np.float64]:
        wave: NDArray[np.float64] = np.cos(at) + scenario.second * np.cos(2.0 * at - 0.7)
        return wave

    velocity = 2.0 * (1.0 + scenario.amplitude * beat(phase))
    pixels = simulate_cells(velocity, snr=scenario.snr, seed=seed).pixels
    mean_rate = float((phase[-1] - phase[0]) / (2.0 * np.pi * (lines - 1) * 1e-3))
    return pixels, mean_rate, scenario.amplitude * float(np.ptp(beat(np.linspace(0, 7, 2000))))


def shuffled(pixels: NDArray[np.float64]) -> Iterator[Mapping[str, Any]]:
    """The summaries of a kymograph's trace, shuffled again and again."""
    velocity = compute_result(VELOCITY, pixels, calibration=CALIBRATION)
    trace = velocity.to_pandas("trace")
    lines, width = pixels.shape
    region = Region(channel=1, roi_id=None, z=0, lines=(0, lines), pixels=(0, width))
    for seed in range(SHUFFLES):
        mixed = trace.sample(frac=1.0, random_state=seed, ignore_index=True)
        mixed["center_line"] = trace["center_line"]
        inputs = {
            "velocity": InputResult(
                parameters=params_json(VELOCITY.params()),
                summary=summary_values(velocity.summary),
                tables={"trace": mixed},
            )
        }
        yield PULSE.compute(pixels, CALIBRATION, PULSE.params(), region, inputs).summary


def measure(scenario: Scenario, count: int) -> str:
    """A row of the table: how often it is found, and how far off."""
    found: list[list[float]] = []
    for seed in range(count):
        pixels, rate, index = simulate(scenario, seed)
        if scenario.shuffled:
            found += [[] for one in shuffled(pixels) if one["status"] == "ok"]
            continue
        one = compute_result(PULSE, pixels, calibration=CALIBRATION).summary
        if one["status"] == "ok":
            found.append([
                abs(_number(one, "rate_hz") - rate),
                abs(_number(one, "rate_hz") - rate) < 1.96 * _number(one, "rate_error_hz"),
                _number(one, "pulsatility") / index if index else np.nan,
                _number(one, "pulsatility_low") <= index <= _number(one, "pulsatility_high"),
            ])  # fmt: skip
    tries = count * (SHUFFLES if scenario.shuffled else 1)
    row = f"| {scenario.title} | {len(found)} of {tries} |"
    if not found or scenario.amplitude == 0.0 or scenario.shuffled:
        return f"{row} - | - | - | - | - | - |"
    error, inside, ratio, index_inside = np.array(found).T
    return (
        f"{row} {1000 * np.median(error):.1f} | {1000 * error.max():.1f} | {inside.mean():.2f} | "
        f"{np.median(ratio):.3f} | {np.median(np.abs(ratio - 1.0)):.3f} | "
        f"{index_inside.mean():.2f} |"
    )


def halves(path: Path, calibration: Calibration) -> tuple[str, float]:
    """Cells of the table, the rates of a real recording and of both halves; and its drift.

    The drift is the standard deviation of the rates of its quarters beyond their errors, over
    the mean rate.
    """
    import tifffile

    pixels = tifffile.imread(path)
    parts = (pixels, *np.array_split(pixels, 2), *np.array_split(pixels, 4))
    found = [compute_result(PULSE, part, calibration=calibration).summary for part in parts]
    cells = [
        f"{one['rate_hz']:.3f} ({one['rate_low_hz']:.3f} to {one['rate_high_hz']:.3f}), "
        f"{one['pulsatility']:.3f}"
        if one["status"] == "ok"
        else f"unknown: {one['reason']} ({one['false_alarm']})"
        for one in found[:3]
    ]
    quarters = [one for one in found[3:] if one["status"] == "ok"]
    rates, errors = (
        np.array([_number(one, name) for one in quarters]) for name in ("rate_hz", "rate_error_hz")
    )
    beyond = max(0.0, float(rates.var(ddof=1)) - float(np.square(errors).mean()))
    return f"| {path.stem} | {' | '.join(cells)}", float(np.sqrt(beyond) / rates.mean())


def _number(summary: Mapping[str, Any], name: str) -> float:
    return float(summary[name])


def main(arguments: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="pulse", description=__doc__)
    parser.add_argument("--count", type=int, default=10, help="recordings of each kind")
    parser.add_argument("--recordings", type=Path, help="a folder of real recordings")
    parser.add_argument("--seconds-per-line", type=float, default=1.134e-3)
    options = parser.parse_args(arguments)
    print(
        "| recording | found | median error, mHz | largest | in 95 % | PI | its error | in 95 % |"
    )
    print(f"| --- |{' ---: |' * 7}")
    for scenario in SCENARIOS:
        print(measure(scenario, options.count), flush=True)
    if options.recordings:
        calibration = Calibration(
            seconds_per_line=options.seconds_per_line, um_per_pixel=None, dwell_seconds=None
        )
        print(
            "\n| recording | whole, Hz and PI | first half | second half | drift | of the others |"
        )
        print("| --- | --- | --- | --- | ---: | ---: |")
        paths = sorted(options.recordings.glob("*.tif"))
        rows = [halves(path, calibration) for path in paths]
        drifts = np.array([drift for _, drift in rows])
        for at, (row, drift) in enumerate(rows):
            others = np.sqrt(np.square(np.delete(drifts, at)).mean())
            print(f"{row} | {100 * drift:.1f} % | {100 * others:.1f} % |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
