"""Groups of a study, compared by animal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from kymflow.core.compare import Comparison, compare_groups, compare_with_baseline
from kymflow.core.errors import ComparisonError
from kymflow.core.student import t_quantile


def study(
    seed: int, *, change: float = 0.15, same_animals: bool = True, animals: int = 6
) -> pd.DataFrame:
    """Velocities of 5 capillaries in each animal, 4 windows each, before and after."""
    rng = np.random.default_rng(seed)
    rows = []
    for name in range(animals):
        for group in ("before", "after"):
            who = f"m{name}" if same_animals else f"{group}{name}"
            level = np.log(1.0 if group == "before" else 1.0 + change)
            of_animal = np.random.default_rng([seed, name]) if same_animals else rng
            base, answer = of_animal.normal(0.0, 0.3), rng.normal(0.0, 0.1)
            for vessel in range(5):
                of_vessel = base + rng.normal(0.0, 0.2) + answer + level
                for _ in range(4):
                    speed = float(np.exp(of_vessel + rng.normal(0.0, 0.1)))
                    rows.append((who, f"v{vessel}", group, speed))
    return pd.DataFrame(rows, columns=["animal", "vessel", "condition", "velocity"])


def compare(table: pd.DataFrame, **options: Any) -> Comparison:
    return compare_groups(
        table, value="velocity", group="condition", groups=("before", "after"), **options
    )


@pytest.mark.accuracy
@pytest.mark.parametrize("same_animals", [True, False])
def test_the_interval_holds_the_true_change_as_often_as_it_says(same_animals: bool) -> None:
    found = [compare(study(seed, same_animals=same_animals)) for seed in range(100)]
    inside = [one.low <= 0.15 <= one.high for one in found]
    assert all(one.paired == same_animals for one in found)
    assert 0.90 <= np.mean(inside) <= 0.99
    assert np.median([one.change for one in found]) == pytest.approx(0.15, abs=0.06)


def test_a_change_is_from_the_first_group_to_the_second() -> None:
    table = pd.DataFrame(
        {
            "animal": ["a", "b", "c"] * 2,
            "condition": ["before"] * 3 + ["after"] * 3,
            "velocity": [1.0, 2.0, 4.0, 1.2, 2.4, 4.8],
        }
    )
    found = compare(table)
    assert (found.change, found.low, found.high) == pytest.approx((0.2, 0.2, 0.2))
    assert (found.groups, found.animals, found.rows) == (("before", "after"), (3, 3), 6)
    assert found.per_animal["before"].tolist() == pytest.approx([1.0, 2.0, 4.0])
    plain = compare(table, relative=False)
    assert plain.change == pytest.approx(np.mean([0.2, 0.4, 0.8]))
    half = t_quantile(0.975, 2) * np.std([0.2, 0.4, 0.8], ddof=1) / np.sqrt(3)
    assert plain.high - plain.change == pytest.approx(half)


def test_groups_and_animals_are_estimated_over_what_they_consist_of() -> None:
    table = study(0)
    found = compare(table, vessel="vessel").estimates.to_dict("records")
    assert len(found) == 2 + 6 * 3
    before = np.log(table[table["condition"] == "before"].set_index("animal")["velocity"])
    animals = before.groupby("animal").mean()
    (group,) = (row for row in found if (row["animal"], row["group"]) == (None, "before"))
    half = t_quantile(0.975, 5) * animals.std() / np.sqrt(6)
    expected = np.exp([animals.mean(), animals.mean() - half, animals.mean() + half])
    assert [group[end] for end in ("value", "low", "high")] == pytest.approx(expected)
    changes = [row for row in found if row["group"] is None]
    assert [row["animal"] for row in changes] == [f"m{name}" for name in range(6)]
    assert all(row["low"] < row["value"] < row["high"] and row["count"] == 5 for row in changes)
    mean = np.mean([np.log1p(row["value"]) for row in changes])
    assert mean == pytest.approx(np.log1p(compare(table).change))
    alone = compare(table).estimates
    assert alone[alone["animal"].notna()]["low"].isna().all()


def test_many_rows_of_one_animal_count_as_one_animal() -> None:
    table = study(0)
    more = pd.concat([table, *[table[table["animal"] == "m0"]] * 20])
    assert compare(more).change == pytest.approx(compare(table).change)
    assert compare(more).low == pytest.approx(compare(table).low)


def test_only_vessels_of_both_groups_are_compared() -> None:
    table = study(1)
    lost = (table["animal"] == "m0") & (table["vessel"] == "v0") & (table["condition"] == "after")
    whole = table[~((table["animal"] == "m0") & (table["vessel"] == "v0"))]
    found, expected = (compare(t, vessel="vessel") for t in (table[~lost], whole))
    assert found.change == pytest.approx(expected.change)


def test_missing_values_and_other_groups_are_left_out() -> None:
    table = study(2)
    more = pd.concat([table, table.assign(condition="wash"), table.assign(velocity=np.nan)])
    assert compare(more).change == pytest.approx(compare(table).change)


def test_each_group_is_compared_with_the_baseline_by_animal_and_vessel() -> None:
    table = pd.concat([study(3), study(4).assign(condition=lambda t: t["condition"] + " 2")])
    found = compare_with_baseline(table, value="velocity", group="condition", baseline="before")
    assert [one.groups for one in found] == [
        ("before", "after"),
        ("before", "after 2"),
        ("before", "before 2"),
    ]
    assert found[0].change == compare(study(3), vessel="vessel").change
    change, interval, animals = found[0].describe("mm/s")
    assert (change, animals) == (f"{100 * found[0].change:+.3g} %", "6 animals")
    assert interval == f"{100 * found[0].low:+.3g} to {100 * found[0].high:+.3g}"
    (first, *_) = compare_with_baseline(table, value="velocity", group="condition")
    assert first.groups == ("after", "after 2")


def test_values_with_a_sign_differ_by_their_unit() -> None:
    table = study(5)
    found = compare_with_baseline(
        table.assign(velocity=-table["velocity"]), value="velocity", group="condition"
    )
    (one,) = found
    assert not one.relative
    assert one.describe("mm/s")[0].endswith(" mm/s")


def test_without_animals_or_with_too_few_nothing_is_compared() -> None:
    few = study(0, animals=2)
    assert compare_with_baseline(few, value="velocity", group="condition") == []
    unnamed = study(0).drop(columns="animal")
    assert compare_with_baseline(unnamed, value="velocity", group="condition") == []
    assert compare_with_baseline(study(0), value="velocity", group="animal") == []


def test_it_refuses_with_a_reason() -> None:
    with pytest.raises(ComparisonError, match="the groups have 2 and 2 animals; give at least 3"):
        compare(study(0, animals=2, same_animals=False))
    with pytest.raises(ComparisonError, match="not positive; take magnitudes, or give relative"):
        compare(study(0).assign(velocity=-1.0))
    with pytest.raises(KeyError, match="speed"):
        compare_groups(study(0), value="speed", group="condition", groups=("before", "after"))


@pytest.mark.parametrize(
    ("degrees", "expected"),
    [(1, 12.706205), (2, 4.302653), (3, 3.182446), (5, 2.570582), (30, 2.042272), (1e6, 1.959966)],
)
def test_quantiles_are_those_of_the_tables(degrees: float, expected: float) -> None:
    assert t_quantile(0.975, degrees) == pytest.approx(expected, rel=1e-5)


def test_a_quantile_needs_a_degree_of_freedom() -> None:
    with pytest.raises(ValueError, match="at least one degree of freedom"):
        t_quantile(0.975, 0.5)
