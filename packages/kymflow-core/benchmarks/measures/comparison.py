"""How often intervals of a comparison hold a true change of 15 %: by animal, and by row.

Run ``hatch run bench:comparison``; it makes the figures in docs/compare.md.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import pandas as pd

from kymflow.core.compare import compare_groups

GROUPS = ("before", "after")
CHANGE = 0.15


def study(rng: np.random.Generator, *, animals: int, paired: bool) -> pd.DataFrame:
    """Velocities of 5 capillaries in each animal and group, 50 windows each.

    Standard deviations, as shares: animals 25 %, their answer to a treatment 10 %, capillaries
    30 %, windows 20 %.
    """
    parts = []
    for number in range(animals):
        own = rng.normal(0.0, 0.25)
        for group in GROUPS:
            if not paired:
                own = rng.normal(0.0, 0.25)
            level = own + rng.normal(0.0, 0.1 / np.sqrt(2.0))
            level += np.log1p(CHANGE) if group == "after" else 0.0
            vessels = level + rng.normal(0.0, 0.3, 5)
            windows = np.exp(vessels[:, None] + rng.normal(0.0, 0.2, (5, 50)))
            part = {
                "animal": f"m{number}" if paired else f"{group}{number}",
                "condition": group,
                "vessel": np.repeat(np.arange(5), 50),
                "velocity": windows.ravel(),
            }
            parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def by_row(table: pd.DataFrame) -> tuple[float, float]:
    """The interval as if all windows were independent."""
    first, second = (
        np.log(table.loc[table["condition"] == group, "velocity"].to_numpy(float))
        for group in GROUPS
    )
    change = float(second.mean() - first.mean())
    half = 1.96 * float(np.sqrt(first.var(ddof=1) / first.size + second.var(ddof=1) / second.size))
    return float(np.expm1(change - half)), float(np.expm1(change + half))


def measure(animals: int, count: int, *, paired: bool) -> str:
    """A row of the table."""
    rows = []
    for seed in range(count):
        table = study(np.random.default_rng([animals, seed]), animals=animals, paired=paired)
        found = compare_groups(
            table, value="velocity", group="condition", groups=GROUPS, vessel="vessel"
        )
        low, high = by_row(table)
        inside = (found.low <= CHANGE <= found.high, low <= CHANGE <= high)
        rows.append([*inside, found.high - found.low, high - low])
    good, plain_good, width, plain_width = np.array(rows, dtype=float).T
    return (
        f"| {animals} | {'yes' if paired else 'no'} | {good.mean():.3f} | {np.median(width):.2f} | "
        f"{plain_good.mean():.3f} | {np.median(plain_width):.2f} |"
    )


def main(arguments: list[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="comparison", description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="studies of each kind")
    options = parser.parse_args(arguments)
    print("| animals | the same in both groups | by animal | width | by window | width |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for animals in (6, 4, 12):
        for paired in (True, False):
            print(measure(animals, options.count, paired=paired), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
