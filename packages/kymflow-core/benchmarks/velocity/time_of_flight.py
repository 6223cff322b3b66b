"""Who is right where shear and a laboratory's radon trace disagree: one worked example.

Both claim a velocity. A claim about velocity is a claim about time: texture needs
``distance / velocity``
from one column of the line to another. The cross-correlation of two columns over a stretch
shows how long it really took, and it knows nothing of angles, windows, or models.

Run ``python time_of_flight.py RECORDING.tif REFERENCE.csv --seconds-per-line S --um-per-pixel U``.
The reference has columns time (s) and velocity (mm/s) of windows of 16 lines, every 4 lines.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import VelocityResult, estimate_velocity

_Doubles = NDArray[np.float64]

_WINDOW = 16
_STRETCH_WINDOWS = 12
_OFF = 0.1
_UPSAMPLING = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A stretch of lines in which both traces are steady and disagree.

    Attributes:
        first_line: First line.
        lines: How many.
        distances_px: Smallest and largest distance of two columns.
        correlation: Mean peak of the cross-correlation over distances.
        flight: Velocity by time of flight, px/line.
        shear: Median of shear tracked, px/line.
        radon: Median of the reference, px/line.
    """

    first_line: int
    lines: int
    distances_px: tuple[int, int]
    correlation: float
    flight: float
    shear: float
    radon: float


def main(arguments: list[str] | None = None) -> int:
    """Measure the time of flight in all stretches, draw the clearest disagreement."""
    parser = argparse.ArgumentParser(prog="time_of_flight", description=__doc__)
    parser.add_argument("recording", type=Path)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--seconds-per-line", type=float, required=True)
    parser.add_argument("--um-per-pixel", type=float, required=True)
    parser.add_argument("--output", type=Path, default=Path("benchmark-results/velocity"))
    options = parser.parse_args(arguments)

    import tifffile

    pixels = tifffile.imread(options.recording)
    reference = np.genfromtxt(options.reference, delimiter=",", skip_header=1)[:, 1]
    result = estimate_velocity(
        pixels, seconds_per_line=options.seconds_per_line, um_per_pixel=options.um_per_pixel
    )
    scale = result.mm_s_per_px_per_line
    assert scale is not None
    windows = min(reference.size, result.n_windows)
    radon = reference[:windows] / scale
    every = stretches(pixels, result, radon)
    disagree = [e for e in every if abs(e.shear / e.radon - 1.0) > _OFF]
    if not disagree:
        print("the traces nowhere disagree for a whole stretch", file=sys.stderr)
        return 1
    # A clear example is one in which both columns show the same texture.
    best = max(disagree, key=lambda e: e.correlation)
    options.output.mkdir(parents=True, exist_ok=True)
    summary = {
        "stretches": len(every),
        "median_difference_shear": median_difference(every, "shear"),
        "median_difference_radon": median_difference(every, "radon"),
        "disagreeing": len(disagree),
        "disagreeing_shear_nearer": sum(
            abs(e.shear - e.flight) < abs(e.radon - e.flight) for e in disagree
        ),
        "disagreeing_median_difference_shear": median_difference(disagree, "shear"),
        "disagreeing_median_difference_radon": median_difference(disagree, "radon"),
        "example": asdict(best),
    }
    text = json.dumps(summary, indent=2)
    (options.output / "time-of-flight.json").write_text(text + "\n", encoding="utf-8")
    draw(pixels, result, radon, best, options.output / "velocity-time-of-flight.png")
    print(text)
    return 0


def stretches(pixels: NDArray[np.uint16], result: VelocityResult, radon: _Doubles) -> list[Example]:
    """Return all stretches, none overlapping, in which both have a claim and shear has evidence."""
    shear = result.candidate_px_per_line[: radon.size]
    distances = (pixels.shape[1] // 3, pixels.shape[1] - 4)
    found = []
    for first in range(0, radon.size - _STRETCH_WINDOWS, _STRETCH_WINDOWS):
        part = slice(first, first + _STRETCH_WINDOWS)
        known = np.isfinite(radon[part]) & (result.r2adj[part] >= 0.5)
        ours, theirs = float(np.median(shear[part])), float(np.median(radon[part]))
        if not known.all() or ours * theirs <= 0:
            continue
        start = first * result.step_lines
        lines = (_STRETCH_WINDOWS - 1) * result.step_lines + _WINDOW
        velocity, correlation = flight(
            pixels[start : start + lines], distances, sorted((ours, theirs), key=abs)
        )
        found.append(
            Example(
                first_line=start,
                lines=lines,
                distances_px=distances,
                correlation=correlation,
                flight=velocity,
                shear=ours,
                radon=theirs,
            )
        )
    return found


def median_difference(examples: list[Example], claim: Literal["shear", "radon"]) -> float:
    """Return the median relative difference of a claim from the time of flight."""
    claimed = [e.shear if claim == "shear" else e.radon for e in examples]
    return float(
        np.median([abs(v / e.flight - 1.0) for v, e in zip(claimed, examples, strict=True)])
    )


def flight(
    stretch: NDArray[np.uint16], distances: tuple[int, int], claims: list[float]
) -> tuple[float, float]:
    """Return velocity by time of flight in px/line, and the mean peak correlation.

    For each distance the lag with the highest correlation of columns that far apart is sought from
    half to twice what either claim says. Velocity is the slope of distance over lag.

    Args:
        stretch: Lines, ``(time, space)``.
        distances: Smallest and largest distance in pixels.
        claims: Slowest and fastest claim, px/line.
    """
    top = bottom = peaks = 0.0
    slowest, fastest = claims
    spread = range(distances[0], distances[1] + 1)
    for distance in spread:
        lags, curve = correlation_curve(stretch, distance)
        bounds = sorted((0.5 * distance / fastest, 2.0 * distance / slowest))
        near = (lags >= bounds[0]) & (lags <= bounds[1])
        at = int(np.flatnonzero(near)[curve[near].argmax()])
        top += distance * lags[at]
        bottom += lags[at] ** 2
        peaks += curve[at]
    return float(top / bottom), float(peaks / len(spread))


def correlation_curve(stretch: NDArray[np.uint16], distance: int) -> tuple[_Doubles, _Doubles]:
    """Return lags in lines, by eighths, and the mean correlation of columns `distance` apart.

    Positive lag: texture comes to the column of greater index later. Lags between lines are those
    of the band-limited signal, by zero padding in the frequency domain.
    """
    flat = stretch.astype(np.float64)
    flat -= flat.mean(axis=0)
    flat *= np.hanning(len(flat))[:, None]
    flat /= np.sqrt(np.square(flat).sum(axis=0))
    lines = len(flat)
    spectrum = np.fft.rfft(flat, axis=0)
    cross = (np.conj(spectrum[:, :-distance]) * spectrum[:, distance:]).mean(axis=1)
    size = lines * _UPSAMPLING
    curve = np.fft.irfft(cross, size) * _UPSAMPLING
    samples = np.arange(size)
    lags = np.where(samples > size // 2, samples - size, samples) / _UPSAMPLING
    order = np.argsort(lags)
    return lags[order], curve[order]


def draw(
    pixels: NDArray[np.uint16],
    result: VelocityResult,
    radon: _Doubles,
    chosen: Example,
    path: Path,
) -> None:
    """Draw the stretch, both traces in it, and the correlation of columns."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    stretch = pixels[chosen.first_line : chosen.first_line + chosen.lines]
    figure, axes = plt.subplots(3, 1, figsize=(9, 7), layout="constrained")
    lines = np.arange(chosen.first_line, chosen.first_line + chosen.lines)
    shown = stretch / stretch.mean(axis=0)
    axes[0].imshow(
        shown.T,
        aspect="auto",
        origin="lower",
        cmap="gray",
        extent=(lines[0], lines[-1] + 1, 0, pixels.shape[1]),
    )
    middle = 0.5 * (lines[0] + lines[-1])
    for velocity, colour, name in (
        (chosen.shear, "#5fb0ff", "shear"),
        (chosen.radon, "#ff6f61", "radon"),
    ):
        across = pixels.shape[1] / velocity
        for offset in (-16, -6, 4, 14):
            at = middle + offset
            label = name if offset == -16 else None
            axes[0].plot([at, at + across], [0, pixels.shape[1]], color=colour, label=label)
    axes[0].set_ylabel("pixel")
    axes[0].set_title("the stretch, and lines as steep as each claim", fontsize=10)
    axes[0].legend(fontsize=8, loc="upper right")
    near = (result.center_line >= lines[0]) & (result.center_line <= lines[-1])
    axes[1].plot(result.center_line[near], result.candidate_px_per_line[near], color="#1f5a94")
    axes[1].plot(
        result.center_line[: radon.size][near[: radon.size]],
        radon[near[: radon.size]],
        ".",
        color="#b0413e",
    )
    axes[1].axhline(chosen.flight, color="black", linestyle="--", linewidth=0.8)
    axes[1].set_ylabel("px/line")
    axes[1].set_title("shear tracked (line), radon (dots), time of flight (dashed)", fontsize=10)
    axes[1].set_xlabel("line")
    distance = pixels.shape[1] // 2
    lags, curve = correlation_curve(stretch, distance)
    axes[2].plot(lags, curve, color="black", linewidth=1)
    axes[2].axvline(distance / chosen.shear, color="#1f5a94", label="shear's claim")
    axes[2].axvline(distance / chosen.radon, color="#b0413e", label="radon's claim")
    axes[2].axvline(distance / chosen.flight, color="black", linestyle="--", label="all distances")
    reach = 4.0 * distance / abs(chosen.flight)
    axes[2].set_xlim(-reach, reach)
    axes[2].set_xlabel("lag, lines")
    axes[2].set_title(f"correlation of columns {distance} px apart", fontsize=10)
    axes[2].legend(fontsize=8)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
