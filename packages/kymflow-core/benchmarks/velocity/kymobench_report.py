"""Tables, targets and the figure of a KymoBench-1 run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from kymobench_scenarios import SCENARIOS, recordings
from kymobench_synthesis import window_means

from kymflow.core.analysis.velocity import estimate_velocity

if TYPE_CHECKING:
    from kymobench_measure import Accuracy, Speed

__all__ = ["Target", "draw_figure", "markdown", "targets"]

_COLOURS = {"radon": "#b0413e", "shear": "#8fb8de", "shear tracked": "#1f5a94"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something this estimator promises.

    Attributes:
        what: The promise.
        required: Bound of the measured value.
        measured: The measured value; None if it could not be measured here.
        at_least: Whether the bound is a lower one.
    """

    what: str
    required: float
    measured: float | None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the promise is kept, None if it could not be measured."""
        if self.measured is None:
            return None
        return self.measured >= self.required if self.at_least else self.measured <= self.required


def targets(accuracy: Sequence[Accuracy], speed: Sequence[Speed]) -> list[Target]:
    """Return all promises with what was measured. Errors are given relative to radon's."""
    at = {(a.scenario, a.method): a for a in accuracy}
    found: list[Target] = []
    for name in ("A", "B", "C", "D"):
        radon, ours = at[name, "radon"], at[name, "shear tracked"]
        found.append(
            Target(
                what=f"median error over radon's, {name}",
                required=0.25,
                measured=ours.median_error / radon.median_error,
            )
        )
    for name in ("A", "C", "E", "F"):
        radon, ours = at[name, "radon"], at[name, "shear tracked"]
        measured = ours.gross / radon.gross if radon.gross else None
        found.append(
            Target(what=f"gross errors over radon's, {name}", required=0.2, measured=measured)
        )
    names = sorted({a.scenario for a in accuracy})
    worse = 0
    for name in names:
        radon, ours = at[name, "radon"], at[name, "shear tracked"]
        worse += ours.median_error > radon.median_error
        worse += ours.within_5_percent < radon.within_5_percent
        worse += ours.gross > radon.gross
        worse += ours.sign > radon.sign
    found.append(
        Target(what="columns in which a scenario is worse than radon", required=0, measured=worse)
    )
    for s in speed:
        for window, backend, bound in ((16, "numba", 1000), (64, "numba", 500), (16, "numpy", 150)):
            if (s.n_pixels, s.window_lines) != (38, window):
                continue
            micros = s.numba if backend == "numba" else s.numpy
            found.append(
                Target(
                    what=f"times faster than radon, {backend}, 38 px, w{window}",
                    required=bound,
                    measured=None if micros is None else s.radon / micros,
                    at_least=True,
                )
            )
    return found


def markdown(accuracy: Sequence[Accuracy], speed: Sequence[Speed], machine: str, mode: str) -> str:
    """Return the report as Markdown."""
    lines = [
        f"KymoBench-1, {mode} run on {machine}. All methods see the same windows; errors count "
        "every window, also those that the estimator itself calls unknown.",
        "",
        "| scenario | method | windows | median error | within 5 % | gross | sign | unknown "
        "| gross if known |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {a.scenario} | {a.method} | {a.windows} | {a.median_error:.4f} "
        f"| {a.within_5_percent:.3f} | {a.gross:.4f} | {a.sign:.4f} | {_share(a.unknown)} "
        f"| {_share(a.gross_if_known)} |"
        for a in accuracy
    ]
    titles = [s for scenario in SCENARIOS for s in (scenario, scenario.off_grid)]
    shown = {a.scenario for a in accuracy}
    lines += ["", *(f"- {s.name}: {s.title}" for s in titles if s.name in shown), ""]
    lines += [
        "Processor time per window (one thread; shear tracked from raw pixels to result, without "
        "compilation), and how many times faster than radon that is:",
        "",
        "| pixels | window | radon, µs | numpy, µs | numba, µs | numpy, times | numba, times |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for s in speed:
        compiled = "-" if s.numba is None else f"{s.numba:.2f}"
        ratio = "-" if s.numba is None else f"{s.radon / s.numba:.0f}"
        lines.append(
            f"| {s.n_pixels} | {s.window_lines} | {s.radon:.0f} | {s.numpy:.1f} | {compiled} "
            f"| {s.radon / s.numpy:.0f} | {ratio} |"
        )
    lines += ["", "| target | required | measured | |", "| --- | ---: | ---: | --- |"]
    for t in targets(accuracy, speed):
        sign = "≥" if t.at_least else "≤"
        measured = "-" if t.measured is None else f"{t.measured:.3g}"
        verdict = {True: "met", False: "**missed**", None: "not measured"}[t.met]
        lines.append(f"| {t.what} | {sign} {t.required:g} | {measured} | {verdict} |")
    return "\n".join(lines) + "\n"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def draw_figure(accuracy: Sequence[Accuracy], path: Path) -> None:
    """Draw errors by scenario, and a stretch of scenario E as each method sees it."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(
        1, 3, figsize=(13, 3.6), width_ratios=(1, 1, 1.6), layout="constrained"
    )
    scenarios = [s.name for s in SCENARIOS if any(a.scenario == s.name for a in accuracy)]
    at = {(a.scenario, a.method): a for a in accuracy}
    for i, (method, colour) in enumerate(_COLOURS.items()):
        x = np.arange(len(scenarios)) + 0.27 * (i - 1)
        axes[0].bar(
            x, [at[s, method].median_error for s in scenarios], 0.26, color=colour, label=method
        )
        axes[1].bar(x, [at[s, method].gross for s in scenarios], 0.26, color=colour)
    for axis, title in zip(
        axes, ("median relative error", "share more than 50 % off"), strict=False
    ):
        axis.set_xticks(np.arange(len(scenarios)), scenarios)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("scenario")
    axes[0].legend(fontsize=8, frameon=False)

    example = next(s for s in SCENARIOS if s.name == "E")
    recording = next(r for r in recordings(example, 0) if r.snr == 2.0)
    low, high = 3000, 4500
    period = 1.17e-3
    truth = window_means(recording.velocity, 16, 4)
    ours = estimate_velocity(
        recording.pixels, seconds_per_line=period, um_per_pixel=None, window_lines=16
    )
    radon = estimate_velocity(
        recording.pixels,
        seconds_per_line=period,
        um_per_pixel=None,
        window_lines=16,
        method="radon",
        line_range=(low, high),
    )
    shown = (ours.center_line >= low) & (ours.center_line < high)
    assert ours.time_s is not None
    assert radon.time_s is not None
    axis = axes[2]
    axis.plot(
        radon.time_s,
        np.clip(radon.candidate_px_per_line, -12, 20),
        ".",
        color=_COLOURS["radon"],
        markersize=3,
        label="radon",
    )
    axis.plot(
        ours.time_s[shown],
        ours.velocity_px_per_line[shown],
        color=_COLOURS["shear tracked"],
        linewidth=1.2,
        label="shear tracked",
    )
    axis.plot(ours.time_s[shown], truth[shown], "--", color="black", linewidth=0.8, label="truth")
    axis.set_title("scenario E, SNR 2: pulse, then stall (clipped to -12..20)", fontsize=10)
    axis.set_xlabel("time, s")
    axis.set_ylabel("px/line")
    axis.legend(fontsize=8, frameon=False, loc="upper right")
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
