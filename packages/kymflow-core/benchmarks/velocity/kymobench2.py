"""KymoBench-2: shear, radon and LSPIV on recordings as laboratories have them, velocity known.

Run ``python kymobench2.py --help``. Needs kymflow-core[fast,radon]. Radon and LSPIV get pixels
without their columns' means, which is the fair comparison.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from kymobench2_lspiv import AVERAGED_LINES, lspiv_velocity
from kymobench2_scenarios import SCENARIOS, Recording, Scenario, recordings
from kymobench_synthesis import window_means
from numpy.typing import NDArray

from kymflow.core.analysis.velocity import (
    FlowIntervals,
    IntervalKind,
    VelocityResult,
    WindowStatus,
    estimate_velocity,
    find_intervals,
)

_DOCS = Path(__file__).resolve().parents[2] / "docs" / "velocity.md"
_BEGIN, _END = "<!-- kymobench2 begin -->", "<!-- kymobench2 end -->"
_PERIOD_S = 1e-3

#: Slower true velocities (px/line) have no meaningful relative error.
_SLOWEST = 0.1

_Doubles = NDArray[np.float64]
_Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What came out of one scenario; shares are of windows.

    Attributes:
        scenario: Its name.
        windows: How many windows move.
        median_error: Median of |estimate / truth - 1|, windows called unknown included.
        gross: Share more than 50 % off.
        unknown: Share called unknown.
        alias: Share called alias.
        gross_if_ok: Share of gross errors among those called ok.
        within_68: Share of those called ok whose 68 % interval holds the truth.
        within_95: The same for 95 %.
        radon_error: Radon's median error.
        radon_gross: Radon's share of gross errors.
        lspiv_error: LSPIV's median error, in stretches of its own length.
        lspiv_gross: LSPIV's share of gross errors.
        stalls: True and found stalled share of each recording, in percent.
        stops: How many times flow stops, how many of these are found, and how many are invented.
        seconds: How long the recordings last.
    """

    scenario: str
    windows: int
    median_error: float
    gross: float
    unknown: float
    alias: float
    gross_if_ok: float
    within_68: float
    within_95: float
    radon_error: float
    radon_gross: float
    lspiv_error: float
    lspiv_gross: float
    stalls: tuple[tuple[float, float], ...]
    stops: tuple[int, int, int]
    seconds: float


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(prog="kymobench2", description=__doc__)
    parser.add_argument("--developing", action="store_true", help="other seeds than the figures'")
    parser.add_argument("--lines", type=int, default=6000)
    parser.add_argument("--radon-windows", type=int, default=60, help="per recording")
    parser.add_argument("--update-docs", action="store_true", help="put the table into the docs")
    options = parser.parse_args(arguments)
    rows = []
    for scenario in SCENARIOS:
        print(scenario.name, file=sys.stderr)
        held = not options.developing
        rows.append(
            measure(scenario, lines=options.lines, held=held, radon_windows=options.radon_windows)
        )
    table = markdown(rows)
    print(table)
    if options.update_docs:
        text = _DOCS.read_text(encoding="utf-8")
        before, rest = text.split(_BEGIN)
        after = rest.split(_END)[1]
        page = f"{before}{_BEGIN}\n{table}\n{_END}{after}"
        _DOCS.write_text(page, encoding="utf-8")
    return 0


def measure(scenario: Scenario, *, lines: int, held: bool, radon_windows: int) -> Row:
    """Return the row of one scenario."""
    parts: list[tuple[_Doubles, ...]] = []
    radon: list[_Doubles] = []
    lspiv: list[_Doubles] = []
    stalls = []
    stops = np.zeros(3, np.int64)
    w = scenario.window_lines
    for recording in recordings(scenario, lines, held=held):
        truth = window_means(recording.velocity, w, w // 4)
        result = _estimate(scenario, recording)
        moves = np.flatnonzero(np.abs(truth) >= _SLOWEST)
        parts.append(
            (
                truth[moves],
                result.candidate_px_per_line[moves],
                result.standard_error_px_per_line[moves],
                (result.status == WindowStatus.UNKNOWN.value)[moves],
                (result.status == WindowStatus.ALIAS.value)[moves],
            )
        )
        chosen = moves[np.linspace(0, moves.size - 1, min(radon_windows, moves.size)).astype(int)]
        radon.append(_error(_radon(scenario, recording, chosen), truth[chosen]))
        lspiv.append(_lspiv_error(scenario, recording, chosen))
        intervals = find_intervals(result)
        stops += _stops(recording, intervals)
        if (recording.velocity == 0).any():
            found = intervals.share_stalled
            true = float((np.abs(truth) < 1e-9).mean())
            stalls.append((true, np.nan if found is None else found))
    truth, estimate, error, unknown, alias = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    off = _error(estimate, truth)
    ok = ~unknown.astype(bool) & ~alias.astype(bool)
    score = np.abs(estimate - truth)[ok] / error[ok]
    of_radon, of_lspiv = np.concatenate(radon), np.concatenate(lspiv)
    return Row(
        scenario=scenario.name,
        windows=truth.size,
        median_error=float(np.median(off)),
        gross=float((off > 0.5).mean()),
        unknown=float(unknown.mean()),
        alias=float(alias.mean()),
        gross_if_ok=float((off[ok] > 0.5).mean()) if ok.any() else np.nan,
        within_68=float((score < 0.9945).mean()) if ok.any() else np.nan,
        within_95=float((score < 1.96).mean()) if ok.any() else np.nan,
        radon_error=float(np.median(of_radon)),
        radon_gross=float((of_radon > 0.5).mean()),
        lspiv_error=float(np.median(of_lspiv)),
        lspiv_gross=float((of_lspiv > 0.5).mean()),
        stalls=tuple(stalls),
        stops=(int(stops[0]), int(stops[1]), int(stops[2])),
        seconds=len(scenario.flows) * lines * _PERIOD_S,
    )


def markdown(rows: list[Row]) -> str:
    """Return the table."""
    lines = [
        "| scenario | median error | gross | unknown | alias | gross if ok | in 68 % | in 95 % "
        "| radon: median | gross | LSPIV: median | gross | stalled, true / found |",
        f"| --- |{' ---: |' * 11} --- |",
    ]
    for row in rows:
        stalls = ", ".join(f"{100 * true:.0f} / {100 * said:.0f}" for true, said in row.stalls)
        shares = [row.gross, row.unknown, row.alias, row.gross_if_ok, row.within_68, row.within_95]
        lines.append(
            f"| {row.scenario} | {row.median_error:.3f} | "
            + " | ".join("-" if np.isnan(share) else f"{share:.3f}" for share in shares)
            + f" | {row.radon_error:.3f} | {row.radon_gross:.3f} | {row.lspiv_error:.3f} "
            f"| {row.lspiv_gross:.3f} | {stalls} |"
        )
    moving = [row for row in rows if "shuffled" not in row.scenario]
    known = [row for row in moving if not np.isnan(row.within_68)]
    pooled = [np.mean([getattr(row, name) for row in known]) for name in ("within_68", "within_95")]
    better = sum(row.median_error < row.radon_error for row in moving)
    lines += [
        "",
        f"Of {len(moving)} scenarios that move, the median error is below radon's in {better}, "
        f"and below LSPIV's in {sum(row.median_error < row.lspiv_error for row in moving)}. "
        f"Intervals of 68 % hold the truth in {100 * pooled[0]:.0f} % of the windows called ok, "
        f"those of 95 % in {100 * pooled[1]:.0f} %. In the least covered scenario these are "
        f"{100 * min(row.within_68 for row in known):.0f} % and "
        f"{100 * min(row.within_95 for row in known):.0f} %. "
        + " ".join(
            f"Of {row.stops[0]} {row.scenario}, {row.stops[1]} are found."
            for row in rows
            if "stops" in row.scenario
        )
        + f" Stalls where there are none: {sum(row.stops[2] for row in moving)} in "
        f"{sum(row.seconds for row in moving) / 60.0:.0f} minutes of recordings.",
    ]
    return "\n".join(lines)


def _estimate(scenario: Scenario, recording: Recording) -> VelocityResult:
    dwell = scenario.optics.dwell
    return estimate_velocity(
        recording.pixels,
        seconds_per_line=_PERIOD_S,
        um_per_pixel=0.5,
        window_lines=scenario.window_lines,
        dwell_seconds=dwell * _PERIOD_S if dwell else None,
    )


def _radon(scenario: Scenario, recording: Recording, chosen: NDArray[np.int64]) -> _Doubles:
    """Radon's velocity of the chosen windows, of pixels without their columns' means."""
    w = scenario.window_lines
    pixels = _without_means(recording)
    pixels += 2.0 * np.abs(pixels).max()  # an even background changes nothing, and is light
    found = [
        estimate_velocity(
            pixels[k * w // 4 : k * w // 4 + w],
            seconds_per_line=None,
            um_per_pixel=None,
            window_lines=w,
            method="radon",
        ).candidate_px_per_line[0]
        for k in chosen
    ]
    velocity: _Doubles = np.array(found)
    return velocity / (1.0 + velocity * scenario.optics.dwell)


def _lspiv_error(scenario: Scenario, recording: Recording, chosen: NDArray[np.int64]) -> _Doubles:
    """LSPIV's relative errors in stretches about the middles of the chosen windows that move."""
    w, lines = scenario.window_lines, len(recording.pixels)
    starts = chosen * w // 4 + (w - AVERAGED_LINES) // 2
    starts = np.clip(starts, 0, lines - AVERAGED_LINES - 1)
    moved = np.concatenate([[0.0], np.cumsum(recording.velocity)])
    truth = (moved[starts + AVERAGED_LINES] - moved[starts]) / AVERAGED_LINES
    velocity = lspiv_velocity(_without_means(recording), starts)
    velocity /= 1.0 + velocity * scenario.optics.dwell
    moving = np.abs(truth) >= _SLOWEST
    return _error(velocity[moving], truth[moving])


def _without_means(recording: Recording) -> NDArray[np.float32]:
    pixels: NDArray[np.float32] = recording.pixels - recording.pixels.mean(axis=0)
    return pixels


def _stops(recording: Recording, intervals: FlowIntervals) -> tuple[int, int, int]:
    """How many times flow stops, how many of these are found, and how many are invented."""
    edges = np.diff(recording.velocity == 0, prepend=False, append=False)
    true = np.flatnonzero(edges).reshape(-1, 2)
    found = [
        (i.start_line, i.stop_line) for i in intervals.intervals if i.kind != IntervalKind.UNKNOWN
    ]
    seen = sum(any(low < stop and start < high for low, high in found) for start, stop in true)
    invented = sum(
        not any(low < stop and start < high for start, stop in true) for low, high in found
    )
    return len(true), seen, invented


def _error(estimate: _Doubles, truth: _Doubles) -> _Doubles:
    with np.errstate(invalid="ignore"):
        error: _Doubles = np.abs(estimate / truth - 1.0)
    error[~np.isfinite(error)] = np.inf
    return error


if __name__ == "__main__":
    sys.exit(main())
