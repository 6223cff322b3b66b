"""Compare two groups of a study, by animal.

Windows of a recording, recordings of a vessel and vessels of an animal are alike: they are not
independent. What is independent are animals. So rows are averaged up to one value per animal and
group, and the interval is Student's over animals, which holds for few of them, too: paired where
the animals of both groups are the same ones (before and after), Welch's where they differ.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kymflow.core.errors import ComparisonError
from kymflow.core.student import t_quantile
from kymflow_zarr.natural_order import natural_key

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Comparison", "compare_groups", "compare_with_baseline"]

logger = logging.getLogger(__name__)

_LEAST_ANIMALS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """How a value differs between two groups.

    Attributes:
        value: The column that was compared.
        groups: The two groups; the change is from the first to the second.
        change: The change: as a share of the first group's value if `relative`, else in its unit.
        low: Lower end of the 95 % interval.
        high: Upper end.
        relative: Whether the change is a share.
        paired: Whether each animal was compared with itself.
        animals: How many animals there are in each group.
        rows: How many rows had a value.
        per_animal: One row per animal, with its value in each group.
        estimates: The estimates for each group and each animal. A row has ``animal`` (null for a
            group as a whole), ``group`` (null for the change of an animal), ``value`` with its 95 %
            interval ``low`` to ``high``, and ``count``: of how many animals a group is the mean,
            and of how many vessels an animal. One alone has no interval.
    """

    value: str
    groups: tuple[str, str]
    change: float
    low: float
    high: float
    relative: bool
    paired: bool
    animals: tuple[int, int]
    rows: int
    per_animal: pd.DataFrame
    estimates: pd.DataFrame

    def describe(self, unit: str = "") -> tuple[str, str, str]:
        """The change, its 95 % interval, and how many animals it is of, as texts.

        Args:
            unit: The unit of the values, for a change that is not relative.
        """
        shown, after = (100.0, "%") if self.relative else (1.0, unit)
        change, low, high = (f"{shown * end:+.3g}" for end in (self.change, self.low, self.high))
        first, second = self.animals
        animals = f"{first} animals" if self.paired else f"{first} and {second} animals"
        return f"{change} {after}".rstrip(), f"{low} to {high}", animals


def compare_groups(
    table: pd.DataFrame,
    *,
    value: str,
    group: str,
    groups: tuple[str, str],
    animal: str = "animal",
    vessel: str | None = None,
    relative: bool = True,
) -> Comparison:
    """Compare a value between two groups of a study.

    Args:
        table: One row per recording, region or window, for example ``kym_velocity`` joined with the
            fields of the images.
        value: The column to compare.
        group: The column that says the group.
        groups: The two groups, as they stand in that column.
        animal: The column that says the animal.
        vessel: The column that says the vessel within an animal. If given, vessels count alike
            however many rows they have, and where an animal is in both groups, only vessels
            that are so too are compared.
        relative: Compare ratios, by logarithms; all values must be positive then.

    Returns:
        The change with its 95 % interval.

    Raises:
        ComparisonError: There are too few animals, or values that have no logarithm.
        KeyError: The table has no such column.
    """
    keys = [group, animal] if vessel is None else [group, animal, vessel]
    known = table[[*keys, value]].dropna()
    known = known[known[group].isin(groups)].astype({value: "float64"})
    if relative:
        if (known[value] <= 0).any():
            raise ComparisonError(
                value, "some values are not positive; take magnitudes, or give relative=False"
            )
        known = known.assign(**{value: np.log(known[value])})
    each = known.groupby(keys, sort=True)[value].mean().unstack(group).reindex(columns=groups)
    both = each.notna().all(axis=1)
    has_both = both.groupby(level=animal).transform("any")
    each = each[both | ~has_both]
    means = each.groupby(level=animal).mean()
    counts = tuple(int(means[name].notna().sum()) for name in groups)
    paired = bool(means.notna().all(axis=1).sum() >= _LEAST_ANIMALS)
    change, error, degrees = _paired(means) if paired else _unpaired(value, means)
    half = t_quantile(0.975, degrees) * error
    ends = (change, change - half, change + half)
    change, low, high = (math.expm1(end) for end in ends) if relative else ends
    return Comparison(
        value=value,
        groups=groups,
        change=change,
        low=low,
        high=high,
        relative=relative,
        paired=paired,
        animals=(counts[0], counts[1]),
        rows=len(known),
        per_animal=(means.apply(np.exp) if relative else means).reset_index(),
        estimates=_estimates(each, means, animal, relative=relative),
    )


def compare_with_baseline(
    table: pd.DataFrame,
    *,
    value: str,
    group: str,
    baseline: str | None = None,
    animal: str = "animal",
    vessel: str = "vessel",
) -> list[Comparison]:
    """Compare each group of a study with one of them, where animals suffice.

    Ratios are compared where all values are positive, differences elsewhere.

    Args:
        table: As in `compare_groups`; without an ``animal`` there is nothing to compare, and
            without a ``vessel`` there is one in each animal.
        value: The column to compare.
        group: The column that says the group.
        baseline: The group that others are compared with; None for the first in natural order.
        animal: The column that says the animal.
        vessel: The column that says the vessel within an animal.

    Returns:
        One comparison for each other group.
    """
    if animal not in table.columns or group == animal:
        return []
    known = table[table[[value, group, animal]].notna().all(axis=1)]
    known = known.assign(**{group: known[group].astype(str)})
    has_vessels = vessel in table.columns and bool(known[vessel].notna().all())
    names = sorted(known[group].unique(), key=natural_key)
    first = baseline or next(iter(names), "")
    found = []
    for other in (name for name in names if name != first):
        try:
            found.append(
                compare_groups(
                    known,
                    value=value,
                    group=group,
                    groups=(first, other),
                    animal=animal,
                    vessel=vessel if has_vessels and vessel != group else None,
                    relative=bool((known[value] > 0).all()),
                )
            )
        except ComparisonError as error:
            logger.info("%s is not compared: %s", other, error)
    return found


def _estimates(
    each: pd.DataFrame, means: pd.DataFrame, animal: str, *, relative: bool
) -> pd.DataFrame:
    """See `Comparison.estimates`; `each` has a row per vessel, `means` one per animal."""
    import pandas as pd

    first, second = each.columns
    value, change = (math.exp, math.expm1) if relative else (float, float)
    # Who and what, the values that it is the mean of, and how that is shown.
    parts: list[tuple[object, object, pd.Series, Callable[[float], float]]] = [
        (None, group, means[group], value) for group in (first, second)
    ]
    for name, own in each.groupby(level=animal):
        parts += [(name, group, own[group], value) for group in (first, second)]
        parts.append((name, None, own[second] - own[first], change))
    rows = []
    for who, group, values, shown in parts:
        known = values.dropna().to_numpy(float)
        if not known.size:
            continue
        mean, half = float(known.mean()), math.nan
        if known.size > 1:
            error = float(known.std(ddof=1)) / math.sqrt(known.size)
            half = t_quantile(0.975, known.size - 1) * error
        rows.append((who, group, shown(mean), shown(mean - half), shown(mean + half), known.size))
    columns = ["animal", "group", "value", "low", "high", "count"]
    numbers = {"value": "float64", "low": "float64", "high": "float64", "count": "int64"}
    return pd.DataFrame(rows, columns=columns, dtype=object).astype(numbers)


def _paired(means: pd.DataFrame) -> tuple[float, float, float]:
    """Change, standard error and degrees of freedom, each animal with itself."""
    first, second = (means[name].to_numpy(float) for name in means.columns)
    changes = (second - first)[np.isfinite(second - first)]
    n = changes.size
    return float(changes.mean()), float(changes.std(ddof=1)) / math.sqrt(n), n - 1.0


def _unpaired(value: str, means: pd.DataFrame) -> tuple[float, float, float]:
    """The same between animals (B. L. Welch, Biometrika 34 (1947) 28)."""
    first, second = (means[name].dropna().to_numpy(float) for name in means.columns)
    if min(first.size, second.size) < _LEAST_ANIMALS:
        raise ComparisonError(
            value,
            f"the groups have {first.size} and {second.size} animals; "
            f"give at least {_LEAST_ANIMALS} in each",
        )
    parts = np.array([one.var(ddof=1) / one.size for one in (first, second)])
    total = float(parts.sum())
    spread = float((np.square(parts) / np.array([first.size - 1, second.size - 1])).sum())
    degrees = total**2 / spread if spread else float(first.size + second.size - 2)
    return float(second.mean() - first.mean()), math.sqrt(total), degrees
